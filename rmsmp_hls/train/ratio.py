"""Ratios as people write them."""

from __future__ import annotations

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.quant.rows import check_ratio

Ratio = str | tuple[float, float, float]
"""Shares shift-add : Fixed-4 : Fixed-8, as "65:30:5" or (65, 30, 5)."""


def parse_ratio(ratio: Ratio) -> tuple[float, float, float]:
    """Return the three shares as given (not normalized).

    Raises:
        ConfigError: there are not three numbers, one is negative, or all are 0.
    """
    parts = ratio.split(":") if isinstance(ratio, str) else list(ratio)
    try:
        shares = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        shares = ()
    if len(shares) != 3:
        raise ConfigError(
            f"impossible ratio {ratio!r}",
            where="ratio",
            fix="give three shares shift-add:Fixed-4:Fixed-8, e.g. 65:30:5",
        )
    check_ratio(shares)
    return shares
