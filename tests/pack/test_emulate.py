"""Packed designs mean what they should: the interpreter gives what the integers give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntMatmul, IntOp, IntSelect
from rmsmp_hls.ir.types import ActFormat, Window
from rmsmp_hls.pack.design import BLOBS, PROGRAM, TRACE
from rmsmp_hls.pack.emulate import Emulator
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.transfer import argmax_key, input_words, read_outputs
from rmsmp_hls.reference import argmax, run
from rmsmp_hls.schedule.copies import GATHER_BITS
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.schedule.steps import LoadStep
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.schedule.random_graphs import KINDS, random_graph

ARRAY = ArrayShape(
    shift_add_lanes=9, fixed4_lanes=4, fixed8_lanes=3, channels=8, pixels=4, banks=8,
    drain_rows=4, vector_lanes=4, tile_groups=5, activation_depth=400, weight_word_bits=64,
    acc_bits=32, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip


def random_codes(graph: IntGraph, images: int, seed: int = 0) -> np.ndarray:
    """Random input codes, the extremes included."""
    form = graph.input.output
    assert form is not None
    rng = np.random.default_rng(seed)
    codes = rng.integers(form.low, form.high + 1, (images, *graph.input.shape))
    codes.reshape(-1)[:1] = form.low
    codes.reshape(-1)[1:2] = form.high
    return codes


def stores(graph: IntGraph, op: IntOp) -> bool:
    """Whether the trace has an entry of its own for what `op` makes."""
    moves = isinstance(op, IntConcat | IntSelect | IntInput)
    return op.name == graph.output or not moves


def assert_equal(graph: IntGraph, array: ArrayShape, images: int = 2, seed: int = 0) -> None:
    """Both programs give every tensor of the reference, and the iterations predicted."""
    acc_bits = max([GATHER_BITS, *(op.acc_bits for op in graph if isinstance(op, IntMatmul))])
    schedule = make_schedule(graph, replace(array, acc_bits=acc_bits))
    design = pack(graph, schedule)
    codes = random_codes(graph, images, seed)
    expected = run(graph, codes)
    stored = {op.name for op in graph if stores(graph, op)}
    if not any(isinstance(s, LoadStep) and s.fold and s.fold.kernel > 1 for s in schedule.steps):
        stored.add("x")
    for name, tensors in ((TRACE, stored), (PROGRAM, {graph.output})):
        words, iterations = Emulator(design, name, seed).run(input_words(design, codes))
        found = read_outputs(design, name, words)
        assert {key for key in found if not key.endswith(":argmax")} == tensors
        for tensor in tensors:
            np.testing.assert_array_equal(found[tensor], expected[tensor], err_msg=tensor)
        if graph.argmax:
            top = argmax(graph, expected[graph.output])
            np.testing.assert_array_equal(found[argmax_key(graph.output)], top)
        spec = design.program(name)
        assert tuple(count for _, _, count in spec.iterations) == iterations


@pytest.mark.parametrize("book", ["SP2-4", "PoT-4", "APoT-4"])
def test_a_residual_network_of_every_operation(book: str) -> None:
    """All operations and row formats, 8-bit signed input, one- and two-plane tensors."""
    array = replace(ARRAY, shift_add_codebook=book)
    assert_equal(small_residual(3, shift_add=book), array)


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    form=st.tuples(st.integers(2, 8), st.booleans()),
    out=st.tuples(st.integers(2, 8), st.booleans()),
    rows=st.integers(1, 20),
    depth=st.integers(1, 18),
    size=st.tuples(st.integers(7, 9), st.integers(8, 11)),
    tile_groups=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_any_convolution(kernel, stride, padding, dilation, form, out, rows, depth, size,
                         tile_groups, seed) -> None:  # fmt: skip
    """Kernel, stride, padding, dilation, operand and result formats at random."""
    net = Builder((depth, *size), fmt(*form), seed)
    net.matmul("conv", "x", rows, fmt(*out), Window(kernel, stride, padding, dilation))
    assert_equal(net.graph(), replace(ARRAY, tile_groups=tile_groups), 1, seed)


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.integers(1, 3), stride=st.integers(1, 3), padding=st.integers(0, 1),
    form=st.tuples(st.integers(2, 8), st.booleans()),
    out=st.tuples(st.integers(2, 8), st.booleans()),
    depth=st.integers(1, 18), kind=st.sampled_from(("max", "sum", "add")),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_any_vector_operation(kernel, stride, padding, form, out, depth, kind, seed) -> None:
    """Pooling, requantization and addition with operands and results of any format."""
    padding = min(padding, kernel // 2)
    net = Builder((depth, 5, 6), fmt(*form), seed)
    if kind == "max":
        net.max_pool("y", "x", window(kernel, stride, padding))
    elif kind == "sum":
        net.sum_pool("y", "x", window(kernel, stride, padding), fmt(*out))
    else:
        net.sum_pool("b", "x", window(1), fmt(*out)).add("y", "x", "b", fmt(*out))
    net.matmul("last", "y", 3, fmt(4))
    assert_equal(net.graph(), ARRAY, 1, seed)


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(2, 7)), stride=st.integers(1, 2),
    padding=st.integers(0, 3), depth=st.integers(2, 40), per_channel=st.integers(1, 2),
    form=st.tuples(st.integers(2, 8), st.booleans()), channels=st.sampled_from((4, 8, 16)),
    banks=st.sampled_from((4, 8, 16)), seed=st.integers(0, 1000),
)  # fmt: skip
def test_any_depthwise_layer_as_windows(
    kernel, stride, padding, depth, per_channel, form, channels, banks, seed
) -> None:
    """Wide and narrow kernels, both strides, several rows per channel, codes of two planes."""
    array = replace(
        ARRAY, shift_add_lanes=8, fixed4_lanes=8, fixed8_lanes=4, drain_rows=4, pixels=4,
        channels=channels, banks=banks, window_taps=4,
    )  # fmt: skip
    padding = min(padding, kernel[1] // 2)
    geometry = Window(kernel, (1, stride), (0, padding, 0, padding))
    net = Builder((depth, 3, 9), fmt(*form), seed)
    net.matmul("e", "x", depth, fmt(*form))
    net.matmul("d", "e", per_channel * depth, fmt(4), geometry, groups=depth)
    net.matmul("last", "d", 3, fmt(4))
    assert_equal(net.graph(), array, 1, seed)


SHAPES = (
    {},
    {"channels": 4, "drain_rows": 2, "shift_add_lanes": 4, "fixed4_lanes": 2, "fixed8_lanes": 2},
    {"channels": 16, "vector_lanes": 8, "weight_word_bits": 256, "weight_ports": 2},
    {"pixels": 2, "banks": 2, "tile_groups": 1},
    {"channels": 32, "banks": 4, "drain_rows": 2, "shift_add_lanes": 5, "fixed4_lanes": 2,
     "fixed8_lanes": 1},
    {"shift_add_lanes": 8, "fixed4_lanes": 8, "fixed8_lanes": 4, "drain_rows": 4, "window_taps": 4},
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=8),
    seed=st.integers(0, 10**6),
    shape=st.sampled_from(SHAPES),
    book=st.sampled_from(("SP2-4", "PoT-4", "APoT-4")),
)
def test_any_network(kinds: list[str], seed: int, shape: dict[str, int], book: str) -> None:
    """Random graphs of all operations on arrays of several shapes."""
    array = replace(ARRAY, activation_depth=20000, shift_add_codebook=book, **shape)
    assert_equal(random_graph(kinds, seed, book), array, 1, seed)


@pytest.mark.parametrize("narrow", [True, False])
def test_tables_and_inputs_of_every_signed_code(narrow: bool) -> None:
    """Formats that reach -2^(bits-1) have one more entry; unsigned ones have theirs."""
    form = ActFormat(8, True, 0.125, narrow)
    net = Builder((5, 4, 8), form, 1).table("t", "x", fmt(4)).table("u", "t", fmt(8, signed=True))
    net.matmul("c", "u", 4, ActFormat(4, True, 0.125, narrow)).table("v", "c", fmt(6))
    assert_equal(net.graph(), ARRAY, 2)


def test_a_design_of_parts_and_views_says_where_its_bytes_lie() -> None:
    """Outputs of the trace have slots where their channels do not follow each other."""
    net = Builder((12, 2, 2), fmt(), 1).matmul("a", "x", 5, fmt()).matmul("b", "x", 6, fmt())
    graph = net.concat("k", "a", "b").select("s", "k", (9, 0)).graph()
    design = pack(graph, make_schedule(graph, ARRAY))
    entries = {entry.tensor: entry for entry in design.program(TRACE).outputs}
    assert set(entries) == {"x", "a", "b", "s"}
    assert entries["s"].slots == (12, 0)
    assert entries["s"].words == 4 * 4
    assert [entry.slots for entry in design.program().outputs] == [(12, 0)]
    assert entries["b"].slots == ()


@pytest.mark.parametrize("rows", [1, 16, 37])
@pytest.mark.parametrize("with_argmax", [False, True])
def test_logits_behind_a_flatten(rows: int, with_argmax: bool) -> None:
    """A linear layer on (C, H, W) is a kernel of that size; logits come in lane order."""
    net = Builder((11, 3, 4), fmt(4), rows)
    net.matmul("fc", "x", rows, None, Window((3, 4)))
    assert_equal(net.graph(argmax=with_argmax), ARRAY, 3)


def test_argmax_takes_the_lowest_channel_of_a_tie() -> None:
    """Equal scores of all channels: channel 0, wherever its lane is."""
    net = Builder((4, 1, 1), fmt(4), 1).matmul("fc", "x", 20, None)
    op = net.ops[-1]
    assert isinstance(op, IntMatmul)
    zero = type(op.bias)(np.zeros(20, dtype=np.int64))
    net.ops[-1] = replace(op, multiplier=zero, bias=zero)
    graph = net.graph(argmax=True)
    design = pack(graph, make_schedule(graph, ARRAY))
    words, _ = Emulator(design).run(input_words(design, random_codes(graph, 2)))
    assert read_outputs(design, PROGRAM, words)["fc:argmax"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("width", "ports"),
    [(32, 1), (32, 4), (64, 2), (128, 1), (128, 4), (256, 2), (512, 1), (512, 2)],
)
def test_every_width_and_number_of_weight_ports(width: int, ports: int) -> None:
    """Tiles start at beat boundaries of any ports; iterations follow the beats."""
    net = Builder((9, 4, 4), fmt(4), width).matmul("c", "x", 19, fmt(4), window(2))
    array = replace(ARRAY, weight_word_bits=width, weight_ports=ports)
    assert_equal(net.graph(), array, 1)


@pytest.mark.parametrize("ports", [2, 4])
def test_words_of_two_ports_are_not_the_same(ports: int) -> None:
    """A blob whose words lie behind another port gives other results: the comparison can fail."""
    graph = Builder((8, 4, 4), fmt(4), 2).matmul("c", "x", 16, fmt(8), window(3, 1, 1)).graph()
    array = replace(ARRAY, weight_ports=ports)
    design = pack(graph, make_schedule(graph, array))
    data = input_words(design, random_codes(graph, 1))
    before, _ = Emulator(design).run(data)
    blobs = dict(design.blobs)
    words = np.frombuffer(blobs["weights.bin"], np.uint8).reshape(-1, ports, 8)
    blobs["weights.bin"] = np.roll(words, 1, axis=1).tobytes()
    after, _ = Emulator(replace(design, blobs=tuple(blobs.items()))).run(data)
    assert (before != after).any()


@pytest.mark.parametrize("lanes", [(0, 4, 4), (0, 0, 4), (8, 0, 0), (2, 2, 0)])
def test_arrays_without_a_kind_of_lane(lanes: tuple[int, int, int]) -> None:
    """Rows of the kinds that there are run on arrays that lack another kind."""
    shift, four, eight = lanes
    ratio = (float(shift), float(four or eight), float(eight))
    array = replace(
        ARRAY, shift_add_lanes=shift, fixed4_lanes=four, fixed8_lanes=eight, drain_rows=2
    )
    net = Builder((9, 4, 5), fmt(5), 4).matmul("c", "x", 13, fmt(4), window(3), ratio=ratio)
    assert_equal(net.graph(), array, 1)


def test_packing_is_deterministic() -> None:
    """The same graph gives the same bytes."""
    graph = small_residual(5)
    designs = [pack(graph, make_schedule(graph, ARRAY)) for _ in range(2)]
    assert designs[0] == designs[1]
    assert [name for name, _ in designs[0].blobs] == list(BLOBS)


def test_a_changed_weight_is_noticed() -> None:
    """One flipped weight bit changes the result: the comparison can fail."""
    graph = Builder((8, 4, 4), fmt(4), 2).matmul("c", "x", 4, fmt(8), window(3, 1, 1)).graph()
    design = pack(graph, make_schedule(graph, ARRAY))
    data = input_words(design, random_codes(graph, 1))
    before, _ = Emulator(design).run(data)
    blobs = dict(design.blobs)
    lanes = design.ops[1].row_order
    row = next(lane for lane, channel in enumerate(lanes) if channel >= 0)
    weights = bytearray(blobs["weights.bin"])
    tile = 4 * ARRAY.weight_beats * ARRAY.weight_beat_bits // 8  # the kernel's middle tap
    weights[tile + row * ARRAY.channels // 2] ^= 0x44
    blobs["weights.bin"] = bytes(weights)
    after, _ = Emulator(replace(design, blobs=tuple(blobs.items()))).run(data)
    assert (before != after).any()


def test_words_behind_a_line_of_a_folded_input_must_be_0() -> None:
    """A step reads them as columns of padding."""
    net = Builder((3, 4, 5), fmt(8)).matmul(
        "c", "x", 5, fmt(), Window((3, 3), (1, 1), (1, 1, 1, 1))
    )
    graph = net.graph()
    design = pack(graph, make_schedule(graph, ARRAY))
    words = input_words(design, random_codes(graph, 1))
    assert words.shape == (1, 4 * 8)
    Emulator(design).run(words)
    words[0, 5] = 1
    with pytest.raises(ArtefactError, match="words behind a line"):
        Emulator(design).run(words)
