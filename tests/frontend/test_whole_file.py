"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rmsmp_hls.frontend.whole_file import remove_leftovers, write_whole


def test_content_is_replaced(tmp_path: Path) -> None:
    """Nothing but the new file is left in the folder."""
    path = tmp_path / "a.pt"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails keeps the old content, and no part of the new one."""
    path = tmp_path / "a.pt"
    write_whole(path, b"old")

    def full(_file: int) -> None:
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_its_own_leftovers_are_removed(tmp_path: Path) -> None:
    """Temporary files of the same name go, all others stay."""
    for name in ("a[1].pt", ".a[1].pt.x7", ".a1.pt.x7", ".b.pt.x7"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a[1].pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a1.pt.x7", ".b.pt.x7", "a[1].pt"]
