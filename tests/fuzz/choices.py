"""Where random decisions come from: a seed, or hypothesis. The generators know only `Choices`."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
_SEEDS = (1 << 31) - 1


class Choices(ABC):
    """A source of decisions; everything is derived from `integer`."""

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """Return an integer of low..high, both included."""

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, all equally likely; simpler ones come first."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of 100 cases."""
        return self.integer(0, 99) >= 100 - percent

    def weighted(self, weights: Mapping[T, int]) -> T:
        """Return a key; each as often as its weight says. At least one weight is positive."""
        left = self.integer(1, sum(weights.values()))
        for option, weight in weights.items():
            left -= weight
            if left <= 0:
                return option
        raise AssertionError("unreachable: the weights sum to what was drawn from")

    def seed(self) -> int:
        """Return a seed for arrays of numbers."""
        return self.integer(0, _SEEDS)


class SeededChoices(Choices):
    """Decisions from a seed; equal seeds decide equally."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


class DrawnChoices(Choices):
    """Decisions that hypothesis takes, and shrinks."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))
