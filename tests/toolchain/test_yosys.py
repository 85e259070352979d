"""Finding yosys, and what is said where there is none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain.yosys import find_yosys


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_variable_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YOSYS names the program; its version is read."""
    program = _program(tmp_path / "my-yosys", "echo 'Yosys 0.99+1 (git sha1 0)'")
    monkeypatch.setenv("YOSYS", str(program))
    found = find_yosys()
    assert (found.program, found.version) == (str(program), "0.99+1")
    assert found.cells is None


def test_a_missing_yosys_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra, the package and the variable."""
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    with pytest.raises(ToolError, match=r"rmsmp-hls\[rtl\]") as caught:
        find_yosys()
    assert "named by the variable YOSYS" in str(caught.value)


def test_something_else_is_no_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that tells no version of yosys is refused."""
    monkeypatch.setenv("YOSYS", str(_program(tmp_path / "other", "echo hello")))
    with pytest.raises(ToolError, match="does not say its version"):
        find_yosys()
