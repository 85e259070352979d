"""Tensors in memory: those that live together never overlap, and few words are wasted."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.schedule.allocate import (
    Lifetime,
    allocate,
    allocate_arrangement,
    arrangement_lifetimes,
)
from rmsmp_hls.schedule.arrange import arrange
from tests.schedule.graphs import Builder, fmt, small_residual, window

LIVES = st.lists(
    st.tuples(st.integers(1, 100), st.integers(0, 20), st.integers(0, 6)), min_size=1, max_size=20
)


@given(LIVES)
def test_tensors_that_meet_do_not_overlap(raw: list[tuple[int, int, int]]) -> None:
    """Checked pair by pair; the depth is the highest end, and at least the fullest moment."""
    lives = [Lifetime(f"t{i}", w, first, first + n) for i, (w, first, n) in enumerate(raw)]
    result = allocate(lives)
    bases = dict(result.bases)
    for a, b in itertools.combinations(lives, 2):
        if a.first <= b.last and b.first <= a.last:
            low, high = sorted((a, b), key=lambda life: bases[life.name])
            assert bases[low.name] + low.words <= bases[high.name]
    assert result.depth == max(bases[life.name] + life.words for life in lives)
    assert result.depth >= max(
        sum(life.words for life in lives if life.first <= t <= life.last) for t in range(30)
    )


def test_a_chain_reuses_memory() -> None:
    """Ping-pong: never more than the largest neighbours."""
    net = Builder((8, 8, 8), fmt())
    for index in range(6):
        net.matmul(f"c{index}", f"c{index - 1}" if index else "x", 8, fmt(), window(3, 1, 1))
    _, depth = allocate_arrangement(arrange(net.graph(), 8, 8), "c5")
    assert depth == 2 * 8


def test_a_residual_branch_stays_until_the_addition() -> None:
    """The skipped tensor lives over the operations in between, the result until the end."""
    graph = small_residual()
    lives = {life.name: life for life in arrangement_lifetimes(arrange(graph, 8, 8), "fc")}
    names = [op.name for op in graph]
    assert lives["conv1"].last == names.index("add")
    assert "fc" not in lives
    stored = Builder((4, 2, 2), fmt()).matmul("c", "x", 4, fmt()).graph()
    assert {life.name: life.last for life in arrangement_lifetimes(arrange(stored, 4, 2), "c")}[
        "c"
    ] == 2
