"""Whole trainings from a configuration: float epochs, calibration, quantization-aware epochs."""

from __future__ import annotations

from rmsmp_hls.trainer.run import TrainOutcome, train

__all__ = ["TrainOutcome", "train"]
