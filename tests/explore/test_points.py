"""The front is that of an exhaustive search, fits the board and holds what `build` takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rmsmp_hls.explore.front import Coordinates, Resolution
from rmsmp_hls.explore.points import Point, front_points, merged, thinned
from rmsmp_hls.hw.board import Board, load_board
from rmsmp_hls.hw.cost import Shares, array_cost, excess
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.space import SearchSpace
from tests.explore.spaces import SMALL, all_designs, graphs
from tests.schedule.graphs import small_residual

EXACT = Resolution(0, 0)


def _front(steps: set[Coordinates]) -> set[Coordinates]:
    """Return what nothing else beats, by comparing all pairs."""
    return {
        mine
        for mine in steps
        if not any(
            other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
            for other in steps
        )
    }


def _coordinates(points: tuple[Point, ...], board: Board, step: Resolution) -> set[Coordinates]:
    return {step.coordinates(p.cycles, p.cost, board) for p in points}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("board_name", ["pynq-z2", "zcu102"])
@pytest.mark.parametrize("step", [EXACT, Resolution(0.1, 0.02)], ids=["exact", "steps"])
def test_the_front_is_that_of_an_exhaustive_search(
    number: int, board_name: str, step: Resolution
) -> None:
    """No design that pruning left out belongs to it, and nothing in it is beaten."""
    board = load_board(board_name)
    space = SearchSpace(graphs()[number], board, (65, 30, 5), tried=SMALL)
    designs = list(all_designs(space))
    assert len(designs) > 100
    want = _front({step.coordinates(d.cycles, d.cost, board) for d in designs})
    points = front_points(space, resolution=step)
    found = _coordinates(tuple(p for p in points if not p.chosen), board, step)
    chosen = _coordinates(tuple(p for p in points if p.chosen), board, step)
    assert found <= want
    assert want <= found | chosen
    if step is EXACT:
        assert chosen <= want


@pytest.mark.parametrize("share", [0.3, 0.45])
def test_the_front_of_a_part_of_the_board_is_exhaustive_too(share: float) -> None:
    """Where LUTs are short, deep partial sums in block RAM are the way out and are not missed."""
    board, shares = load_board("pynq-z2"), Shares(lut=share, ff=0.7, dsp=0.9, bram36=0.85)
    space = SearchSpace(graphs()[2], board, tried=SMALL)
    want = _front({EXACT.coordinates(d.cycles, d.cost, board) for d in all_designs(space, shares)})
    assert _coordinates(front_points(space, shares, EXACT), board, EXACT) == want


@pytest.mark.parametrize("number", range(3))
def test_what_build_takes_is_on_the_front(number: int) -> None:
    """The point that is marked is the array of `choose_array`, and nothing beats it."""
    graph, board = graphs()[number], load_board("zedboard")
    points = front_points(SearchSpace(graph, board), resolution=Resolution(0.05, 0.02))
    assert [p.array for p in points if p.chosen] == [choose_array(graph, board)]
    marked = next(p for p in points if p.chosen)
    mine = EXACT.coordinates(marked.cycles, marked.cost, board)
    for point in points:
        other = EXACT.coordinates(point.cycles, point.cost, board)
        assert point is marked or not all(a <= b for a, b in zip(other, mine, strict=True))


def test_every_point_fits_and_says_its_own_cost() -> None:
    """Within the shares; the parts that the search adds up are the whole cost."""
    board, shares = load_board("ultra96-v2"), Shares(lut=0.5)
    points = front_points(SearchSpace(small_residual(), board), shares)
    assert len(points) > 5
    for point in points:
        assert point.cost == array_cost(point.array)
        assert not excess(point.cost, board, shares)


def test_ratios_compete_by_their_proxy() -> None:
    """A point goes only if one with at least its proxy beats it; an unknown proxy beats none of
    another ratio; of equals the first stays."""
    board = load_board("zcu102")
    one, two = front_points(SearchSpace(small_residual(), board, tried=SMALL))[1:3]
    one, two = replace(one, chosen=False), replace(two, chosen=False)
    worse = replace(one, cycles=one.cycles * 2, ratio=(1, 1, 1), proxy_db=10.0)
    better = replace(one, ratio=(2, 1, 1), proxy_db=10.0)
    assert merged([worse, better], board, EXACT) == (better,)
    assert merged([replace(worse, proxy_db=11.0), better], board, EXACT) == (
        better, replace(worse, proxy_db=11.0),
    )  # fmt: skip
    assert len(merged([replace(worse, proxy_db=None), better], board, EXACT)) == 2
    assert merged([one, replace(one, array=two.array)], board, EXACT) == (one,)
    kept = merged([replace(worse, chosen=True), better], board, EXACT)
    assert len(kept) == 2


def test_a_long_front_is_thinned() -> None:
    """Fewer points, all of them from the front, what `build` takes among them."""
    board = load_board("zcu102")
    points = front_points(SearchSpace(small_residual(), board), resolution=Resolution(0.02, 0.01))
    few = thinned(points, board, 8)
    assert 1 < len(few) <= 8 < len(points)
    assert set(few) <= set(points)
    assert any(p.chosen for p in few)
