"""The generators: torch runs what they draw, equal seeds draw equally, JSON keeps everything."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.arrays import random_array
from tests.fuzz.case import Network, Node, from_json, to_json
from tests.fuzz.cases import board_case, random_case
from tests.fuzz.choices import SeededChoices
from tests.fuzz.layers import LAYERS, RandomNetwork
from tests.fuzz.networks import prune


@pytest.mark.parametrize("seed", range(20))
def test_a_case_survives_json_and_comes_again(seed: int) -> None:
    """The same seed gives the same case, and its JSON form is complete."""
    case = random_case(SeededChoices(seed))
    assert case == random_case(SeededChoices(seed))
    assert from_json(to_json(case)) == case


def test_torch_runs_every_network_and_its_parameters_are_the_seed_s() -> None:
    """Two modules of one description are equal."""
    for seed in range(20):
        network = random_case(SeededChoices(seed)).network
        first, second = (RandomNetwork(network).state_dict() for _ in range(2))
        assert all(first[key].equal(second[key]) for key in first)


def test_networks_vary() -> None:
    """In some hundred networks all operations occur, as do small and large networks."""
    counts: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for seed in range(300):
        nodes = random_case(SeededChoices(seed)).network.nodes
        counts.update(node.op for node in nodes)
        sizes[len(nodes)] += 1
    assert set(counts) == set(LAYERS)
    assert min(sizes) <= 2 and max(sizes) >= 12


def test_arrays_are_legal_and_vary() -> None:
    """Every array passes its own rules; all codebooks, DSP families and drains occur."""
    arrays = [random_array(SeededChoices(seed)) for seed in range(200)]
    assert len({array.shift_add_codebook for array in arrays}) == 3
    assert len({array.dsp for array in arrays}) == 2
    assert len({array.drain_rows for array in arrays}) > 3
    assert any(not array.shift_add_lanes for array in arrays)


def test_board_cases_name_a_board() -> None:
    """The array is left to the toolchain."""
    assert board_case(SeededChoices(0)).board


def test_pruning_keeps_what_the_result_depends_on() -> None:
    """Nodes that nobody reads go, the numbers of the others follow."""
    nodes = (Node.of("relu", 0), Node.of("relu6", 0), Node.of("add", 2, 2))
    pruned = prune(Network((3, 2, 2), nodes))
    assert pruned.nodes == (Node.of("relu6", 0), Node.of("add", 1, 1))
