"""The report on a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from rmsmp_hls.report.model import Accuracy, Report
from rmsmp_hls.report.origin import Origin
from rmsmp_hls.report.tables import Column, Table
from rmsmp_hls.report.terminal import rich_table, show_report


def shown(report: Report, width: int) -> list[str]:
    out = io.StringIO()
    show_report(report, Console(file=out, width=width, color_system=None))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", ["sample_report", "bare_report", "hostile_report"])
def test_no_line_is_wider_than_the_terminal(
    name: str, width: int, request: pytest.FixtureRequest
) -> None:
    """Names give way, whatever they are."""
    assert max(len(line) for line in shown(request.getfixturevalue(name), width)) <= width


def test_the_verdict_stands_at_the_top(sample_report: Report) -> None:
    """Model, board and the exactness come first."""
    lines = shown(sample_report, 140)
    assert lines[0] == "digits-resnet  on zcu102 (xczu9eg-ffvb1156-2-e) at 200 MHz"
    assert lines[1] == (
        "Bit-exact: the C simulation equals the integer reference (native: 0 of 2,764,800 "
        "mismatches; ap_int: 0 of 2,764,800 mismatches)"
    )


def test_origins_stand_beside_the_titles(sample_report: Report) -> None:
    """Modelled resources cannot be taken for measured ones."""
    lines = shown(sample_report, 100)
    assert "Resources  [modelled]" in lines
    assert "C simulation  [simulated]" in lines
    assert "Build time  [measured]" in lines


def test_names_are_not_read_as_markup(hostile_report: Report) -> None:
    """Brackets and escapes in names are shown, not obeyed."""
    text = "\n".join(shown(hostile_report, 140))
    assert "[/red][bold]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_unknown_figures_are_dashes(bare_report: Report) -> None:
    """The only figures are those of the rows and of the clock."""
    known = Accuracy("integer", 1, 2, Origin.MEASURED)
    lines = shown(replace(bare_report, accuracies=(*bare_report.accuracies, known)), 100)
    layer = next(line for line in lines if line.startswith("  conv "))
    assert layer.split() == ["conv", "Conv", "4:0:0", "0", "–", "–", "–"]
    accuracy = next(line for line in lines if line.startswith("  float "))
    assert re.split(r"\s{2,}", accuracy.strip()) == ["float", "–", "–", "not measured", "–"]


def test_numbers_are_never_cut() -> None:
    """A narrow terminal wraps the headings and shortens the names instead."""
    columns = (Column("Layer", name=True), Column("A long heading", number=True))
    out = io.StringIO()
    table = rich_table(Table(columns, (("n" * 60, "123,456,789"),)), 30)
    Console(file=out, width=30, color_system=None).print(table)
    assert "123,456,789" in out.getvalue()
    assert "…" in out.getvalue()
