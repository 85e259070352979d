"""Which activation bus a row lane hangs on, and a row of a depthwise layer needs.

In a depthwise layer each of the `window_taps` buses carries its part of the channel positions, with
several columns of each (docs/hardware.md, "Windows").
"""

from __future__ import annotations

from rmsmp_hls.hw.array import ArrayShape

Counts = tuple[int, int, int]
"""Of shift-add, fixed-4 and fixed-8 rows or lanes."""

WINDOW_BUSES = 4
"""Buses of an array that has windows at all."""


def lane_buses(array: ArrayShape) -> tuple[int, ...]:
    """Return the bus of every row lane: shift-add lanes take turns, and so do pairs, each of them
    two fixed-4 lanes or one fixed-8 lane."""
    pairs = array.fixed4_lanes // 2
    numbers = [
        *range(array.shift_add_lanes),
        *(lane // 2 for lane in range(array.fixed4_lanes)),
        *(pairs + lane for lane in range(array.fixed8_lanes)),
    ]
    return tuple(number % array.window_taps for number in numbers)


def bus_lanes(lanes: Counts) -> tuple[Counts, ...]:
    """Return the lanes of each kind on every bus, of an array with `lanes` and windows."""
    pairs = lanes[1] // 2
    return tuple(
        (
            len(range(bus, lanes[0], WINDOW_BUSES)),
            2 * len(range(bus, pairs, WINDOW_BUSES)),
            len(range((bus - pairs) % WINDOW_BUSES, lanes[2], WINDOW_BUSES)),
        )
        for bus in range(WINDOW_BUSES)
    )


def bus_of(slot: int, channels: int) -> int:
    """Return the bus that carries a slot of a depthwise layer's operand, for TN = `channels`."""
    return slot % channels // (channels // WINDOW_BUSES)
