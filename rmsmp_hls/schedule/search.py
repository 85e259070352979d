"""One search for all questions about arrays: it yields designs, a goal says which it still wants.

Designs are looked at largest array first. What cannot be wanted is left out unseen: by a lower
bound of the cycles and of every resource of all designs that share some sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

from rmsmp_hls.errors import ResourceError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources, Shares, array_cost, cost_change, excess
from rmsmp_hls.schedule.demands import Demands, no_room
from rmsmp_hls.schedule.space import SearchSpace, Sizes


@dataclass(frozen=True, slots=True)
class Design:
    """An array that fits the board.

    Attributes:
        array: its shape.
        cycles: predicted for one image: loop iterations and waits for DDR, without the depth of
            pipelines.
        cost: modelled resources.
    """

    array: ArrayShape
    cycles: int
    cost: Resources


class Goal(Protocol):
    """What a search is for."""

    def most_cycles(self, cost: Resources) -> float:
        """Return the most cycles that a design of at least this cost may take to be wanted;
        negative if none is. More cost never gives more cycles."""

    def add(self, design: Design) -> None:
        """Take a design into account."""


class _Costs:
    """The cost of every design that differs in drain, partial sums, vector unit and depth alone.

    The cost model is a sum over units, of which each depends on one of these sizes at most.
    """

    def __init__(self, array: ArrayShape, sizes: Sizes) -> None:
        self._base = array_cost(array)
        self._drains = {n: cost_change(array, "drain_rows", n) for n in sizes.drain_rows}
        self._groups = {n: cost_change(array, "tile_groups", n) for n in sizes.tile_groups}
        self._vectors = {n: cost_change(array, "vector_lanes", n) for n in sizes.vector_lanes}
        self._least_vector = _least(self._vectors.values())
        self._least = (
            _least(self._drains.values()) + _least(self._groups.values()) + self._least_vector
        )

    def at_depth(self, array: ArrayShape) -> _Costs:
        """Return the costs with another depth of the activation memory."""
        other = copy(self)
        other._base = array_cost(array)
        return other

    @property
    def least(self) -> Resources:
        """What all of them cost at least."""
        return self._base + self._least

    def tiled(self, drain: int, groups: int) -> Resources:
        """Return what designs with this drain and these partial sums cost at least."""
        return self._base + self._drains[drain] + self._groups[groups] + self._least_vector

    def whole(self, drain: int, groups: int, vector: int) -> Resources:
        """Return the cost of one design."""
        return self._base + self._drains[drain] + self._groups[groups] + self._vectors[vector]


def _least(costs: Iterable[Resources]) -> Resources:
    """Return the least of every resource by itself."""
    found = list(costs)
    return Resources(
        min(c.lut for c in found),
        min(c.ff for c in found),
        min(c.dsp for c in found),
        min(c.bram36 for c in found),
    )


def board_share(cost: Resources, board: Board) -> float:
    """Return the parts of the board that an array takes, summed over the resources."""
    pairs = ((cost.lut, board.lut), (cost.ff, board.ff), (cost.dsp, board.dsp))
    return sum(used / max(1, there) for used, there in pairs) + cost.bram36 / max(1, board.bram36)


class Search:
    """One walk through a space for a goal.

    Attributes:
        seen: designs that were looked at one by one.
    """

    def __init__(self, space: SearchSpace, goal: Goal, shares: Shares | None = None) -> None:
        self.space = space
        self.goal = goal
        self.shares = shares or Shares()
        self.seen = 0
        self._found = False
        self._smallest: tuple[float, tuple[str, ...]] | None = None
        self._roomiest: ArrayShape | None = None

    def run(self) -> None:
        """Give the goal every design that it may want.

        Raises:
            ResourceError: no array fits; names what the smallest one exceeds, or the tensors whose
                lines the largest memory cannot hold.
        """
        network = self.space.network
        for base in self.space.candidates():
            sizes = self.space.sizes(base)
            quickest = replace(
                base, drain_rows=max(sizes.drain_rows), tile_groups=max(sizes.tile_groups)
            )
            floor = network.floor(quickest)
            if floor > self.goal.most_cycles(_NOTHING):
                continue
            costs = _Costs(base, sizes)
            for array in self.space.depths(base):
                self._look(array, sizes, costs.at_depth(array), floor)
        if not self._found:
            raise self._no_array()

    def _look(self, array: ArrayShape, sizes: Sizes, costs: _Costs, floor: int) -> None:
        """Look at all designs of one array with one depth of the activation memory."""
        network = self.space.network
        if not self._fits(costs.least) or floor > self.goal.most_cycles(costs.least):
            return
        moves = network.spill_cycles(array)
        if moves is None:
            self._roomiest = max(self._roomiest or array, array, key=_memory)
            return
        if floor + moves > self.goal.most_cycles(costs.least):
            return
        vectors = [(network.vector_cycles(replace(array, vector_lanes=n)), n)
                   for n in sizes.vector_lanes]  # fmt: skip
        least_vector = min(vectors)[0]
        for drain in sizes.drain_rows:
            for groups in sizes.tile_groups:
                cost = costs.tiled(drain, groups)
                if not self._fits(cost):
                    continue
                most = self.goal.most_cycles(cost) - least_vector
                shape = replace(array, drain_rows=drain, tile_groups=groups)
                if network.matmul_floor(shape) > most:
                    continue
                cycles = network.matmul_cycles(shape, most)
                if cycles is None:
                    continue
                for vector_cycles, vector in vectors:
                    self._offer(shape, costs.whole(drain, groups, vector), vector,
                                cycles + vector_cycles)  # fmt: skip

    def _offer(self, shape: ArrayShape, cost: Resources, vector: int, cycles: int) -> None:
        self.seen += 1
        if self._fits(cost):
            self._found = True
            if cycles <= self.goal.most_cycles(cost):
                self.goal.add(Design(replace(shape, vector_lanes=vector), cycles, cost))

    def _fits(self, cost: Resources) -> bool:
        faults = excess(cost, self.space.board, self.shares)
        if faults and not self._found:
            size = board_share(cost, self.space.board)
            if self._smallest is None or size < self._smallest[0]:
                self._smallest = (size, faults)
        return not faults

    def _no_array(self) -> ResourceError:
        """Return the error that no array fits, with what the smallest exceeds."""
        board = self.space.board.name
        if self._roomiest is not None:
            where = self.space.network.arranged(self._roomiest.channels, self._roomiest.banks)
            demands = Demands(where, self.space.graph.output)
            return no_room(demands, self._roomiest.activation_depth)
        if self._smallest is None:
            return ResourceError(
                "no split of row lanes serves all row formats", where=f"board {board}"
            )
        findings = [
            ResourceError(
                f"even the smallest array does not fit; {text}",
                where=f"board {board}",
                fix="choose a larger board, a smaller network or input, or raise the resource "
                "share",
            )
            for text in self._smallest[1]
        ]
        gathered = ResourceError.gather(findings)
        assert isinstance(gathered, ResourceError), "gather keeps the class"
        return gathered


_NOTHING = Resources(lut=0, ff=0, dsp=0, bram36=0)


def _memory(array: ArrayShape) -> int:
    """Return the nibbles of the activation memory."""
    return array.activation_depth * array.banks * array.channels
