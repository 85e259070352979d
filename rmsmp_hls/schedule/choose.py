"""Which array for this network on this board: fewest predicted cycles, then least resources.

All arrays within `TIE` of the best compete on resources, so a small network gets a small array.
"""

from __future__ import annotations

from math import inf

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources, Shares
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.schedule.search import Design, Search, board_share
from rmsmp_hls.schedule.space import SearchSpace
from rmsmp_hls.schedule.split_lanes import Ratio

TIE = 1.03
"""Arrays whose predicted cycles are within this factor of the best are equally good."""


class Quickest:
    """The goal of one answer; it takes only what is within `TIE` of the best so far."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._best: int | None = None
        self._found: list[tuple[float, Design]] = []

    def most_cycles(self, cost: Resources) -> float:
        """Return the best cycles so far and the tie's."""
        return inf if self._best is None else self._best * TIE

    def add(self, design: Design) -> None:
        """Keep it; earlier ones stay, as the tie is with what will be the best."""
        self._found.append((board_share(design.cost, self._board), design))
        self._best = design.cycles if self._best is None else min(self._best, design.cycles)

    @property
    def design(self) -> Design:
        """The design of least resources among the ties; something was added."""
        assert self._best is not None, "a search that finds nothing raises"
        most = self._best * TIE
        ties = [entry for entry in self._found if entry[1].cycles <= most]
        return min(ties, key=lambda entry: (entry[0], entry[1].cycles))[1]


def choose_array(
    graph: IntGraph,
    board: Board,
    ratio: Ratio | None = None,
    clock_mhz: float | None = None,
    shares: Shares | None = None,
    codebook: str | None = None,
    multiplier_terms: int = 0,
) -> ArrayShape:
    """Return the array with the fewest predicted cycles for `graph` that fits the board.

    Args:
        graph: the network.
        board: the board; its port width is the weight port's.
        ratio: shift-add : fixed-4 : fixed-8 as asked, in any unit; lane splits near it are
            tried besides those near the rows really present. None: only the latter.
        clock_mhz: clock, for what the DDR delivers per cycle; default the board's.
        shares: parts of the board that may be used; default `Shares()`.
        codebook: codebook of the shift-add lanes; default that of the rows.
        multiplier_terms: of the array; a network that was restricted to so many needs no DSP for
            its requantization.

    Raises:
        ResourceError: no array fits; names what the smallest one exceeds, or the tensors whose
            lines the largest memory cannot hold.
        LoweringError: the rows are of two shift-add codebooks.
    """
    goal = Quickest(board)
    space = SearchSpace(graph, board, ratio, clock_mhz, codebook, multiplier_terms)
    Search(space, goal, shares).run()
    return goal.design.array
