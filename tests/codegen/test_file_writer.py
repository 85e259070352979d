"""The writer: whole files, untouched when equal, removed when no longer planned."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rmsmp_hls.codegen import file_writer
from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.file_writer import MANIFEST, write_plan
from rmsmp_hls.errors import CodegenError

PLAN = FilePlan.of({"src/a.hpp": b"one", "data/b.bin": b"\0\1"})


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def test_writes_exactly_the_plan(tmp_path: Path) -> None:
    """Folders are made; contents are the planned bytes."""
    result = write_plan(PLAN, tmp_path / "new" / "deep")
    assert tree(tmp_path / "new" / "deep") == dict(PLAN)
    assert result.written == PLAN.paths
    assert result.unchanged == result.removed == ()


def test_equal_files_are_not_touched(tmp_path: Path) -> None:
    """A second write changes no file and no time stamp; a change writes that file only."""
    write_plan(PLAN, tmp_path)
    os.utime(tmp_path / "src/a.hpp", (1, 1))
    os.utime(tmp_path / MANIFEST, (1, 1))
    again = write_plan(PLAN, tmp_path)
    assert again.unchanged == PLAN.paths
    assert (tmp_path / "src/a.hpp").stat().st_mtime == 1
    assert (tmp_path / MANIFEST).stat().st_mtime == 1
    changed = write_plan(FilePlan.of({**dict(PLAN), "data/b.bin": b"\0\2"}), tmp_path)
    assert changed.written == ("data/b.bin",)
    assert (tmp_path / "src/a.hpp").stat().st_mtime == 1


def test_a_file_of_equal_size_and_other_content_is_written(tmp_path: Path) -> None:
    """A damaged file is repaired."""
    write_plan(PLAN, tmp_path)
    (tmp_path / "src/a.hpp").write_bytes(b"0ne")
    assert write_plan(PLAN, tmp_path).written == ("src/a.hpp",)
    assert tree(tmp_path) == dict(PLAN)


def test_files_of_an_earlier_plan_are_removed_and_only_those(tmp_path: Path) -> None:
    """The user's own files stay, also beside ours; an emptied folder of ours goes."""
    write_plan(PLAN, tmp_path)
    (tmp_path / "src/mine.txt").write_text("keep")
    result = write_plan(FilePlan.of({"c": b"3"}), tmp_path)
    assert result.removed == ("data/b.bin", "src/a.hpp")
    assert tree(tmp_path) == {"c": b"3", "src/mine.txt": b"keep"}
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("line", ["../outside", "/etc/passwd", "a/../../b", "x\ty"])
def test_a_damaged_manifest_removes_nothing(tmp_path: Path, line: str) -> None:
    """A manifest that names paths outside is refused before anything is written."""
    root = tmp_path / "root"
    write_plan(PLAN, root)
    (tmp_path / "outside").write_text("keep")
    manifest = root / MANIFEST
    manifest.write_text(manifest.read_text() + line + "\n")
    with pytest.raises(CodegenError, match="damaged"):
        write_plan(FilePlan.of({"c": b""}), root)
    assert (tmp_path / "outside").read_text() == "keep"
    assert tree(root) == dict(PLAN)


@pytest.mark.parametrize("fail_at", range(1, 6))
def test_interrupted_write_leaves_whole_files_and_the_next_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    """Stopped before any rename: every file is old or new, never half; no file is orphaned."""
    old = FilePlan.of({"src/a.hpp": b"old", "gone": b"x"})
    new = FilePlan.of({"src/a.hpp": b"new", "data/b.bin": b"y", "z": b"z"})
    write_plan(old, tmp_path)
    real, count = Path.replace, 0

    def replace(source: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == fail_at:
            raise KeyboardInterrupt
        return real(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write_plan(new, tmp_path)
    monkeypatch.undo()
    for path, data in tree(tmp_path).items():
        assert data in (dict(old).get(path), dict(new).get(path))
    write_plan(new, tmp_path)
    assert tree(tmp_path) == dict(new)
    assert list(tmp_path.glob(".rmsmp-hls-write-*")) == []


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    """kill -9 leaves at most a temporary file, which the next run removes."""
    write_plan(PLAN, tmp_path)
    (tmp_path / ".rmsmp-hls-write-12345").write_bytes(b"half")
    write_plan(PLAN, tmp_path)
    assert not (tmp_path / ".rmsmp-hls-write-12345").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full"),
     (errno.EROFS, "cannot be written"), (errno.EACCES, "cannot be written"),
     (errno.EIO, "Input/output error")],
)  # fmt: skip
def test_disk_errors_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    """A full, read-only or broken disk gives one clear error; old files stay whole."""
    write_plan(PLAN, tmp_path)

    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code), "here")

    monkeypatch.setattr(file_writer.os, "fsync", fsync)
    with pytest.raises(CodegenError, match=words):
        write_plan(FilePlan.of({"src/a.hpp": b"other"}), tmp_path)
    monkeypatch.undo()
    assert tree(tmp_path) == dict(PLAN)


def test_really_full_disk(tmp_path: Path) -> None:
    """/dev/full behaves as a full disk does when the bytes are flushed."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / f".rmsmp-hls-write-{os.getpid()}").symlink_to("/dev/full")
    root = tmp_path
    real_glob = list(root.glob(".rmsmp-hls-write-*"))
    assert real_glob
    with pytest.raises(CodegenError, match="disk is full"):
        file_writer_write(root)


def file_writer_write(root: Path) -> None:
    try:
        file_writer._write_whole(root, root / "target", b"x" * 100)
    except OSError as error:
        raise file_writer._explained(error, root) from error


def test_read_only_folder(tmp_path: Path) -> None:
    """A folder without write permission is named."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the mocked EROFS case covers the message")
    tmp_path.chmod(0o500)
    with pytest.raises(CodegenError, match="cannot be written"):
        write_plan(PLAN, tmp_path / "sub")


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    """A file where a folder is needed is named, not overwritten."""
    (tmp_path / "src").write_text("mine")
    with pytest.raises(CodegenError, match="a file stands where a folder is needed"):
        write_plan(PLAN, tmp_path)
    assert (tmp_path / "src").read_text() == "mine"
    with pytest.raises(CodegenError):
        write_plan(PLAN, tmp_path / "src")


def test_links_cannot_lead_out(tmp_path: Path) -> None:
    """A linked folder that leads elsewhere is refused; a linked file is replaced, not followed."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "victim").write_text("keep")
    (root / "src").symlink_to(outside)
    with pytest.raises(CodegenError, match="leads out"):
        write_plan(PLAN, root)
    assert sorted(p.name for p in outside.iterdir()) == ["victim"]
    (root / "src").unlink()
    (root / "src").mkdir()
    (root / "src/a.hpp").symlink_to(outside / "victim")
    write_plan(PLAN, root)
    assert (outside / "victim").read_text() == "keep"
    assert tree(root) == dict(PLAN)
