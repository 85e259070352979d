"""Buses of a window: lanes take turns on them, rows find lanes on theirs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.schedule.buses import WINDOW_BUSES, bus_lanes, bus_of, lane_buses
from rmsmp_hls.schedule.place_rows import LaneKind, kind_of, lane_counts, place_rows
from rmsmp_hls.schedule.schedule import make_schedule
from tests.schedule.graphs import Builder, fmt, window
from tests.schedule.test_schedule import ARRAY

NAMES = ("SP2-4", "Fixed-4", "Fixed-8")


def with_windows(shift_add: int, fixed4: int, fixed8: int, **changes: int):
    rows = shift_add + fixed4 + fixed8
    drain = next(n for n in range(4, 0, -1) if rows % n == 0)
    return replace(
        ARRAY, shift_add_lanes=shift_add, fixed4_lanes=fixed4, fixed8_lanes=fixed8,
        drain_rows=drain, window_taps=WINDOW_BUSES, **changes,
    )  # fmt: skip


@given(st.integers(0, 20), st.integers(0, 10), st.integers(0, 9))
def test_lanes_on_every_bus_are_counted(shift_add: int, pairs: int, fixed8: int) -> None:
    """The closed form is the count; a pair of fixed-4 lanes has one bus."""
    if not shift_add + pairs + fixed8:
        return
    array = with_windows(shift_add, 2 * pairs, fixed8)
    buses = lane_buses(array)
    kinds = [0] * shift_add + [1] * 2 * pairs + [2] * fixed8
    for bus, counts in enumerate(bus_lanes(lane_counts(array))):
        own = [kind for kind, at in zip(kinds, buses, strict=True) if at == bus]
        assert counts == tuple(own.count(kind) for kind in range(3))
    fixed4 = buses[shift_add : shift_add + 2 * pairs]
    assert fixed4[0::2] == fixed4[1::2]


@given(st.integers(0, 10**6))
def test_rows_sit_on_lanes_of_their_bus_and_kind(seed: int) -> None:
    """Any rows whose kinds have a lane on every bus; positions of a drain group stay distinct."""
    rng = random.Random(seed)
    array = with_windows(rng.randint(4, 12), 8, rng.randint(4, 6), channels=16)
    count = rng.randint(1, 40)
    formats = [rng.choice(NAMES) for _ in range(count)]
    slots = rng.sample(range(3 * array.channels), count)
    buses = [bus_of(slot, array.channels) for slot in slots]
    positions = [slot % array.channels for slot in slots]
    sections = [slot // array.channels for slot in slots]
    places = place_rows(formats, array, "d", positions, sections, buses)
    assert sorted(row for row in places.lanes if row >= 0) == list(range(count))
    of_lane, first4, first8 = lane_buses(array), array.shift_add_lanes, array.rows
    first8 -= array.fixed8_lanes
    seen = set()
    for place, row in enumerate(places.lanes):
        tile, lane = divmod(place, array.rows)
        if row < 0:
            continue
        assert of_lane[lane] == buses[row]
        kind = kind_of(formats[row])
        assert (kind == LaneKind.SHIFT_ADD) == (lane < first4)
        assert kind != LaneKind.FIXED8 or lane >= first8
        assert (tile, lane // array.drain_rows, positions[row]) not in seen
        seen.add((tile, lane // array.drain_rows, positions[row]))


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "groups", "expected"),
    [
        (3, 1, 1, 16, True),
        (3, 2, 1, 16, True),
        (7, 1, 1, 16, True),
        (1, 1, 1, 16, False),  # one tap: nothing to gain
        (3, 3, 1, 16, False),  # the buses know strides 1 and 2
        (3, 1, 2, 16, False),  # taps that are no neighbours
        (3, 1, 1, 8, False),  # two channels for a row
    ],
)
def test_which_layers_run_as_windows(
    kernel: int, stride: int, dilation: int, groups: int, expected: bool
) -> None:
    """Depthwise layers whose taps are neighbours; never on an array without windows."""
    array = with_windows(8, 8, 4, channels=8, banks=8)
    net = Builder((16, 20, 20), fmt()).matmul("e", "x", 16, fmt())
    net.matmul("d", "e", 16, fmt(), window(kernel, stride, kernel // 2, dilation), groups=groups)
    graph = net.graph()
    step = make_schedule(graph, array).matmul("d")
    assert step.rows.windows == expected
    dense = make_schedule(graph, replace(array, window_taps=1)).matmul("d")
    assert not dense.rows.windows
    assert (step.iterations < dense.iterations) == expected


def test_a_kind_without_a_lane_on_some_bus_keeps_the_layer_dense() -> None:
    """Two fixed-8 lanes serve two of four buses."""
    array = with_windows(8, 8, 2, channels=8, banks=8)
    net = Builder((16, 20, 20), fmt()).matmul("e", "x", 16, fmt())
    names = ("Fixed-8",) * 16
    net.matmul("d", "e", 16, fmt(), window(3, 1, 1), names, groups=16)
    assert not make_schedule(net.graph(), array).matmul("d").rows.windows
