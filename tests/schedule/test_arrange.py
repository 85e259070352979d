"""Buffers and copies: what is written in place, what is a view, what must be copied."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.ir.int_ops import IntConcat, IntMatmul, IntMaxPool, IntSelect
from rmsmp_hls.schedule.arrange import Arrangement, arrange, buffer_lifetimes
from rmsmp_hls.schedule.layout import slot_blocks
from tests.schedule.graphs import Builder, fmt, window
from tests.schedule.random_graphs import KINDS, random_graph


def added(arrangement: Arrangement) -> list[type]:
    """The kinds of operations that were not in the graph."""
    return [type(op) for op in arrangement.ops if arrangement.owners[op.name] != op.name]


def two_branches() -> Builder:
    net = Builder((8, 4, 4), fmt())
    net.matmul("a", "x", 11, fmt()).matmul("b", "x", 5, fmt())
    return net


def test_a_concatenation_is_written_in_place() -> None:
    """Every operand starts at a new block; nothing is copied, one buffer holds all."""
    net = two_branches().max_pool("m", "b", window(1)).concat("k", "a", "m", "b")
    found = arrange(net.matmul("c", "k", 3, fmt()).graph(), 8, 8)
    assert not added(found)
    assert [found.places[n].buffer for n in "ambk"] == ["k"] * 4
    assert [found.places[n].block for n in "ambk"] == [0, 2, 3, 0]
    assert found.slots("k") == (*range(11), *range(16, 21), *range(24, 29))
    assert found.buffers["k"].blocks == 4
    assert set(found.buffers) == {"x", "k", "c"}


def test_an_operand_of_two_concatenations_is_copied_once() -> None:
    """The later concatenation is written in place, the earlier one gets copies."""
    net = two_branches().concat("k", "a", "b").concat("l", "b", "a")
    found = arrange(net.graph(), 8, 8)
    assert added(found) == [IntMaxPool, IntMaxPool]
    assert found.places["a"].buffer == found.places["b"].buffer == "l"
    assert found.owners[found.ops[3].name] == "k"


def test_a_concatenation_that_goes_on_with_an_earlier_one_is_nested() -> None:
    """(a, b) and then (a, b, c) share their blocks, as densely connected layers ask for."""
    net = two_branches().concat("k", "a", "b").matmul("c", "k", 4, fmt())
    found = arrange(net.concat("l", "a", "b", "c").graph(), 8, 8)
    assert not added(found)
    assert [found.places[n] == found.places["k"] for n in "l"] == [False]
    assert [(found.places[n].buffer, found.places[n].block) for n in "abkcl"] == [
        ("l", 0), ("l", 2), ("l", 0), ("l", 3), ("l", 0),
    ]  # fmt: skip


def test_the_same_operand_twice_is_copied() -> None:
    """One place cannot be two."""
    net = two_branches().concat("k", "a", "a")
    assert added(arrange(net.graph(), 8, 8)) == [IntMaxPool]


def test_a_selection_is_a_view_of_few_blocks() -> None:
    """No room of its own, blocks from its first to its last channel."""
    net = Builder((24, 4, 4), fmt()).select("s", "x", (17, 15, 9))
    found = arrange(net.matmul("c", "s", 3, fmt()).graph(), 8, 8)
    assert not added(found)
    assert (found.places["s"].buffer, found.places["s"].block) == ("x", 1)
    assert found.slots("s") == (9, 7, 1)
    assert slot_blocks(found.slots("s"), 8) == 2


def test_channels_taken_twice_are_gathered_by_the_array() -> None:
    """No view has one channel as two."""
    net = Builder((4, 2, 2), fmt()).matmul("a", "x", 4, fmt()).select("s", "a", (1, 1, 3))
    found = arrange(net.graph(), 8, 8)
    gather = found.ops[2]
    assert isinstance(gather, IntMatmul)
    assert gather.codes.shape == (3, 4, 1, 1)
    assert found.places["s"].buffer == "s"


def test_branches_of_an_addition_agree_without_a_copy() -> None:
    """A matrix multiplication writes the slots that the other branch has."""
    net = two_branches().concat("k", "a", "b").matmul("c", "x", 16, fmt())
    for a, b in (("k", "c"), ("c", "k")):
        found = arrange(Builder.graph(_with(net, a, b)), 8, 8)
        assert not added(found)
        assert found.slots("c") == found.slots("k") == found.slots("sum")


def _with(net: Builder, a: str, b: str) -> Builder:
    """A copy of the network with an addition."""
    copy = Builder((8, 4, 4), fmt())
    copy.ops = list(net.ops)
    return copy.add("sum", a, b, fmt())


def test_branches_that_cannot_agree_are_copied() -> None:
    """A concatenation and the input: identity weights move one of them."""
    net = Builder((16, 4, 4), fmt()).matmul("a", "x", 11, fmt()).matmul("b", "x", 5, fmt())
    found = arrange(net.concat("k", "a", "b").add("sum", "k", "x", fmt()).graph(), 8, 8)
    assert added(found) == [IntMatmul]
    assert found.slots(found.ops[-1].inputs[1]) == found.slots("k")


def test_a_buffer_lives_from_its_first_part_to_its_last_view() -> None:
    """Parts and views extend the life of the whole."""
    net = two_branches().concat("k", "a", "b").select("s", "k", (0, 12)).matmul("c", "x", 2, fmt())
    found = arrange(net.add("sum", "s", "s", fmt()).graph(), 8, 8)
    lives = {name: (first, last) for name, first, last in buffer_lifetimes(found, "sum")}
    assert lives["k"] == (1, 6)
    assert lives["x"] == (0, 5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(KINDS), max_size=8), st.integers(0, 10**6), st.sampled_from((4, 16))
)
def test_no_two_tensors_written_share_a_place(kinds: list[str], seed: int, channels: int) -> None:
    """What is written into one buffer lies in distinct blocks, inside the buffer."""
    found = arrange(random_graph(kinds, seed), channels, 8)
    taken: dict[tuple[str, int], str] = {}
    for op in found.ops:
        place = found.places[op.name]
        blocks = slot_blocks(place.slots, channels)
        assert len(set(place.slots)) == op.shape[0]
        assert place.block + blocks <= found.buffers[place.buffer].blocks
        if isinstance(op, IntConcat | IntSelect):
            continue
        for block in range(place.block, place.block + blocks):
            assert taken.setdefault((place.buffer, block), op.name) == op.name
