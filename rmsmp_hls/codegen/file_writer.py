"""Write a FilePlan to a folder: whole files only, and only those that changed.

The folder remembers in `MANIFEST` which files came from a plan; when a later plan no longer
holds one of them it is removed. No other file in the folder is ever touched. A run that is
killed at any moment leaves whole files, and a manifest that names at least all of ours.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.codegen.file_plan import FilePlan, path_problem
from rmsmp_hls.errors import CodegenError

MANIFEST = ".rmsmp-hls-files"
_MANIFEST_HEAD = "rmsmp-hls generated files, version 1"
_TEMPORARY = ".rmsmp-hls-write-"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write did, as relative paths in sorted order."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write_plan(plan: FilePlan, root: Path) -> WriteResult:
    """Make the planned files exist under `root` with exactly the planned contents.

    Args:
        plan: the files.
        root: the folder; made if missing.

    Raises:
        CodegenError: the disk is full, the folder is read-only, a file stands where a folder
            is needed, a link leads out of `root`, or the manifest is damaged.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(_TEMPORARY + "*"):
            leftover.unlink()
        before = _read_manifest(root)
        changed = [(path, data) for path, data in plan if not _holds(root / path, data)]
        stale = sorted(before - set(plan.paths))
        if changed or stale or before != set(plan.paths):
            _write_manifest(root, before | set(plan.paths))
        for path, data in changed:
            _make_parent(root, path)
            _write_whole(root, root / path, data)
        removed = [path for path in stale if _remove(root, path)]
        if before != set(plan.paths):
            _write_manifest(root, plan.paths)
    except OSError as error:
        raise _explained(error, root) from error
    written = {path for path, _ in changed}
    return WriteResult(
        written=tuple(sorted(written)),
        unchanged=tuple(path for path in plan.paths if path not in written),
        removed=tuple(removed),
    )


def _holds(path: Path, data: bytes) -> bool:
    """Return whether the file exists with this content."""
    if path.is_symlink() or not path.is_file():
        return False
    return path.stat().st_size == len(data) and path.read_bytes() == data


def _make_parent(root: Path, path: str) -> None:
    """Make the folder of `path`, which must not lead out of `root` through a link."""
    folder = (root / path).parent
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise CodegenError(
            "a link leads out of the output folder", where=str(folder), fix="remove the link"
        )


def _write_whole(root: Path, target: Path, data: bytes) -> None:
    """Write to a temporary file in `root`, flush it to the disk, and rename it."""
    temporary = root / f"{_TEMPORARY}{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _remove(root: Path, path: str) -> bool:
    """Remove one of our own old files, and folders that are empty then; False if it was gone."""
    target = root / path
    if not target.parent.resolve().is_relative_to(root.resolve()):
        return False
    if not target.is_symlink() and not target.is_file():
        return False
    target.unlink()
    for folder in target.parents:
        if folder == root or any(folder.iterdir()):
            break
        folder.rmdir()
    return True


def _read_manifest(root: Path) -> set[str]:
    """Return the paths that an earlier plan wrote; empty if there was none."""
    path = root / MANIFEST
    if not path.is_file():
        return set()
    lines = path.read_text("utf-8", errors="replace").splitlines()
    if not lines or lines[0] != _MANIFEST_HEAD or any(map(path_problem, lines[1:])):
        raise CodegenError(
            "the list of generated files is damaged, so old files cannot be told from yours",
            where=str(path),
            fix="delete this file, or choose another output folder",
        )
    return set(lines[1:])


def _write_manifest(root: Path, paths: Iterable[str]) -> None:
    text = "\n".join((_MANIFEST_HEAD, *sorted(paths))) + "\n"
    _write_whole(root, root / MANIFEST, text.encode())


def _explained(error: OSError, root: Path) -> CodegenError:
    """Turn the operating system's error into one that says what to do."""
    where = str(error.filename or root)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CodegenError(
            "the disk is full (or its quota is used up)",
            where=where,
            fix="free some space or choose another output folder, then run again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CodegenError(
            "the output folder cannot be written",
            where=where,
            fix="choose another output folder, or give yourself the right to write here",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return CodegenError(
            "a file stands where a folder is needed, or a folder where a file is",
            where=where,
            fix="move it away, or choose another output folder",
        )
    return CodegenError(
        f"the generated files cannot be written: {error.strerror or error}", where=where
    )
