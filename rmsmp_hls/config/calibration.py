"""Which options quantize a float network during a build, and what they may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmsmp_hls.config.values import SCALE_VALUES, did_you_mean
from rmsmp_hls.errors import ConfigError

if TYPE_CHECKING:
    from rmsmp_hls.config.options import BuildOptions

METHODS = ("mse", "percentile")
"""Ways to choose activation scales."""

FIRST_LAST = ("same", "fixed8")
"""Policies of the first and last layers (a test holds the list equal to `quant.ends`)."""

EQUALIZATIONS = ("auto", "on", "off")
"""Whether channels are equalized; auto tries both."""

WIDTHS = ("activation_bits", "residual_bits", "input_bits")

QUANTIZATION = (
    *WIDTHS, "first_last", "method", "percentile", "bias_correction", "equalize", "scale_values",
)  # fmt: skip
"""Fields of `BuildOptions` that go to post-training quantization; None takes its default."""

_WORDS = (
    ("first_last", FIRST_LAST), ("method", METHODS), ("equalize", EQUALIZATIONS),
    ("scale_values", SCALE_VALUES),
)  # fmt: skip

CALIBRATION = ("calib_images", "mean", "std", *QUANTIZATION)
"""Fields of `BuildOptions` that mean nothing without `calib`."""


def calibration_findings(options: BuildOptions) -> Iterator[ConfigError]:
    """Yield what is wrong with the options of calibration and quantization."""
    given = [name for name in CALIBRATION if getattr(options, name) is not None]
    if given and options.calib is None:
        yield ConfigError(
            f"{', '.join(given)} given without calibration images",
            where="calib",
            fix="add --calib IMAGES to quantize a float network, or leave these out",
        )
    if options.calib_images is not None and options.calib_images < 1:
        yield ConfigError(
            f"at least one image is needed, not {options.calib_images}", where="calib_images"
        )
    for name in WIDTHS:
        bits = getattr(options, name)
        if bits is not None and not 2 <= bits <= 8:
            yield ConfigError(f"codes have 2 to 8 bits, not {bits}", where=name)
    share = options.percentile
    if share is not None and not 50 <= share <= 100:
        yield ConfigError(f"must be 50..100, not {share:g}", where="percentile")
    for name, known in _WORDS:
        word = getattr(options, name)
        if word is not None and word not in known:
            yield ConfigError(
                f"unknown {name} {word[:40]!r}", where=name, fix=did_you_mean(word, known)
            )
