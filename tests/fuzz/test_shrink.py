"""Shrinking keeps the failure and drops the rest."""

from __future__ import annotations

from tests.fuzz.case import Case
from tests.fuzz.cases import random_case
from tests.fuzz.choices import SeededChoices
from tests.fuzz.layers import RandomNetwork
from tests.fuzz.shrink import shrink


def _has_strided_pool(case: Case) -> bool:
    return any(n.op == "max_pool" and max(n["stride"]) > 1 for n in case.network.nodes)


def test_one_node_is_left_of_a_network_that_fails_for_one_node() -> None:
    """The case still fails, torch can run it, and nothing else is in it."""
    found = (random_case(SeededChoices(seed)) for seed in range(1000))
    case = next(c for c in found if _has_strided_pool(c) and len(c.network.nodes) > 8)
    small = shrink(case, _has_strided_pool)
    assert _has_strided_pool(small)
    assert len(small.network.nodes) == 1
    assert small.network.shape[0] == 1
    assert (small.images, small.tile_groups, small.quantization.spread) == (1, 0, 0)
    assert RandomNetwork(small.network).shapes[-1]


def test_what_does_not_shrink_stays() -> None:
    """If no smaller case fails, the case is returned as it is."""
    case = random_case(SeededChoices(3))
    assert shrink(case, lambda candidate: False) == case
