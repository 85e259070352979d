"""The cycle simulator equals a slow one cycle for cycle, and its iterations are the program's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import Window
from rmsmp_hls.pack.design import PROGRAM, TRACE, WEIGHTS, PackedDesign
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.program import decode_program
from rmsmp_hls.schedule.copies import GATHER_BITS
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.timing.machine import FRACTION, Machine, PortTiming, board_machine, ideal_machine
from rmsmp_hls.timing.result import CAUSES, CycleCount
from rmsmp_hls.timing.simulate import simulate_design, simulate_program
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.schedule.random_graphs import KINDS, random_graph
from tests.timing.slow import Simulation

TINY = ArrayShape(
    shift_add_lanes=3, fixed4_lanes=2, fixed8_lanes=1, channels=4, pixels=2, banks=4,
    drain_rows=2, vector_lanes=4, tile_groups=6, activation_depth=400, weight_word_bits=32,
    acc_bits=32, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2, min_step=8,
)  # fmt: skip
_SLOW_CAUSES = {
    "<ops": "record", "<weights": "weights", "<params": "params", "<input": "input",
    ">output": "output", "[spill": "spill", "]saved": "spill", "=saved": "spill",
}  # fmt: skip


def packed(graph: IntGraph, array: ArrayShape = TINY) -> PackedDesign:
    """A packed design whose accumulators are wide enough."""
    acc_bits = max([GATHER_BITS, *(op.acc_bits for op in graph if isinstance(op, IntMatmul))])
    return pack(graph, make_schedule(graph, replace(array, acc_bits=acc_bits)))


def assert_equal(
    design: PackedDesign, machine: Machine, images: int = 1, program: str = PROGRAM
) -> CycleCount:
    """Both simulators agree on every cycle, stall, mark and burst."""
    decoded = decode_program(design.blob(program), program)
    slow = Simulation(decoded, machine, images)
    slow.run()
    fast = simulate_program(decoded, machine, images, design.program(program))
    assert [(o.start, o.end, o.iterations) for o in fast.ops] == slow.records
    assert [list(o.blocks) for o in fast.ops] == slow.blocks
    assert list(fast.image_ends) == slow.image_ends
    assert {p.name: p.end for p in fast.processes} == slow.ends
    for process in fast.processes:
        assert sum(n for _, n in process.stalls) == sum(slow.stalls[process.name].values())
    stalls: dict[str, int] = {}
    for want, cycles in slow.stalls["Compute"].items():
        stalls[_SLOW_CAUSES[want]] = stalls.get(_SLOW_CAUSES[want], 0) + cycles
    found = {c: sum(op.stall(c) for op in fast.ops) for c in CAUSES}
    assert {cause: n for cause, n in found.items() if n} == stalls
    assert {f.name: f.high_water for f in fast.fifos} == {
        name: fifo.high_water for name, fifo in slow.fifos.items()
    }
    ports = {"spill": "spill, read", "saved": "spill, written"}
    assert {p.name: (p.bursts, p.bytes) for p in fast.ports} == {
        ports.get(name, name): (port.bursts, port.bytes) for name, port in slow.ports.items()
    }
    for op in fast.ops:
        assert op.cycles == op.iterations + op.fill + op.fetch + sum(n for _, n in op.stalls)
    return fast


@st.composite
def machines(draw: st.DrawFn, array: ArrayShape = TINY) -> Machine:
    """Tiny or roomy FIFOs, quick or slow memories, short or long bursts and pipelines."""
    base = ideal_machine(array)
    few = st.sampled_from((1, 2, 3, 5, 16, 64))
    ports = {
        name: PortTiming(
            port.word_bytes,
            draw(few),
            draw(few) if port.reads else 0,
            draw(few) if port.writes else 0,
            draw(st.integers(1, 3)),
        )
        for name, port in base.ports.items()
    }
    return Machine(
        array,
        ports,
        latency=draw(st.sampled_from((1, 2, 7, 40, 150))),
        byte_time=draw(st.sampled_from((0, 1, 100, FRACTION // 16, FRACTION // 3, FRACTION))),
        fifo_depths={name: draw(few) for name in base.fifo_depths},
        depth=draw(st.sampled_from((1, 2, 9, 60))),
    )


def classifier(seed: int = 0) -> IntGraph:
    """Load, convolution, pool, table, logits: 8-bit and 4-bit tensors."""
    net = Builder((3, 5, 4), fmt(8, signed=True), seed)
    net.matmul("conv", "x", 7, fmt(8), window(3, 1, 1)).max_pool("pool", "conv", window(2, 2))
    net.table("act", "pool", fmt(4))
    return net.matmul("fc", "act", 9, None, window(2)).graph(argmax=True)


@pytest.mark.parametrize("program", [PROGRAM, TRACE])
def test_a_classifier_on_an_ideal_machine(program: str) -> None:
    """Both programs, three images; what binds is the control flow alone."""
    design = packed(classifier())
    assert_equal(design, ideal_machine(design.array), 3, program)


@pytest.mark.parametrize("board", ["zcu102", "pynq-z2"])
def test_a_residual_network_on_a_board(board: str) -> None:
    """Blobs of several pages, assumed latency, rate and bursts: equal cycle for cycle."""
    design = packed(small_residual())
    assert len(design.blob(WEIGHTS)) > 4096
    assert_equal(design, board_machine(design.array, load_board(board), 150))


@settings(max_examples=20, deadline=None)
@given(machine=machines(), images=st.integers(1, 2), seed=st.integers(0, 99))
def test_any_machine(machine: Machine, images: int, seed: int) -> None:
    """Tiny FIFOs, slow memories, long latencies: equal cycle for cycle."""
    assert_equal(packed(classifier(seed)), machine, images)


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    machine=machines(),
    program=st.sampled_from((PROGRAM, TRACE)),
)
def test_any_network(kinds: list[str], seed: int, machine: Machine, program: str) -> None:
    """Random operations on random machines: equal cycle for cycle."""
    assert_equal(packed(random_graph(kinds, seed)), machine, 1, program)


@settings(max_examples=12, deadline=None)
@given(machine=machines())
def test_tensors_in_dram(machine: Machine) -> None:
    """SAVE and RESTORE on one bundle, answered before the next record: equal cycle for cycle."""
    net = Builder((3, 7, 4), fmt(4)).matmul("c", "x", 6, fmt(4), window(1))
    graph = net.matmul("d", "c", 5, fmt(4), Window((3, 1), (2, 1))).graph()
    design = packed(graph, replace(TINY, activation_depth=11))
    counted = assert_equal(design, machine)
    assert {"SAVE", "RESTORE"} <= {op.opcode for op in counted.ops}


@settings(max_examples=25, deadline=None)
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), seed=st.integers(0, 10_000))
def test_iterations_are_those_of_the_program(kinds: list[str], seed: int) -> None:
    """Every record's iterations are those that the design lists and the C simulation counts."""
    design = packed(random_graph(kinds, seed))
    for name in (PROGRAM, TRACE):
        counted = simulate_design(design, ideal_machine(design.array), 1, name)
        listed = [iterations for _, _, iterations in design.program(name).iterations]
        assert [op.iterations for op in counted.ops] == listed
        assert [op.name for op in counted.ops] == [n for _, n, _ in design.program(name).iterations]


def test_a_board_moves_what_the_blobs_hold() -> None:
    """Bytes of the ports are those of the blobs, as often as they are sent, for every image."""
    design, board = packed(small_residual()), load_board("zcu102")
    counted = simulate_design(design, board_machine(design.array, board, 200), 2)
    program = decode_program(design.blob(PROGRAM), PROGRAM)
    sent = sum(s.words * s.repeats for s in program.weight_segments)
    moved = {port.name: port.bytes for port in counted.ports}
    assert moved["weights"] == 2 * sent * design.array.weight_beat_bits // 8
    assert moved["input"] == 2 * 4 * program.input_words
    assert moved["output"] == 2 * 4 * program.output_words
    assert counted.ddr_busy == pytest.approx(sum(moved.values()) / (17e3 * 0.7 / 200), rel=0.01)
    assert counted.images == 2
    assert counted.steady_image < counted.first_image


def test_a_slower_memory_never_makes_it_quicker() -> None:
    """A lower rate costs cycles, and the array then waits for weights and row parameters."""
    design = packed(small_residual())
    quick = ideal_machine(design.array)
    byte_times = (0, FRACTION // 8, FRACTION // 2, 2 * FRACTION)
    cycles = [simulate_design(design, replace(quick, byte_time=b)) for b in byte_times]
    totals = [count.cycles for count in cycles]
    assert totals == sorted(totals)
    assert totals[-1] > 2 * totals[0]
    stalls = {cause: sum(op.stall(cause) for op in cycles[-1].ops) for cause in CAUSES}
    assert stalls["weights"] + stalls["params"] > totals[-1] / 2


def test_a_program_that_waits_forever_is_refused() -> None:
    """A weight segment that is too short leaves the array waiting: an error, not a hang."""
    design = packed(classifier())
    program = decode_program(design.blob(PROGRAM), PROGRAM)
    short = replace(program.weight_segments[-1], words=1)
    broken = replace(program, weight_segments=(*program.weight_segments[:-1], short))
    with pytest.raises(ArtefactError, match=r"waits forever: Compute for .*weights"):
        simulate_program(broken, ideal_machine(design.array), 1, design.program(PROGRAM))


def test_no_image_is_refused() -> None:
    """There is nothing to count."""
    design = packed(classifier())
    with pytest.raises(ConfigError, match="0 images"):
        simulate_design(design, ideal_machine(design.array), 0)
