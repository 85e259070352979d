"""The Pareto front of a search: designs that no other one beats in cycles and every resource."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources
from rmsmp_hls.schedule.search import Design

Coordinates = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How near two designs may be to count as one.

    Attributes:
        time: step of cycles, a factor less one; 0: every cycle counts.
        resources: step of each resource, a part of what the board has; 0: every unit counts.
    """

    time: float = 0.05
    resources: float = 0.05

    def coordinates(self, cycles: float, cost: Resources, board: Board) -> Coordinates:
        """Return the steps that a design takes: cycles, LUT, FF, DSP, BRAM; less is better."""
        time = (
            math.floor(math.log(max(1.0, cycles)) / math.log1p(self.time)) if self.time else cycles
        )
        return (time, *self.of_cost(cost, board))

    def of_cost(self, cost: Resources, board: Board) -> tuple[float, float, float, float]:
        """Return the steps of the resources."""
        if not self.resources:
            return cost.lut, cost.ff, cost.dsp, cost.bram36
        step = self.resources
        return (
            cost.lut // (step * max(1, board.lut)),
            cost.ff // (step * max(1, board.ff)),
            cost.dsp // (step * max(1, board.dsp)),
            cost.bram36 // (step * max(1, board.bram36)),
        )

    def end(self, time: float) -> float:
        """Return the most cycles of an earlier step of time than `time`."""
        return math.exp(time * math.log1p(self.time)) - 1e-6 if self.time else time - 1


class Front:
    """The goal of all answers: one design of every combination of steps that no other beats.

    Of two designs in the same steps the one found first stays.
    """

    def __init__(self, board: Board, resolution: Resolution) -> None:
        self._board = board
        self.resolution = resolution
        self._steps: npt.NDArray[np.float64] = np.empty((0, 5))
        self._designs: list[Design] = []

    def most_cycles(self, cost: Resources) -> float:
        """Return the cycles that make a design of this cost quicker, by a step, than every found
        one that takes no more of any resource."""
        if not self._designs:
            return math.inf
        steps = np.array(self.resolution.of_cost(cost, self._board))
        rivals = self._steps[(self._steps[:, 1:] <= steps).all(axis=1), 0]
        return self.resolution.end(float(rivals.min())) if rivals.size else math.inf

    def add(self, design: Design) -> None:
        """Keep it if nothing found is as good; what it beats goes."""
        steps = np.array(self.resolution.coordinates(design.cycles, design.cost, self._board))
        if (self._steps <= steps).all(axis=1).any():
            return
        stays = np.asarray(~(self._steps >= steps).all(axis=1))
        self._designs = [d for d, kept in zip(self._designs, stays, strict=True) if kept]
        self._designs.append(design)
        self._steps = np.vstack([self._steps[stays], steps])

    @property
    def designs(self) -> tuple[Design, ...]:
        """The designs, quickest first."""
        return tuple(sorted(self._designs, key=lambda d: (d.cycles, d.cost.lut, d.cost.dsp)))
