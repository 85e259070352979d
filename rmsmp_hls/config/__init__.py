"""What a build is asked to do: options, their resolution, and the file `rmsmp.yaml`."""

from rmsmp_hls.config.calibration import CALIBRATION, QUANTIZATION
from rmsmp_hls.config.file import load_config
from rmsmp_hls.config.options import BuildOptions, Setting, resolve
from rmsmp_hls.config.values import (
    Ratio,
    parse_array_override,
    parse_ratio,
    parse_reals,
    show_ratio,
)
from rmsmp_hls.config.words import option_words

__all__ = [
    "CALIBRATION",
    "QUANTIZATION",
    "BuildOptions",
    "Ratio",
    "Setting",
    "load_config",
    "option_words",
    "parse_array_override",
    "parse_ratio",
    "parse_reals",
    "resolve",
    "show_ratio",
]
