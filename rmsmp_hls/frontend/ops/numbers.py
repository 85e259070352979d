"""Numbers in the arguments of calls."""

from __future__ import annotations

from typing import Any


def pair(value: Any, rank: int = 4, fill: int = 1) -> tuple[int, int]:
    """Return (vertical, horizontal) of one or two numbers; `fill` is vertical in [N, C, L]."""
    numbers = [value] if isinstance(value, int) else list(value)
    if any(type(number) is not int for number in numbers) or not 1 <= len(numbers) <= 2:
        raise ValueError(f"{value} are not one or two integers")
    return (fill, numbers[-1]) if rank == 3 else (numbers[0], numbers[-1])


def sides(padding: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right) of the same padding on both sides."""
    return (*padding, *padding)


def is_number(value: Any) -> bool:
    """Whether an argument is a plain number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
