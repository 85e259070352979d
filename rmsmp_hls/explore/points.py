"""The designs of a network on a board that are worth a look; what `build` takes is one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rmsmp_hls.explore.front import Front, Resolution
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources, Shares
from rmsmp_hls.schedule.choose import Quickest
from rmsmp_hls.schedule.search import Design, Goal, Search
from rmsmp_hls.schedule.space import SearchSpace

Ratio = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """One design; every figure is *modelled*.

    Attributes:
        array: its shape.
        cycles: of one image, without the depth of pipelines.
        cost: resources.
        chosen: whether `build` takes it, of those of its ratio.
        ratio: of the rows, shift-add : Fixed-4 : Fixed-8, as quantized; None: as they came.
        proxy_db: how near the network is to the float one, as the proxy says; None: not known.
    """

    array: ArrayShape
    cycles: int
    cost: Resources
    chosen: bool
    ratio: Ratio | None = None
    proxy_db: float | None = None

    def latency_ms(self, clock_mhz: float) -> float:
        """Return the time of one image."""
        return self.cycles / (clock_mhz * 1e3)


class _Every:
    """Several goals at once: a design is wanted if one of them wants it."""

    def __init__(self, *goals: Goal) -> None:
        self._goals = goals

    def most_cycles(self, cost: Resources) -> float:
        return max(goal.most_cycles(cost) for goal in self._goals)

    def add(self, design: Design) -> None:
        for goal in self._goals:
            if design.cycles <= goal.most_cycles(design.cost):
                goal.add(design)


def front_points(
    space: SearchSpace, shares: Shares | None = None, resolution: Resolution | None = None
) -> tuple[Point, ...]:
    """Return the front of a space, quickest first.

    Of designs that differ by less than the resolution one stands for all; the one that
    `choose_array` takes stands for those like it.

    Raises:
        ResourceError: no array fits the board.
    """
    resolution = resolution or Resolution()
    front, quickest = Front(space.board, resolution), Quickest(space.board)
    Search(space, _Every(front, quickest), shares).run()
    chosen, board = quickest.design, space.board
    steps = resolution.coordinates(chosen.cycles, chosen.cost, board)
    others = [
        design
        for design in front.designs
        if resolution.coordinates(design.cycles, design.cost, board) != steps
    ]
    points = [Point(d.array, d.cycles, d.cost, False) for d in others]
    points.append(Point(chosen.array, chosen.cycles, chosen.cost, True))
    return _quickest_first(points)


def merged(points: Iterable[Point], board: Board, resolution: Resolution) -> tuple[Point, ...]:
    """Return what is left of the fronts of several ratios: a point goes if one with at least its
    proxy takes no more steps of anything. What `build` takes stays."""
    placed = [(p, resolution.coordinates(p.cycles, p.cost, board)) for p in points]
    left = []
    for number, (point, steps) in enumerate(placed):
        beaten = any(
            other is not point
            and _not_worse(other, point)
            and all(a <= b for a, b in zip(theirs, steps, strict=True))
            and (theirs != steps or other.proxy_db != point.proxy_db or rank < number)
            for rank, (other, theirs) in enumerate(placed)
        )
        if point.chosen or not beaten:
            left.append(point)
    return _quickest_first(left)


def _not_worse(one: Point, other: Point) -> bool:
    if one.proxy_db is None or other.proxy_db is None:
        return one.ratio == other.ratio
    return one.proxy_db >= other.proxy_db


def thinned(points: tuple[Point, ...], board: Board, most: int) -> tuple[Point, ...]:
    """Return at most about `most` points: those of the finest resolution that leaves so few; what
    `build` takes stays."""
    resolution = Resolution(0.05, 0.05)
    left = points
    while len(left) > most and resolution.resources < 1:
        left = merged(points, board, resolution)
        resolution = Resolution(resolution.time * 1.5, resolution.resources * 1.5)
    return left


def _quickest_first(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda p: (p.cycles, p.cost.lut, p.cost.dsp)))
