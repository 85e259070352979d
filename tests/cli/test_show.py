"""`boards`, `report` and `inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rmsmp_hls.hw.board import boards
from rmsmp_hls.report.files import report_files
from rmsmp_hls.report.model import Report


@pytest.fixture
def build_dir(tmp_path: Path, sample_report: Report) -> Path:
    folder = tmp_path / "build" / "7_report"
    folder.mkdir(parents=True)
    for name, content in report_files(sample_report).items():
        (folder / name).write_bytes(content)
    return tmp_path / "build"


def test_boards_lists_every_shipped_board_with_its_figures(call) -> None:
    """One line each."""
    lines = call("boards").stdout.splitlines()
    assert len(lines) == 1 + len(boards())
    zcu102 = next(line for line in lines if line.startswith("zcu102 "))
    assert zcu102.split()[1:6] == ["xczu9eg-ffvb1156-2-e", "274,080", "548,160", "2,520", "912"]


def test_boards_sources_names_a_source_for_every_figure(call) -> None:
    """No shipped figure is without one."""
    text = call("boards", "--sources").stdout
    assert "source not given" not in text
    assert text.count("  lut ") == len(boards())


def test_report_shows_a_build_again(call, build_dir: Path) -> None:
    """The whole report, from the folder or from the file."""
    shown = call("report", build_dir)
    assert shown.exit_code == 0
    assert "Bit-exact" in shown.stdout
    assert "The array" in shown.stdout
    assert call("report", build_dir / "7_report" / "report.json").stdout == shown.stdout


@pytest.mark.parametrize(("form", "name"), [("json", "report.json"), ("html", "report.html"),
                                            ("markdown", "report.md")])  # fmt: skip
def test_report_writes_every_form(call, build_dir: Path, form: str, name: str) -> None:
    """The same bytes as in the build folder."""
    stored = (build_dir / "7_report" / name).read_text(encoding="utf-8")
    assert call("report", build_dir, "--format", form).stdout == stored


def test_report_without_a_report_says_what_to_name(call, tmp_path: Path) -> None:
    """A folder that is no build, and a file that is not there."""
    result = call("report", tmp_path)
    assert result.exit_code == 11
    assert result.stderr.startswith(f"error: {tmp_path}: holds no report.json\n  -> ")
    result = call("report", tmp_path / "none")
    assert (result.exit_code, "cannot be read: No such file" in result.stderr) == (11, True)


def test_a_report_of_a_newer_version_is_refused(call, build_dir: Path) -> None:
    """With the remedy."""
    path = build_dir / "7_report" / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    result = call("report", build_dir)
    assert result.exit_code == 7
    assert "report version '99' is not known; this program reads 4" in result.stderr


def test_inspect_of_nothing_is_an_artefact_error(call) -> None:
    """Exit code 7."""
    result = call("inspect", "nowhere")
    assert (result.exit_code, result.stderr) == (7, "error: nowhere: does not exist\n")
