"""What one on-chip memory costs, by the shapes that the primitives have.

Sources: UG473 / UG573 (block RAM), UG474 / UG574 (LUT RAM); the shapes are the simple
dual-port ones, one read and one write port.
"""

from __future__ import annotations

from rmsmp_hls.hw.cycles import ceil_div

# (depth, width) of one RAMB18 in simple dual-port use.
_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def ramb18(width: int, depth: int) -> int:
    """Return the fewest RAMB18 for a `depth` x `width` memory (a RAMB36 is two of them)."""
    return min(ceil_div(width, w) * ceil_div(depth, d) for d, w in _RAMB18)


def lutram(width: int, depth: int) -> int:
    """Return the LUTs of a `depth` x `width` LUT memory.

    RAM32M: 32 x 6 bits in four LUTs; RAM64M: 64 x 3 bits in four LUTs.
    """
    if depth <= 32:
        return ceil_div(width * 4, 6)
    return ceil_div(width * 4, 3) * ceil_div(depth, 64)
