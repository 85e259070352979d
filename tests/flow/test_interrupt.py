"""Killed or stopped anywhere, the next build completes and equals an uninterrupted one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rmsmp_hls.cli.program import program
from rmsmp_hls.flow import STAGES, WALK, BuildOutcome
from rmsmp_hls.store import BuildFolder
from tests.flow.models import build, snapshot

STOPPED = 130
ROOT = Path(__file__).resolve().parents[2]
REPORTS = ("report.html", "report.json", "report.md")  # they hold times
EVENTS = (
    *(f"{stage} {state}" for stage in STAGES for state in ("run", "done")),
    *(f"commit {stage}" for stage in STAGES),
)


def seed(source: Path, target: Path) -> Path:
    """Make a build folder in which nothing is built, but the testbench is compiled."""
    (target / ".rmsmp-hls").mkdir(parents=True)
    shutil.copytree(source / "csim", target / "csim")
    return target


def stop(model: Path, cases: list[tuple[Path, str, int]], sent: str) -> list[int]:
    """Run builds that get a signal each; return their statuses."""
    listed = [
        {"out": str(out), "event": event, "count": count, "signal": sent}
        for out, event, count in cases
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.flow.stopping", str(model), json.dumps(listed)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout))


def check_rest(model: Path, out: Path, built: BuildOutcome, what: str) -> None:
    """Every record tells the truth, nothing that is done is done again, all is as it should be."""
    folder = BuildFolder(out)
    done = [stage.name for stage in WALK if folder.record(stage.name)]
    assert [s.name for s in WALK if folder.whole(s.name, s.folder)] == done, what
    assert build(model, out).ran == STAGES[len(done) :], what
    wanted, found = artefacts(built.out), artefacts(out)
    assert found.keys() == wanted.keys(), what
    assert [name for name in wanted if found[name] != wanted[name]] == [], what
    assert build(model, out).ran == (), what


def artefacts(out: Path) -> dict[str, bytes]:
    skipped = ("csim/run/", ".rmsmp-hls/", *REPORTS)
    return {n: data for n, data in snapshot(out).items() if not n.startswith(skipped)}


def stop_and_check(
    sent: str, events: Sequence[str], model: Path, built: BuildOutcome, folder: Path
) -> None:
    cases = [(seed(built.out, folder / str(i)), e, 1) for i, e in enumerate(events)]
    status = {"SIGKILL": -9, "SIGINT": STOPPED}[sent]
    assert stop(model, cases, sent) == [status] * len(cases)
    for out, event, _ in cases:
        check_rest(model, out, built, f"{sent} at {event}")


def test_ctrl_c_in_every_stage(model: Path, built: BuildOutcome, tmp_path: Path) -> None:
    """As it begins."""
    stop_and_check("SIGINT", EVENTS[: 2 * len(STAGES) : 2], model, built, tmp_path)


def test_killed_before_every_stage_writes(model: Path, built: BuildOutcome, tmp_path: Path) -> None:
    """All is computed, nothing is written."""
    stop_and_check("SIGKILL", EVENTS[2 * len(STAGES) :], model, built, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGINT"])
def test_stopped_at_every_boundary_of_the_stages(
    sent: str, model: Path, built: BuildOutcome, tmp_path: Path
) -> None:
    """As a stage begins, before it writes, and as it is done."""
    stop_and_check(sent, EVENTS, model, built, tmp_path)


def writes(out: Path) -> int:
    """Count files that a build writes for certain: every artefact."""
    return len(artefacts(out))


@pytest.mark.parametrize("event", ["fsync", "rename"])
def test_killed_while_a_file_is_written(
    event: str, model: Path, built: BuildOutcome, tmp_path: Path
) -> None:
    """Half written, or whole but without its name."""
    chosen = np.random.default_rng(len(event)).choice(writes(built.out), 3, replace=False) + 1
    cases = [(seed(built.out, tmp_path / str(n)), event, int(n)) for n in chosen]
    kill_and_check(model, built, cases)


@pytest.mark.slow
def test_killed_at_every_file(model: Path, built: BuildOutcome, tmp_path: Path) -> None:
    """All of them."""
    numbers = range(1, writes(built.out) + 1)
    cases = [(seed(built.out, tmp_path / str(n)), "rename", n) for n in numbers]
    kill_and_check(model, built, cases)


def kill_and_check(model: Path, built: BuildOutcome, cases: list[tuple[Path, str, int]]) -> None:
    assert stop(model, cases, "SIGKILL") == [-9] * len(cases)
    for out, event, count in cases:
        check_rest(model, out, built, f"killed at {event} {count}")


@pytest.mark.slow
def test_killed_at_any_moment(model: Path, built: BuildOutcome, tmp_path: Path) -> None:
    """A real process, by the clock, compiling included; again and again in one folder."""
    out = tmp_path / "out"
    rng = np.random.default_rng(1)
    for delay in rng.uniform(1.0, 9.0, 6):
        process = start(model, out)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        folder = BuildFolder(out)
        records = [s.name for s in WALK if folder.record(s.name)]
        assert [s.name for s in WALK if folder.whole(s.name, s.folder)] == records
    check_rest(model, out, built, "killed by the clock")


def start(model: Path, out: Path, **variables: str) -> subprocess.Popen[str]:
    words = ["build", str(model), "--board", "zcu102", "-o", str(out), "--storage", "native"]
    return subprocess.Popen(
        [sys.executable, "-m", "rmsmp_hls", *words], cwd=ROOT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


FAKE = """#!/bin/sh
case "$*" in *--version*) echo "fake 1.0"; exit 0;; *-E*) exit 1;; esac
{action}
"""
SLEEP = 'echo $$ >> "{pids}"\nsleep 600 &\necho $! >> "{pids}"\nwait'
# A "compiler" that sleeps, or one whose program sleeps.
COMPILER = SLEEP
TESTBENCH = (
    'for last; do :; done\nprintf "%s\\n" "#!/bin/sh" \'echo $$ >> "{pids}"\' "sleep 600 &" '
    '\'echo $! >> "{pids}"\' "wait" > "$last"\nchmod +x "$last"'
)


class Sleeper:
    """A build whose compiler or testbench sleeps for ever."""

    def __init__(self, action: str, model: Path, out: Path, folder: Path) -> None:
        self.pids_file = folder / "pids"
        fake = folder / "g++"
        fake.write_text(FAKE.format(action=action.format(pids=self.pids_file)))
        fake.chmod(0o755)
        self.process = start(model, out, CXX=str(fake))
        until = time.monotonic() + 60
        while len(self.pids) < 2 and time.monotonic() < until and self.process.poll() is None:
            time.sleep(0.02)
        assert len(self.pids) == 2, self.process.communicate()

    @property
    def pids(self) -> list[int]:
        return (
            [int(n) for n in self.pids_file.read_text().split()] if self.pids_file.exists() else []
        )

    def alive(self) -> list[int]:
        """Return those of the sleeping programs that still run."""
        return [pid for pid in self.pids if runs(pid)]

    def left(self) -> list[int]:
        """Return those that run on though the build has ended. They sleep for ten minutes; a
        signal on its way to them arrives sooner."""
        until = time.monotonic() + 10
        while (pids := self.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        return pids

    def end(self) -> None:
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(params=[COMPILER, TESTBENCH], ids=["compiling", "simulating"])
def sleeper(
    request: pytest.FixtureRequest, model: Path, built: BuildOutcome, tmp_path: Path
) -> Iterator[tuple[Sleeper, Path]]:
    out = seed(built.out, tmp_path / "out")
    sleeper = Sleeper(request.param, model, out, tmp_path)
    yield sleeper, out
    sleeper.end()


def test_ctrl_c_ends_what_was_started(
    sleeper: tuple[Sleeper, Path], model: Path, built: BuildOutcome
) -> None:
    """Exit code 130, one sentence, no compiler or testbench left; the next build completes."""
    build_process, out = sleeper
    build_process.process.send_signal(signal.SIGINT)
    _, said = build_process.process.communicate(timeout=30)
    assert build_process.process.returncode == STOPPED
    assert said.strip() == "stopped; run the same command again to go on"
    assert build_process.left() == []
    check_rest_of_csim(model, out, built)


def test_a_second_build_of_the_folder_says_so(sleeper: tuple[Sleeper, Path], model: Path) -> None:
    """It changes nothing; the first goes on."""
    build_process, out = sleeper
    before = snapshot(out)
    command = f"build {model} --board zcu102 -o {out} --storage native"
    result = CliRunner().invoke(program, command.split())
    assert result.exit_code == 2
    assert f"{out}: another build is using this folder" in result.stderr
    assert snapshot(out) == before
    assert build_process.process.poll() is None


def test_killed_while_others_work_for_it(
    sleeper: tuple[Sleeper, Path], model: Path, built: BuildOutcome
) -> None:
    """`kill -9`: the folder is free at once, and the next build completes."""
    build_process, out = sleeper
    build_process.process.kill()
    build_process.process.communicate()
    check_rest_of_csim(model, out, built)


def check_rest_of_csim(model: Path, out: Path, built: BuildOutcome) -> None:
    check_rest(model, out, built, "stopped in csim")
    assert BuildFolder(out).record("csim")
