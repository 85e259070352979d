"""Some of many, evenly spread."""

from __future__ import annotations


def evenly(there: int, wanted: int | None) -> list[int]:
    """Return `wanted` of the indices 0..there-1 in order, all of them if None or not fewer."""
    if wanted is None or wanted >= there:
        return list(range(there))
    return [number * there // wanted for number in range(wanted)]
