"""Disks that are full or read-only, and folders that are not ours."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rmsmp_hls.cli.program import program
from rmsmp_hls.flow import WALK, BuildOutcome
from rmsmp_hls.store import BuildFolder
from tests.flow.models import build, snapshot

DISK_CODES = (2, 7, 8, 9, 74)  # as the place: folder, record, artefact, log, anything else


def run(model: Path, out: Path) -> Result:
    command = ["build", str(model), "-o", str(out), "--storage", "native", "--board", "zcu102"]
    return CliRunner().invoke(program, command)


def check_refused(result: Result, words: str) -> None:
    assert result.exit_code in DISK_CODES, result.output
    assert words in result.stderr
    assert "\n  -> " in result.stderr
    assert "Traceback" not in result.stderr


def check_truth(out: Path) -> list[str]:
    """Whatever happened, every record in the folder tells the truth."""
    folder = BuildFolder(out)
    done = [stage.name for stage in WALK if folder.record(stage.name)]
    assert [s.name for s in WALK if folder.whole(s.name, s.folder)] == done
    return done


def failing(number: int, function: Callable[..., Any], error: int) -> Callable[..., Any]:
    """Return `function`, which fails from the n-th call on."""
    left = [number]

    def wrapped(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(error, os.strerror(error), "the/disk")
        return function(*arguments, **named)

    return wrapped


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("number", [0, 1, 2, 7, 12, 30, 60])
def test_a_write_that_fails(
    error: int, number: int, model: Path, seeded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first, or at a later file; with room again the next build completes."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(number, os.fsync, error))
        said = "full" if error == errno.ENOSPC else "cannot be written"
        result = run(model, seeded)
        if error == errno.ENOSPC and "No space left" in result.stderr:
            said = "No space left"
        check_refused(result, said)
    done = check_truth(seeded)
    outcome = build(model, seeded)
    assert outcome.report.exact
    assert len(outcome.ran) == len(WALK) - len(done)


def test_a_folder_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    """The folder itself."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; a failing write is played above")
    tmp_path.chmod(0o500)
    check_refused(run(model, tmp_path / "new"), "cannot be written")


def test_a_folder_that_is_a_file(model: Path, tmp_path: Path) -> None:
    """It stays what it is."""
    (tmp_path / "file").write_text("mine")
    check_refused(run(model, tmp_path / "file"), "cannot be written")
    check_refused(run(model, tmp_path / "file" / "below"), "cannot be written")
    assert snapshot(tmp_path) == {"file": b"mine"}


def test_a_folder_with_files_of_the_user(model: Path, tmp_path: Path) -> None:
    """Refused, and not touched."""
    (tmp_path / "thesis.txt").write_text("mine")
    result = run(model, tmp_path)
    check_refused(result, "is not empty and not a build folder; nothing in it was touched")
    assert snapshot(tmp_path) == {"thesis.txt": b"mine"}


def test_files_of_the_user_in_a_build_folder(model: Path, folder: Path) -> None:
    """They stay, also when everything is built again."""
    for name in ("notes.txt", "hls/notes.txt", "4_packed/mine.bin"):
        (folder / name).write_text("mine")
    build(model, folder, force=True)
    for name in ("notes.txt", "hls/notes.txt", "4_packed/mine.bin"):
        assert (folder / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["csim.log", "compile log"])
def test_logs_that_cannot_be_written(
    name: str, model: Path, built: BuildOutcome, tmp_path: Path
) -> None:
    """A folder stands where a log should be."""
    out = tmp_path / "out"
    log = "csim-native-part0.log" if name == "csim.log" else "compile-native.log"
    if name == "csim.log":
        shutil.copytree(built.out / "csim", out / "csim")
    (out / ".rmsmp-hls").mkdir(parents=True)
    (out / "csim" / "run" / log).unlink(missing_ok=True)
    (out / "csim" / "run" / log).mkdir(parents=True)
    check_refused(run(model, out), "the log cannot be written: Is a directory")
    assert check_truth(out) == [stage.name for stage in WALK[:5]]


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real file system of a few kilobytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk: {error}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("small_disk", ["16k", "60k", "200k", "400k"], indirect=True)
def test_a_disk_that_is_really_full(small_disk: Path, model: Path) -> None:
    """Of several sizes, so that several stages meet the end."""
    out = small_disk / "out"
    result = run(model, out)
    assert result.exit_code in DISK_CODES, result.output
    assert "Traceback" not in result.stderr
    assert "bug" not in result.stderr
    assert check_truth(out) != [stage.name for stage in WALK]
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert build(model, out, start=None, force=False).report.exact


def test_a_disk_without_right_to_write(model: Path, folder: Path) -> None:
    """A real read-only file system: what is there can still be shown."""
    disk = str(folder)
    try:
        subprocess.run(["mount", "--bind", disk, disk], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount: {error}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)
        check_refused(run(model, folder), "Read-only file system")
        assert CliRunner().invoke(program, ["report", disk]).exit_code == 0
    finally:
        subprocess.run(["umount", disk], check=True)
