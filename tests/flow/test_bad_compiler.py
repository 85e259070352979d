"""No compiler, or one that fails: its own first error, and what is done stays done."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rmsmp_hls.cli.program import program
from rmsmp_hls.flow import STAGES
from rmsmp_hls.store import BuildFolder
from tests.flow.models import build

TOOL_ERROR = 9
FAILING = """#!/bin/sh
case "$*" in *--version*) echo "fake 1.0"; exit 0;; *-E*) exit 1;; esac
echo "src/top.cpp: In function 'void f()':" >&2
echo "src/top.cpp:12:5: warning: unused variable" >&2
echo "src/top.cpp:13:7: error: 'foo' was not declared in this scope" >&2
echo "src/top.cpp:99:1: error: a later one" >&2
exit 1
"""
SILENT = """#!/bin/sh
case "$*" in *--version*) echo "fake 1.0"; exit 0;; *-E*) exit 1;; esac
kill -9 $$
"""
# Its "testbench" says nothing, or lies.
LYING = """#!/bin/sh
case "$*" in *--version*) echo "fake 1.0"; exit 0;; *-E*) exit 1;; esac
for last; do :; done
printf '#!/bin/sh\\n{action}\\n' > "$last"; chmod +x "$last"
"""


def run(model: Path, out: Path) -> Result:
    command = ["build", str(model), "-o", str(out), "--storage", "native", "--board", "zcu102"]
    return CliRunner().invoke(program, command)


def compiler(folder: Path, text: str) -> str:
    path = folder / "fake-g++"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def check(result: Result, *words: str) -> None:
    assert result.exit_code == TOOL_ERROR, result.output
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


def check_kept(model: Path, out: Path) -> None:
    """All before the simulation is done; with a compiler again, only the rest runs."""
    folder = BuildFolder(out)
    assert [stage for stage in STAGES if folder.record(stage)] == list(STAGES[:5])
    assert build(model, out).ran == ("csim", "report")


def test_no_compiler(model: Path, seeded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How to get one."""
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        patch.delenv("CXX", raising=False)
        check(run(model, seeded), "g++ is not installed", "apt-get install g++")
    check_kept(model, seeded)


@pytest.mark.parametrize(
    ("text", "words"),
    [(FAILING, ("failed with exit code 1: src/top.cpp:13:7: error: 'foo' was not declared",
                "compile-native.log", "command: ")),
     (SILENT, ("was ended by signal 9",)),
     (LYING.format(action="exit 0"), ("it did not come to its end",)),
     (LYING.format(action="exit 3"), ("failed with exit code 3",)),
     (LYING.format(action="echo images=3 deployed=3 seconds=0.1 storage=native"),
      ("cannot be trusted", "no result of tensor 0")),
     (LYING.format(action="kill -11 $$"), ("was ended by signal 11",))],
    ids=["an error", "killed", "silent", "exit code", "lying", "crash"],
)  # fmt: skip
def test_a_compiler_or_program_that_fails(
    text: str, words: tuple[str, ...], model: Path, seeded: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What it said first; the rest in its log."""
    kept = {p.name: p.read_bytes() for p in (seeded / "csim/run").iterdir()}
    with monkeypatch.context() as patch:
        patch.setenv("CXX", compiler(tmp_path, text))
        result = run(model, seeded)
    check(result, *words)
    for name, data in kept.items():  # a compiled testbench of the other compiler
        (seeded / "csim/run" / name).write_bytes(data)
        (seeded / "csim/run" / name).chmod(0o755)
    check_kept(model, seeded)
