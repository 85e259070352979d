"""Rows in lanes: every assignment of formats finds legal places in few tiles."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.schedule.place_rows import (
    LaneKind,
    RowPlaces,
    fewest_tiles,
    kind_counts,
    kind_of,
    lane_counts,
    place_rows,
)

BASE = ArrayShape(
    shift_add_lanes=8, fixed4_lanes=6, fixed8_lanes=2, channels=16, pixels=4, banks=8,
    drain_rows=4, vector_lanes=4, tile_groups=16, activation_depth=64, weight_word_bits=64,
    acc_bits=24, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip
NAMES = ("SP2-4", "Fixed-4", "Fixed-8")


def assert_legal(formats: list[str], array: ArrayShape, places: RowPlaces) -> None:
    """Every row once, in a lane of a fitting kind, with its position alone in its drain."""
    split = array.shift_add_lanes, array.shift_add_lanes + array.fixed4_lanes
    assert len(places.lanes) == places.tiles * array.rows
    assert sorted(row for row in places.lanes if row >= 0) == list(range(len(formats)))
    drained: set[tuple[int, int, int]] = set()
    for index, row in enumerate(places.lanes):
        if row < 0:
            continue
        tile, lane = divmod(index, array.rows)
        kind = LaneKind.SHIFT_ADD if lane < split[0] else LaneKind.FIXED4
        kind = LaneKind.FIXED8 if lane >= split[1] else kind
        wanted = kind_of(formats[row])
        assert kind == wanted or (kind is LaneKind.FIXED8 and wanted is LaneKind.FIXED4)
        key = (tile, lane // array.drain_rows, row % array.channels)
        assert key not in drained
        drained.add(key)


def tiles_needed(formats: list[str], array: ArrayShape) -> int:
    """A lower bound: by numbers of each kind, and by rows of one position.

    Rows of one position whose kinds only fit certain drain groups take one place in each of
    these groups per tile; so for every set of kinds.
    """
    bound = fewest_tiles(kind_counts(formats), lane_counts(array))
    edges = (0, array.shift_add_lanes, array.shift_add_lanes + array.fixed4_lanes, array.rows)
    lanes = [range(edges[0], edges[1]), range(edges[1], edges[3]), range(edges[2], edges[3])]
    counts = Counter((kind_of(f), row % array.channels) for row, f in enumerate(formats))
    for size in (1, 2, 3):
        for kinds in itertools.combinations(LaneKind, size):
            groups = {lane // array.drain_rows for kind in kinds for lane in lanes[kind]}
            most = max(
                sum(counts[kind, position] for kind in kinds) for position in range(array.channels)
            )
            if most:
                bound = max(bound, -(-most // len(groups)))
    return bound


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], ArrayShape]:
    """Any array and any formats, also with no lane of a kind that no row asks for."""
    channels = draw(st.sampled_from((4, 8, 16, 32, 64)))
    drain = draw(st.integers(1, min(channels, 16)))
    rows = drain * draw(st.integers(1, 12))
    fixed8 = draw(st.integers(0, min(rows, 6)))
    fixed4 = draw(st.integers(0, (rows - fixed8) // 2)) * 2
    array = replace(
        BASE, channels=channels, drain_rows=drain, fixed8_lanes=fixed8, fixed4_lanes=fixed4,
        shift_add_lanes=rows - fixed8 - fixed4,
    )  # fmt: skip
    have = array.shift_add_lanes > 0, fixed4 + fixed8 > 0, fixed8 > 0
    names = [name for name, there in zip(NAMES, have, strict=True) if there]
    weights = draw(st.lists(st.integers(1, 20), min_size=len(names), max_size=len(names)))
    count = draw(st.integers(1, 600))
    pick = random.Random(draw(st.integers(0, 2**32)))
    formats = pick.choices(names, weights, k=count)
    if draw(st.booleans()):
        formats.sort()
    return formats, array


@settings(max_examples=150, deadline=None)
@given(cases())
def test_any_assignment_is_placed_in_near_the_fewest_tiles(
    case: tuple[list[str], ArrayShape],
) -> None:
    """Random formats, lane splits and drains: legal places, at most one tile above the bound."""
    formats, array = case
    places = place_rows(formats, array)
    assert_legal(formats, array, places)
    assert places.tiles <= tiles_needed(formats, array) + 1


def test_adversarial_positions_are_spread() -> None:
    """All fixed-8 rows at one position, all fixed-8 lanes in one drain group: a tile each."""
    array = replace(BASE, shift_add_lanes=30, fixed4_lanes=0, fixed8_lanes=2, channels=16)
    formats = ["Fixed-8" if row % 16 == 3 else "SP2-4" for row in range(160)]
    places = place_rows(formats, array)
    assert_legal(formats, array, places)
    assert places.tiles == 10


def test_places_are_the_same_every_time() -> None:
    """The same rows get the same places: artefacts are reproducible."""
    formats = random.Random(1).choices(NAMES, (65, 30, 5), k=100)
    assert place_rows(formats, BASE) == place_rows(formats, BASE)


@pytest.mark.parametrize(
    ("lanes", "name"),
    [((0, 6, 2), "SP2-4"), ((8, 0, 0), "Fixed-4"), ((8, 6, 0), "Fixed-8")],
)
def test_a_format_without_a_lane_is_refused(lanes: tuple[int, int, int], name: str) -> None:
    """The error names the format and the lanes that there are."""
    array = replace(
        BASE, shift_add_lanes=lanes[0], fixed4_lanes=lanes[1], fixed8_lanes=lanes[2], drain_rows=1
    )
    with pytest.raises(LoweringError, match=f"1 rows are {name}, but the array has no lane"):
        place_rows([name], array, "fc")


def test_fixed4_rows_use_fixed8_lanes() -> None:
    """Fixed-4 rows need no fixed-4 lane where there are fixed-8 lanes."""
    array = replace(BASE, fixed4_lanes=0, shift_add_lanes=2, drain_rows=1)
    places = place_rows(["Fixed-4"] * 6, array)
    assert places.tiles == 3


def test_another_shift_add_codebook_is_refused() -> None:
    """PoT rows do not run on SP2 lanes."""
    with pytest.raises(LoweringError, match="shift-add lanes compute SP2-4"):
        place_rows(["PoT-4"], BASE)
