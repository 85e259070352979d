"""The chosen array: it fits, it runs the network, and small networks get small arrays."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import inf

import pytest

from rmsmp_hls.errors import LoweringError, ResourceError
from rmsmp_hls.hw.board import boards, load_board
from rmsmp_hls.hw.cost import Shares, array_cost, excess
from rmsmp_hls.hw.cycles import matmul_iterations
from rmsmp_hls.schedule.choose import TIE, choose_array
from rmsmp_hls.schedule.predict import predict
from rmsmp_hls.schedule.schedule import make_schedule, operation_iterations
from rmsmp_hls.schedule.steps import MatmulStep, SpillStep
from rmsmp_hls.schedule.workload import Workload
from tests.schedule.graphs import Builder, fmt, resnet_like, small_residual, window


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_the_array_fits_every_board_and_runs_the_network(board) -> None:
    """Within the shares; all rows have lanes, all tensors have room."""
    graph = small_residual()
    array = choose_array(graph, board, (65, 30, 5))
    assert array_cost(array).fits(board)
    assert array.dsp is board.dsp_family
    assert array.weight_word_bits == board.memory_port_bits
    schedule = make_schedule(graph, array)
    assert schedule.depth <= array.activation_depth


def test_the_choice_is_repeatable() -> None:
    """A network of ResNet-18's shapes gets the same array twice."""
    graph = resnet_like(224, 64, 4, 2, 1000)
    array = choose_array(graph, load_board("zcu102"))
    assert array == choose_array(graph, load_board("zcu102"))
    prediction = predict(graph, make_schedule(graph, array), load_board("zcu102"))
    assert 1.7e9 < sum(op.macs for op in prediction.ops) < 1.9e9


def test_no_smaller_array_is_nearly_as_quick() -> None:
    """Halving channels or row lanes costs more than the tie allows, or the array was halved."""
    graph, board = small_residual(), load_board("zcu102")
    array = choose_array(graph, board)
    here = sum(count for _, count in operation_iterations(graph, make_schedule(graph, array)))
    half = replace(
        array, channels=array.channels // 2, drain_rows=min(array.drain_rows, array.channels // 2),
        vector_lanes=min(array.vector_lanes, array.channels // 2), activation_depth=4096,
    )  # fmt: skip
    there = sum(count for _, count in operation_iterations(graph, make_schedule(graph, half)))
    assert there > here


def test_the_search_counts_what_the_schedule_takes() -> None:
    """Folded input, groups, tables and parts: no estimate is far from the exact count."""
    net = Builder((3, 16, 16), fmt(8, signed=True)).matmul("a", "x", 24, fmt(), window(3, 2, 1))
    net.matmul("d", "a", 24, fmt(), window(3, 1, 1), groups=24).table("t", "d", fmt())
    net.concat("k", "a", "t").matmul("c", "k", 24, fmt()).add("y", "c", "t", fmt())
    graph = net.graph()
    array = choose_array(graph, load_board("zcu102"))
    network = Workload(graph, 1e9)
    estimate = network.matmul_cycles(array, inf)
    assert estimate is not None
    exact = sum(n for _, n in operation_iterations(graph, make_schedule(graph, array)))
    assert exact == pytest.approx(estimate + network.vector_cycles(array), rel=0.05)


def test_a_tiny_network_gets_a_tiny_array() -> None:
    """Four rows on a board for thousands take a few percent of it."""
    net = Builder((4, 4, 4), fmt()).matmul("c", "x", 4, fmt(), window(1), ("SP2-4",) * 4)
    board = load_board("zcu102")
    array = choose_array(net.graph(), board)
    assert array.rows <= 8
    assert array.channels <= 8
    assert array_cost(array).lut < 0.1 * board.lut


@pytest.mark.parametrize(
    "formats",
    [("Fixed-8",), ("SP2-4",), ("Fixed-4",), ("Fixed-4", "Fixed-8"), ("SP2-4", "Fixed-8")],
)
def test_every_format_present_gets_a_lane(formats: tuple[str, ...]) -> None:
    """Also with very few rows of a kind, and no lane is made for a kind that is not there."""
    rows = (formats[0],) * 30 + formats[1:]
    net = Builder((8, 6, 6), fmt()).matmul("c", "x", len(rows), fmt(), window(3), rows)
    array = choose_array(net.graph(), load_board("zcu104"))
    make_schedule(net.graph(), array)
    assert (array.shift_add_lanes > 0) == ("SP2-4" in formats)
    assert array.fixed8_lanes > 0 or "Fixed-8" not in formats


def test_the_codebook_is_that_of_the_rows() -> None:
    """Another one is refused, two in one network are refused, fixed rows alone take the asked."""
    pot = small_residual(shift_add="PoT-4")
    board = load_board("zcu102")
    assert choose_array(pot, board).shift_add_codebook == "PoT-4"
    with pytest.raises(LoweringError, match="rows are PoT-4, the array was asked to compute SP2"):
        choose_array(pot, board, codebook="SP2-4")
    mixed = Builder((4, 4, 4), fmt()).matmul("a", "x", 2, fmt(), None, ("SP2-4", "PoT-4"))
    with pytest.raises(LoweringError, match="PoT-4 and SP2-4"):
        choose_array(mixed.graph(), board)
    fixed = Builder((4, 4, 4), fmt()).matmul("a", "x", 2, fmt(), None, ("Fixed-4", "Fixed-4"))
    assert choose_array(fixed.graph(), board, codebook="apot-4").shift_add_codebook == "APoT-4"


def test_what_the_board_cannot_hold_goes_to_dram() -> None:
    """A small board takes a network whose tensors do not fit its block RAM; the search counts
    the moves that the schedule then has, and its strips one by one."""
    graph = resnet_like(224, 64, 1, 1, 10)
    board = load_board("pynq-z2")
    array = choose_array(graph, board)
    assert not excess(array_cost(array), board, Shares())
    schedule = make_schedule(graph, array)
    assert schedule.spill_words > 0
    workload = Workload(graph, 1e9)
    moved = sum(step.iterations for step in schedule.steps if isinstance(step, SpillStep))
    assert workload.spill_cycles(array) == moved
    exact = sum(step.iterations for step in schedule.steps if isinstance(step, MatmulStep))
    assert workload.matmul_cycles(array, inf) == exact
    rest = sum(step.iterations for step in schedule.steps) - exact
    assert workload.vector_cycles(array) == rest
    slow = Workload(graph, array.weight_word_bits / 8 / 3)  # DDR at a third of the port's rate
    assert slow.spill_cycles(array) == 3 * moved


def test_strips_take_their_weights_again() -> None:
    """Where the DDR binds, an operation in n strips costs the weights and parameters of all."""
    graph = resnet_like(224, 64, 1, 1, 10)
    array = choose_array(graph, load_board("pynq-z2"))
    schedule = make_schedule(graph, array)
    beat = array.weight_ports * array.weight_word_bits // 8
    fetched = sum(
        step.tiling.pixel_tiles
        * step.tiling.row_tiles
        * (step.tiling.steps * array.weight_beats * beat + 16 * array.rows)
        for step in schedule.steps
        if isinstance(step, MatmulStep)
    )
    crawl = Workload(graph, 1e-3).matmul_cycles(array, inf)
    assert crawl == round(fetched / 1e-3)


def test_weights_come_through_as_many_ports_as_pay() -> None:
    """Few pixels and many rows want all ports of a board with a quick DDR; one port where the
    board has one; no more than the DDR can feed; the schedule then waits as the search said."""
    net = Builder((512, 7, 7), fmt()).matmul("a", "x", 512, fmt(), window(3, 1, 1))
    graph, board = net.graph(), load_board("zcu102")
    many = choose_array(graph, board)
    one = choose_array(graph, replace(board, memory_ports=1))
    assert (many.weight_ports, one.weight_ports) == (4, 1)
    cycles = [predict(graph, make_schedule(graph, a), board).iterations for a in (many, one)]
    assert cycles[0] < 0.5 * cycles[1]
    slow = replace(board, ddr_gb_per_s=board.ddr_gb_per_s / 4)  # 15 bytes per cycle: one port's
    assert choose_array(graph, slow).weight_ports == 1
    narrow = predict(graph, make_schedule(graph, many), slow)
    per_cycle = slow.ddr_gb_per_s * 1e3 * slow.ddr_efficiency / slow.clock_mhz
    expected = Workload(graph, per_cycle).matmul_cycles(many, inf)
    wide = predict(graph, make_schedule(graph, many), board)
    tiling = make_schedule(graph, many).matmul("a").tiling
    assert expected is not None
    assert expected > matmul_iterations(tiling, many)
    assert narrow.overhead_cycles - wide.overhead_cycles == pytest.approx(
        expected - Workload(graph, 4 * per_cycle).matmul_cycles(many, inf)  # type: ignore[operator]
    )


def test_every_depth_of_the_memory_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No single depth gives a quicker array than the search over all: for these layers the deepest
    memory that fits leaves too little block RAM for partial sums."""
    net = Builder((3, 28, 28), fmt(8, signed=True)).matmul("a", "x", 512, fmt(), window(3, 1, 1))
    graph, board = net.matmul("b", "a", 512, fmt(), window(3, 1, 1)).graph(), load_board("pynq-z2")
    network = Workload(graph, 1e9)

    def cycles() -> int:
        array = choose_array(graph, board)
        matmuls = network.matmul_cycles(array, inf)
        assert matmuls is not None
        return matmuls + network.vector_cycles(array)

    best, all_depths = cycles(), Workload._depths
    singles = []
    for number in range(5):

        def single(
            self: Workload, channels: int, banks: int, number: int = number
        ) -> tuple[int, ...]:
            depths = all_depths(self, channels, banks)
            return (depths[min(number, len(depths) - 1)],)

        monkeypatch.setattr(Workload, "_depths", single)
        with suppress(ResourceError):
            singles.append(cycles())
    assert singles
    assert best <= TIE * min(singles)


def test_an_array_too_large_for_the_board_is_refused_with_reasons() -> None:
    """What is exceeded, with the board's limit."""
    with pytest.raises(ResourceError, match="LUT: "):
        choose_array(small_residual(), load_board("pynq-z2"), shares=Shares(lut=0.01))
