"""Measuring again gives the stored figures, and storing keeps the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rmsmp_hls.hw.lane_figures import FAMILIES, FOLDER, read_figures, stored_figures
from rmsmp_hls.rtl.lanes import LaneKind, LaneSpec, RtlFamily
from rmsmp_hls.rtl.measure import INPUTS, lane_specs, measure_lane, store
from rmsmp_hls.toolchain.yosys import Yosys
from tests.rtl.simulate import yosys_or_skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shift_add", "table", "packed"])
def test_measuring_again_gives_the_stored_figure(kind: str, tmp_path: Path) -> None:
    """The structure is explicit: versions of yosys differ by 3 % at most."""
    yosys = yosys_or_skip()
    family = RtlFamily.XCUP
    specs = {spec.kind.value: spec for spec in lane_specs(family, (8,), ("SP2-4", "Fixed-4"))}
    figure = measure_lane(yosys, specs[kind], tmp_path)
    stored = {f.key: f for f, _ in stored_figures(family.value)}[figure.key]
    assert figure.lut == pytest.approx(stored.lut, rel=0.03)
    assert (figure.lutram, figure.dsp) == (stored.lutram, stored.dsp)
    assert figure.latency == stored.latency


@pytest.mark.parametrize("family", FAMILIES)
def test_every_lane_is_stored(family: str) -> None:
    """All kinds, codebooks and sizes, and what lanes share."""
    stored = {f.key for f, _ in stored_figures(family)}
    wanted = {
        (s.kind.value, s.codebook, s.inputs, s.pixels)
        for s in lane_specs(RtlFamily(family), INPUTS)
    }
    assert wanted <= stored
    assert {key[0] for key in stored} >= {"decode", "sequencer", "requantize9", "requantize32"}


def test_storing_keeps_what_was_not_measured(tmp_path: Path) -> None:
    """New figures replace those of their key; each keeps the version that measured it."""
    figures = [figure for figure, _ in stored_figures("xc7")[:3]]
    path = tmp_path / "xc7.json"
    store(path, Yosys("yosys", "1.0"), tuple(figures))
    changed = replace(figures[1], lut=figures[1].lut + 1)
    store(path, Yosys("yosys", "2.0"), (changed,))
    read = {figure.key: (figure.lut, version) for figure, version in read_figures(path)}
    assert read == {
        figures[0].key: (figures[0].lut, "1.0"), changed.key: (changed.lut, "2.0"),
        figures[2].key: (figures[2].lut, "1.0"),
    }  # fmt: skip


def test_stored_files_are_as_the_command_writes_them(tmp_path: Path) -> None:
    """Storing nothing new leaves the files as they are, byte by byte."""
    for family in FAMILIES:
        path = tmp_path / f"{family}.json"
        path.write_bytes((FOLDER / f"{family}.json").read_bytes())
        store(path, Yosys("yosys", "0"), ())
        assert path.read_bytes() == (FOLDER / f"{family}.json").read_bytes()


def test_lanes_that_cannot_be_are_refused() -> None:
    """All findings at once."""
    with pytest.raises(Exception, match="inputs must be") as caught:
        LaneSpec(LaneKind.PACKED, RtlFamily.XC7, 12, "SP2-4", 4)
    assert "takes Fixed-4" in str(caught.value) and "2 pixel" in str(caught.value)
