"""Files that are replaced whole or not at all."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file; whenever the program is killed, `path` holds the old content or the new.

    Raises:
        OSError: it cannot be written.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove what writes of `path` left that were killed; nobody may be writing it now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        leftover.unlink(missing_ok=True)
