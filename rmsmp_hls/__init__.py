"""rmsmp-hls: row-wise mixed-scheme quantized networks on FPGAs, from PyTorch to HLS C++."""

__version__ = "0.1.0"
