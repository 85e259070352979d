"""The schedule: legal layouts, exact iterations, and every reason against a graph at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmsmp_hls.errors import LoweringError, ResourceError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.schedule.predict import predict
from rmsmp_hls.schedule.schedule import make_schedule, operation_iterations
from rmsmp_hls.schedule.steps import SpillStep, StoreStep, VectorStep
from tests.schedule.graphs import Builder, fmt, small_residual, window

ARRAY = ArrayShape(
    shift_add_lanes=9, fixed4_lanes=4, fixed8_lanes=3, channels=8, pixels=4, banks=8,
    drain_rows=4, vector_lanes=4, tile_groups=5, activation_depth=400, weight_word_bits=64,
    acc_bits=32, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip


def changed(graph: IntGraph, name: str, **fields: object) -> IntGraph:
    """The graph with fields of one operation replaced."""
    ops = tuple(replace(op, **fields) if op.name == name else op for op in graph)
    return replace(graph, ops=ops)


def test_strides_are_those_of_the_contract() -> None:
    """pixel_stride = blocks * planes, line_stride = ceil(W / NB) * pixel_stride."""
    net = Builder((17, 3, 19), fmt(8)).matmul("c", "x", 4, fmt(4))
    layout = make_schedule(net.graph(), ARRAY).tensor("x")
    assert (layout.blocks, layout.planes) == (3, 2)
    assert (layout.pixel_stride, layout.line_stride) == (6, 18)
    assert layout.transfer_words == 3 * 19 * 5


def test_operations_are_counted_in_program_order() -> None:
    """Every operation has its sum; the store of a result of codes counts with it."""
    graph = small_residual()
    schedule = make_schedule(graph, ARRAY)
    assert [name for name, _ in operation_iterations(graph, schedule)] == [op.name for op in graph]
    codes = Builder((4, 3, 3), fmt()).matmul("c", "x", 5, fmt(8)).graph()
    counted = operation_iterations(codes, make_schedule(codes, ARRAY))
    assert [name for name, _ in counted] == ["x", "c"]
    assert counted[0][1] == 3  # a line of three columns is one step
    _, conv, store = make_schedule(codes, ARRAY).steps
    assert isinstance(store, StoreStep)
    assert store.iterations == 9 * 2 * 2
    assert counted[1][1] == conv.iterations + store.iterations


def test_the_padding_rule_of_a_lone_plane() -> None:
    """A one-plane tap with a two-plane result reads two planes; any other reads what there is."""
    net = Builder((4, 4, 4), fmt(4)).sum_pool("wide", "x", window(1), fmt(8))
    net.sum_pool("narrow", "x", window(1), fmt(4)).sum_pool("pool", "x", window(2), fmt(8))
    schedule = make_schedule(net.graph(), ARRAY)
    assert [s.planes for s in schedule.steps if isinstance(s, VectorStep)] == [2, 1, 1]


def test_prediction_adds_up() -> None:
    """Totals are sums of operations; time is iterations plus overhead at the clock."""
    graph, board = small_residual(), load_board("zcu102")
    schedule = make_schedule(graph, ARRAY)
    found = predict(graph, schedule, board, clock_mhz=100)
    assert found.iterations == sum(op.iterations for op in found.ops)
    assert found.ddr_bytes == sum(op.ddr_bytes for op in found.ops)
    assert found.latency_ms == pytest.approx((found.iterations + found.overhead_cycles) / 1e5)
    conv = next(op for op in found.ops if op.name == "conv1")
    assert conv.macs == 18 * 3 * 9 * 9 * 7
    assert 0 < conv.utilization < 1
    slow = replace(board, ddr_gb_per_s=1e-4)
    assert predict(graph, schedule, slow).latency_ms == predict(graph, schedule, slow).ddr_ms


def test_moves_to_dram_count_as_traffic_and_as_waiting() -> None:
    """Every word of SAVE and RESTORE is DDR traffic of its operation; where DDR is slower than the
    port, the operation waits for the difference."""
    graph, array, board = (
        small_residual(),
        replace(ARRAY, activation_depth=96),
        load_board("zcu102"),
    )
    schedule = make_schedule(graph, array)
    moves = [step for step in schedule.steps if isinstance(step, SpillStep)]
    moved = sum(step.iterations for step in moves)
    assert moved
    found = predict(graph, schedule, board, clock_mhz=100)
    port = array.weight_word_bits // 8
    assert moved * port < found.ddr_bytes == sum(op.ddr_bytes for op in found.ops)
    without = [step for step in schedule.steps if not isinstance(step, SpillStep)]
    rest = predict(graph, replace(schedule, steps=tuple(without)), board, clock_mhz=100)
    assert found.ddr_bytes - rest.ddr_bytes == moved * port
    rate = port * 0.1 / board.ddr_efficiency  # GB/s that keep the port busy at 100 MHz
    slow, quick = (replace(board, ddr_gb_per_s=part * rate) for part in (0.5, 1.0))
    waits = [
        predict(graph, replace(schedule, steps=steps), b, clock_mhz=100).overhead_cycles
        for steps in (schedule.steps, tuple(without))
        for b in (slow, quick)
    ]
    assert waits[0] - waits[1] == moved + waits[2] - waits[3]
    assert waits[3] == rest.overhead_cycles + waits[1] - found.overhead_cycles


def test_too_little_memory_is_refused() -> None:
    """The activation depth of the array binds."""
    with pytest.raises(ResourceError, match=r"add: needs lines of conv1"):
        make_schedule(small_residual(), replace(ARRAY, activation_depth=10))


def test_more_words_in_dram_than_a_program_can_number_are_refused() -> None:
    """256 channels of eight bits of 8191 x 8191 pixels need 2^31 words and more."""
    graph = (
        Builder((3, 8191, 8191), fmt(4)).matmul("c", "x", 256, fmt(8)).matmul("d", "c", 4, fmt())
    )
    with pytest.raises(ResourceError, match=f"a program can number {1 << 31}"):
        make_schedule(graph.graph(), replace(ARRAY, activation_depth=1 << 17))


def test_a_pool_whose_sums_pass_the_vector_unit_is_refused() -> None:
    """2896 x 2896 codes of 255 at the largest multiplier still fit 49 signed bits, 2950 do not."""
    for size, fits in ((2896, True), (2950, False)):
        net = Builder((4, size, size), fmt(8)).sum_pool("p", "x", window(size), fmt(8))
        graph = changed(net.graph(), "p", multiplier=(1 << 17) - 1)
        array = replace(ARRAY, activation_depth=1 << 22)
        if fits:
            make_schedule(graph, array)
            continue
        with pytest.raises(LoweringError, match="codes may not fit 49 signed bits"):
            make_schedule(graph, array)


def test_every_reason_is_listed_at_once() -> None:
    """Bounds, widths and shifts of several operations in one error."""
    graph = changed(small_residual(), "conv1", acc_bits=33, shift=48)
    graph = changed(graph, "add", multipliers=(1 << 17, 0), high=99)
    graph = changed(graph, "conv2", bias=ConstTensor(np.full(18, 1 << 47)))
    with pytest.raises(LoweringError) as caught:
        make_schedule(graph, ARRAY)
    message = str(caught.value)
    for words in (
        "conv1: needs 33-bit partial sums, the array's have 32 bits",
        "conv1: shift 48 is not in 0..47",
        "add: a multiplier does not fit 18 signed bits",
        "add: bounds -7..99 leave the output's codes -7..7",
        "conv2: a bias does not fit 48 signed bits",
    ):
        assert words in message


def test_logits_must_be_the_last_and_of_one_pixel() -> None:
    """Nothing reads logits, and they are a vector."""
    net = Builder((4, 2, 2), fmt()).matmul("fc", "x", 4, None)
    with pytest.raises(LoweringError, match="makes logits of 2 x 2 pixels"):
        make_schedule(net.graph(), ARRAY)
    middle = Builder((4, 1, 1), fmt()).matmul("fc", "x", 4, None).matmul("c", "x", 4, fmt())
    with pytest.raises(LoweringError, match="is not the network's result"):
        make_schedule(middle.graph(), ARRAY)
    codes = Builder((4, 1, 1), fmt()).matmul("c", "x", 4, fmt())
    with pytest.raises(LoweringError, match="argmax is asked for"):
        make_schedule(codes.graph(argmax=True), ARRAY)


def test_shapes_that_contradict_are_refused() -> None:
    """A window that gives another size, weights of another kernel, a maximum that converts."""
    graph = small_residual()
    conv = graph.op("conv1")
    assert isinstance(conv, IntMatmul)
    for broken, words in (
        (changed(graph, "conv1", window=window(3, 2, 1)), "its window on 9 x 7 gives"),
        (changed(graph, "conv1", window=window(5, 1, 2)), "do not match kernel"),
        (changed(graph, "conv1", formats=conv.formats[:-1]), "must have 18 entries each"),
        (changed(graph, "pool", output=fmt(8)), "a maximum must keep the format"),
    ):
        with pytest.raises(LoweringError, match=words):
            make_schedule(broken, ARRAY)


def test_operations_that_contradict_their_operands_are_refused() -> None:
    """Groups, tables, concatenations, selections, upsampling, two operands."""
    net = Builder((4, 3, 3), fmt()).matmul("g", "x", 4, fmt(), groups=2).table("t", "g", fmt(8))
    net.concat("k", "x", "g").select("s", "k", (7, 0)).upsample("u", "s", (2, 2))
    net.max_pool("m", "u", window(2, 2)).multiply("y", "s", "m", fmt())
    graph = net.graph()
    make_schedule(graph, ARRAY)
    table = ConstTensor(np.zeros(3))
    for broken, words in (
        (changed(graph, "g", groups=3), "3 groups do not divide 4 -> 4 channels"),
        (changed(graph, "g", groups=1), "do not match 4 -> 4 channels"),
        (changed(graph, "t", table=table), "a table of 3 entries for 16 codes"),
        (changed(graph, "t", output=fmt(4), table=ConstTensor(np.full(16, 16))), "a table entry"),
        (changed(graph, "k", inputs=("x", "t")), "a concatenation must keep the format"),
        (changed(graph, "k", inputs=("x", "g", "g")), "do not give its result"),
        (changed(graph, "s", indices=(8, 0)), "do not give its result"),
        (changed(graph, "u", factors=(2, 3)), "do not give its result"),
        (changed(graph, "u", output=fmt(8)), "what moves codes must keep the format"),
        (changed(graph, "y", inputs=("s", "u")), "do not give its result"),
        (changed(graph, "y", bias=1 << 47), "a bias does not fit"),
    ):
        with pytest.raises(LoweringError, match=words):
            make_schedule(broken, ARRAY)


def test_copies_need_sums_of_nine_bits() -> None:
    """What the schedule adds to a graph is checked as well."""
    net = Builder((4, 2, 2), fmt()).select("s", "x", (1, 1))
    make_schedule(net.graph(), replace(ARRAY, acc_bits=9))
    with pytest.raises(LoweringError, match="s: needs 9-bit partial sums"):
        make_schedule(net.graph(), replace(ARRAY, acc_bits=8))
