"""Running programs: logs, errors, time limits, and nothing left running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain.process import Command, first_error, output_of, run, run_all


def python(code: str, folder: Path, *, name: str = "log", timeout_s: float = 20.0) -> Command:
    return Command((sys.executable, "-c", code), folder, folder / f"{name}.txt", timeout_s)


def is_alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int) -> bool:
    for _ in range(200):
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_success_keeps_the_whole_output(tmp_path: Path) -> None:
    """Both streams are in the log, in order; the time is measured."""
    code = "import sys; print('a', flush=True); print('b', file=sys.stderr)"
    result = run(python(code, tmp_path))
    assert result.output == "a\nb\n"
    assert 0 < result.seconds < 20
    assert result.exit_code == 0


def test_arguments_pass_no_shell(tmp_path: Path) -> None:
    """Shell characters arrive literally."""
    hostile = ["$(touch pwned)", "; touch pwned", "`id`", "a b", "*", "'\""]
    command = Command(
        (sys.executable, "-c", "import sys; print(sys.argv[1:])", *hostile),
        tmp_path, tmp_path / "log", 20.0,
    )  # fmt: skip
    assert run(command).output.strip() == str(hostile)
    assert not (tmp_path / "pwned").exists()


def test_environment_is_added(tmp_path: Path) -> None:
    """Variables are set on top of ours, not instead of them."""
    code = "import os; print(os.environ['X'], 'PATH' in os.environ)"
    command = Command((sys.executable, "-c", code), tmp_path, tmp_path / "l", 20.0, {"X": "1"})
    assert run(command).output == "1 True\n"


def test_failure_quotes_the_first_error_the_command_and_the_log(tmp_path: Path) -> None:
    """The message has the exit code, the first error line, the last lines and the log's path."""
    code = (
        "print('note'); print('src/a.cpp:3:7: error: expected ;'); print('b.cpp:1:1: error: two');"
        "print('last line'); raise SystemExit(4)"
    )
    with pytest.raises(ToolError) as caught:
        run(python(code, tmp_path))
    text = str(caught.value)
    assert "failed with exit code 4: src/a.cpp:3:7: error: expected ;" in text
    assert "last line" in text
    assert str(tmp_path / "log.txt") in text
    assert "-c" in text
    assert caught.value.exit_code == 9


def test_accepted_exit_codes_are_results(tmp_path: Path) -> None:
    """A program may say something with its exit code."""
    command = Command((sys.executable, "-c", "raise SystemExit(1)"), tmp_path, tmp_path / "l", 20.0,
                      accept=(0, 1))  # fmt: skip
    assert run(command).exit_code == 1


def test_death_by_signal_is_named(tmp_path: Path) -> None:
    """A crash is told from an exit code."""
    with pytest.raises(ToolError, match="was ended by signal 6"):
        run(python("import os; os.abort()", tmp_path))


@pytest.mark.parametrize(
    ("program", "fix"),
    [("g++", "apt-get install g++"), ("vitis_hls", "settings64.sh"), ("no-such-tool", "install")],
)
def test_missing_program_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, fix: str
) -> None:
    """Not a traceback but a remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=f"{program.replace('+', '.')} is not installed") as caught:
        run(Command((program,), tmp_path, tmp_path / "log", 5.0))
    assert fix in caught.value.fix
    with pytest.raises(ToolError, match="is not installed"):
        output_of([program, "--version"])


def test_not_executable_and_unwritable_log_are_explained(tmp_path: Path) -> None:
    """A file that cannot be run, and a log that cannot be made."""
    (tmp_path / "tool").write_text("x")
    with pytest.raises(ToolError, match="cannot be started"):
        run(Command((str(tmp_path / "tool"),), tmp_path, tmp_path / "log", 5.0))
    with pytest.raises(ToolError, match="log cannot be written"):
        run(Command(("true",), tmp_path, tmp_path / "tool" / "log", 5.0))


SPAWN = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "open('pids', 'w').write(str(child.pid)); {after}"
)


def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """The program and what it started are gone; the limit is in the message."""
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 1 s"):
        run(python(SPAWN.format(after="time.sleep(60)"), tmp_path, timeout_s=1.0))
    assert time.monotonic() - started < 10
    assert wait_until_gone(int((tmp_path / "pids").read_text()))


def test_a_program_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    """SIGTERM ignored: SIGKILL follows."""
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open('pids', 'w').write(str(os.getpid())); time.sleep(60)"
    )
    with pytest.raises(ToolError, match="took longer"):
        run(python(code, tmp_path, timeout_s=0.7))
    assert wait_until_gone(int((tmp_path / "pids").read_text()))


def test_ctrl_c_ends_the_whole_group(tmp_path: Path) -> None:
    """KeyboardInterrupt passes on after everything that was started is gone."""

    def interrupt() -> None:
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(python(SPAWN.format(after="time.sleep(60)"), tmp_path))
    thread.join()
    assert wait_until_gone(int((tmp_path / "pids").read_text()))


def test_run_all_runs_side_by_side_and_keeps_the_order(tmp_path: Path) -> None:
    """Results come in the order of the commands; the callback sees them as they end."""
    code = "import time; time.sleep({}); print({})"
    ended: list[str] = []
    results = run_all(
        [python(code.format(0.6, 1), tmp_path, name="a"),
         python(code.format(0.0, 2), tmp_path, name="b")],
        on_finished=lambda finished: ended.append(finished.output.strip()),
    )  # fmt: skip
    assert [r.output.strip() for r in results] == ["1", "2"]
    assert ended == ["2", "1"]
    assert run_all([]) == ()


def test_run_all_stops_the_others_when_one_fails(tmp_path: Path) -> None:
    """One failure ends the group and is raised."""
    slow = "import os, time; open('pids', 'w').write(str(os.getpid())); time.sleep(60)"
    bad = (
        "import os, time\nwhile not os.path.exists('pids') or not open('pids').read(): "
        "time.sleep(0.02)\nraise SystemExit(3)"
    )
    started = time.monotonic()
    with pytest.raises(ToolError, match="exit code 3"):
        run_all([python(slow, tmp_path, name="a"), python(bad, tmp_path, name="b")])
    assert time.monotonic() - started < 15
    assert wait_until_gone(int((tmp_path / "pids").read_text()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In file included\na.hpp:2:3: error: bad\nb", "a.hpp:2:3: error: bad"),
        ("a.hpp:2:3: warning: w\nfatal error: no file\n", "fatal error: no file"),
        ("x\nld: a.o: undefined reference to `f'\n", "ld: a.o: undefined reference to `f'"),
        ("INFO: y\nERROR: [HLS 200-70] z\nERROR: w", "ERROR: [HLS 200-70] z"),
        ("rmsmp-step: x start\nrmsmp-error: x: y", "rmsmp-error: x: y"),
        ("error_count = 0\nall good\n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_first_error(text: str, expected: str) -> None:
    """Compilers', linkers' and vendor tools' own first error is found; names are not errors."""
    assert first_error(text) == expected
