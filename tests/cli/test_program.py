"""The root command: help, speed, suggestions, version."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rmsmp_hls

HEAVY = ("torch", "numpy", "jinja2", "rich", "yaml", "rmsmp_hls.flow")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("args", [["--help"], ["build", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    """Neither torch nor numpy, jinja2, rich or yaml: that is what makes it quick."""
    code = (
        "import sys\nfrom rmsmp_hls.cli.program import program\n"
        f"try:\n    program.main({args!r})\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    assert run("-c", code).stdout.endswith("loaded: []\n")


def test_python_m_is_the_same_program() -> None:
    """`python -m rmsmp_hls --version` prints the version."""
    result = run("-m", "rmsmp_hls", "--version")
    assert (result.returncode, result.stdout) == (
        0,
        f"rmsmp-hls, version {rmsmp_hls.__version__}\n",
    )


def test_help_lists_the_commands(call) -> None:
    """In one screen."""
    result = call("--help")
    assert result.exit_code == 0
    for name in ("boards", "build", "check", "cycles", "inspect", "quantize", "report"):
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("buld", "Did you mean 'build'?"),
        (
            "xyz",
            "Known: boards, build, check, cycles, explore, inspect, lanes, quantize, report, "
            "train.",
        ),
    ],
)
def test_a_misspelt_command_gets_a_suggestion(call, word: str, hint: str) -> None:
    """The nearest one, or all of them."""
    result = call(word)
    assert result.exit_code == 2
    assert f"No such command {word!r}. {hint}" in result.stderr


def test_a_closed_pipe_is_not_an_error_message() -> None:
    """`rmsmp-hls boards | head -0` is quiet."""
    script = f"{sys.executable} -m rmsmp_hls boards --sources | head -c 1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "Error" not in result.stderr


def test_an_encoding_without_dashes_does_not_crash() -> None:
    """What ASCII lacks is written as an escape."""
    code = (
        "import os, sys\nos.environ['COLUMNS'] = '100'\nsys.argv = ['rmsmp-hls', 'boards']\n"
        "from rmsmp_hls.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", code]
    env = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert result.returncode == 0, result.stderr
    assert "zcu102" in result.stdout
