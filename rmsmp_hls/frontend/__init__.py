"""PyTorch models and RMSMP checkpoints -> FloatGraph. The only importer of models."""
