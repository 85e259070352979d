"""Groups of channels: rows read no more blocks than they must, and kinds mix in every block."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.hw.board import load_board
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.schedule import forms
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.forms import mixed_slots
from rmsmp_hls.schedule.layout import dense_slots
from rmsmp_hls.schedule.place_rows import kind_of
from rmsmp_hls.schedule.predict import predict
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.schedule.sections import operand_channels, sections
from tests.schedule.graphs import Builder, fmt, window
from tests.schedule.shapes import mobilenet_v2
from tests.schedule.test_schedule import ARRAY

NAMES = ("SP2-4", "Fixed-4", "Fixed-8")


def grouped(depth: int, rows: int, groups: int) -> IntMatmul:
    op = Builder((depth, 3, 3), fmt()).matmul("c", "x", rows, fmt(), groups=groups).ops[-1]
    assert isinstance(op, IntMatmul)
    return op


@pytest.mark.parametrize(
    ("depth", "rows", "groups", "expected"),
    [
        (32, 8, 1, (4, 1)),  # dense
        (32, 32, 32, (1, 4)),  # depthwise
        (30, 30, 30, (1, 4)),  # a last block that is not full
        (32, 64, 8, (1, 4)),  # two groups in a block
        (32, 8, 2, (2, 2)),  # two blocks of a group
        (24, 24, 2, (3, 1)),  # groups cross blocks: dense
        (48, 8, 4, (3, 2)),  # two groups in three blocks
    ],
)
def test_sections_of_dense_operands(depth: int, rows: int, groups: int, expected) -> None:
    """(blocks, sections) for TN = 8."""
    found = sections(grouped(depth, rows, groups), dense_slots(depth), 8)
    assert (found.blocks, found.count) == expected


@given(st.integers(0, 1000), st.sampled_from((4, 8, 16)))
def test_every_row_finds_its_channels_in_its_section(seed: int, channels: int) -> None:
    """Any groups, any slots."""
    rng = random.Random(seed)
    groups, per_group, rows = rng.randint(1, 8), rng.randint(1, 12), rng.randint(1, 3)
    depth = groups * per_group
    slots = tuple(rng.sample(range(2 * depth), depth))
    found = sections(grouped(depth, groups * rows, groups), slots, channels)
    read = (
        np.array(slots)[
            operand_channels(groups * rows, per_group, groups, np.arange(groups * rows))
        ]
        // channels
    )
    first = np.array(found.of_rows)[:, None] * found.blocks
    assert ((read >= first) & (read < first + found.blocks)).all()
    assert max(found.of_rows) < found.count


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=200), st.sampled_from((4, 16, 64)))
def test_kinds_mix_evenly(formats: list[str], channels: int) -> None:
    """The fewest blocks, and in each of them at most one row of a kind above the mean."""
    slots = mixed_slots(tuple(formats), channels)
    blocks = -(-len(formats) // channels)
    assert len(set(slots)) == len(formats)
    assert max(slots) < blocks * channels
    for kinds in ((0,), (1,), (2,), (1, 2)):
        counts = [0] * blocks
        for name, slot in zip(formats, slots, strict=True):
            counts[slot // channels] += kind_of(name) in kinds
        assert max(counts) <= -(-sum(counts) // blocks)


def depthwise_rows(mixed: bool, monkeypatch: pytest.MonkeyPatch) -> int:
    """Row tiles of a depthwise layer whose kinds come in runs."""
    names = ("SP2-4",) * 36 + ("Fixed-4",) * 16 + ("Fixed-8",) * 12
    net = Builder((8, 5, 5), fmt()).matmul("e", "x", 64, fmt())
    net.matmul("d", "e", 64, fmt(), window(3, 1, 1), names, groups=64)
    if not mixed:
        monkeypatch.setattr(forms._Finder, "wish_mixes", lambda self: None)
    array = replace(ARRAY, shift_add_lanes=5, fixed4_lanes=2, fixed8_lanes=2, drain_rows=3)
    step = make_schedule(net.graph(), array).matmul("d")
    assert (step.rows.blocks, step.rows.group_stride) == (1, 1)
    assert step.tiling.row_tiles == 8 * step.rows.tiles_per_group
    return step.tiling.row_tiles


def test_a_mix_of_kinds_in_every_block_saves_row_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tile per block instead of as many as the fullest block of one kind needs."""
    assert depthwise_rows(True, monkeypatch) == 8
    assert depthwise_rows(False, monkeypatch) == 4 * 8


@pytest.mark.slow
def test_mobilenet_v2_uses_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Depthwise layers take one row tile per block; without the mix they take more."""
    graph, board = mobilenet_v2(), load_board("zcu102")
    array = choose_array(graph, board)
    with_mix = predict(graph, make_schedule(graph, array), board)
    monkeypatch.setattr(forms._Finder, "wish_mixes", lambda self: None)
    without = predict(graph, make_schedule(graph, array), board)

    def depthwise(prediction) -> int:
        names = {op.name for op in graph if forms.is_depthwise(op)}
        return sum(op.iterations for op in prediction.ops if op.name in names)

    assert depthwise(with_mix) < 0.65 * depthwise(without)
    assert with_mix.iterations < 0.9 * without.iterations
