"""`lanes`: stored figures, measuring without yosys, black boxes of a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.rtl import black_box
from rmsmp_hls.rtl.black_box import black_box_files
from tests.codegen.tiny_design import array, design


def test_lanes_shows_the_stored_figures(call) -> None:
    """Chosen by fabric, size and codebook, with the line that the cost model uses."""
    text = call("lanes", "--family", "xc7", "--inputs", "32", "--codebook", "sp2-4").stdout
    assert "Fabric xc7, measured" in text and "xcup" not in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("shift_add", "table"))]
    assert [row[:3] for row in rows[:2]] == [["shift_add", "SP2-4", "32"], ["table", "SP2-4", "32"]]
    assert "12.94 N + 11.0" in text


def test_measuring_without_yosys_says_how_to_get_it(call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code of a missing tool, and the remedy."""
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    result = call("lanes", "--measure")
    assert result.exit_code == ToolError.exit_code
    assert "pip install 'rmsmp-hls[rtl]'" in result.stderr


def test_an_unknown_codebook_is_refused(call) -> None:
    """The message lists the known ones."""
    result = call("lanes", "--codebook", "SP3-4")
    assert result.exit_code == 2
    assert "known: SP2-4" in result.stderr


def test_black_boxes_go_into_the_project(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of the build's own array, in hls/rtl, and nothing else."""
    (tmp_path / "4_packed").mkdir()
    (tmp_path / "4_packed" / "design.json").write_text("{}")
    loaded = {tmp_path / "4_packed": design()}
    monkeypatch.setattr(black_box, "load_design", loaded.__getitem__)
    result = call("lanes", "--black-boxes", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    written = {
        f"rtl/{path.name}": path.read_bytes()
        for path in (tmp_path / "hls" / "rtl").iterdir()
        if not path.name.startswith(".")
    }
    assert written == black_box_files(array())
    wrong = call("lanes", "--black-boxes", str(tmp_path / "hls"))
    assert "not a build with a packed design" in wrong.stderr
