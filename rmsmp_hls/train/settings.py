"""What a quantization is asked for: shift-add codebook, ratio, widths of activations."""

from __future__ import annotations

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES
from rmsmp_hls.numerics.codebooks import codebook as find_codebook
from rmsmp_hls.train.ratio import Ratio, parse_ratio


def checked_settings(
    codebook: str, ratio: Ratio, widths: tuple[int, int, int]
) -> tuple[str, tuple[float, float, float]]:
    """Return the codebook's own name and the shares shift-add : Fixed-4 : Fixed-8.

    Args:
        codebook: of the shift-add rows, in any case; of 3 or 2 bits, the fixed rows are so too.
        ratio: as people write it.
        widths: bits of (activations, residual tensors, input).

    Raises:
        ConfigError: unknown codebook or one that is not shift-add, impossible ratio or width.
    """
    if not all(2 <= bits <= 8 for bits in widths):
        raise ConfigError(f"activation widths {widths}", fix="choose 2 to 8 bits")
    shift_add = find_codebook(codebook).name
    if shift_add not in SHIFT_ADD_NAMES:
        raise ConfigError(
            f"{shift_add} is not a shift-add codebook",
            where="codebook",
            fix=f"choose one of {', '.join(SHIFT_ADD_NAMES)}; the fixed rows come with the ratio",
        )
    return shift_add, parse_ratio(ratio)
