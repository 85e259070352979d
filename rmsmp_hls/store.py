"""The build folder: what each stage left, whether it is whole, and whether it is still true.

A stage owns one sub-folder. Its record, `.rmsmp-hls/STAGE.json`, is removed before the stage's
files are written and written last, after every file is whole on the disk; so a record always
tells the truth, whenever the program was killed. A stage that fails leaves all as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.file_writer import write_plan
from rmsmp_hls.errors import ArtefactError, ConfigError

STATE = ".rmsmp-hls"


@dataclass(frozen=True, slots=True)
class Record:
    """What a finished stage says of itself.

    Attributes:
        key: hash of everything the stage depended on.
        files: relative path -> SHA-256 of every file that the stage made.
        facts: figures that later stages and the report need (JSON values).
        seconds: how long the stage ran.
    """

    key: str
    files: Mapping[str, str]
    facts: Mapping[str, Any]
    seconds: float

    @property
    def digest(self) -> str:
        """Hash of files and facts: what later stages depend on."""
        return digest_json({"files": dict(self.files), "facts": dict(self.facts)})


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value, hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal, read in pieces."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            total.update(piece)
    return total.hexdigest()


class BuildFolder:
    """One build folder, locked while it is open for writing."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder ours, and keep other builds out.

        Raises:
            ConfigError: the folder holds something else, cannot be made, or is in use.
        """
        self._claim()
        with (self.root / STATE / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(
                    "another build is using this folder",
                    where=str(self.root),
                    fix="wait for it, or give another folder with -o",
                ) from error
            yield

    def _claim(self) -> None:
        where = str(self.root)
        if self.root.is_dir() and not (self.root / STATE).is_dir() and any(self.root.iterdir()):
            raise ConfigError(
                "is not empty and not a build folder; nothing in it was touched",
                where=where,
                fix="give a new or empty folder with -o",
            )
        try:
            (self.root / STATE).mkdir(parents=True, exist_ok=True)
            (self.root / STATE / "lock").touch()
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror}",
                where=where,
                fix="give a folder that you may write to with -o",
            ) from error

    def record(self, stage: str) -> Record | None:
        """Return the stage's record if there is one that can be read."""
        try:
            data = json.loads((self.root / STATE / f"{stage}.json").read_bytes())
            return Record(
                str(data["key"]), dict(data["files"]), dict(data["facts"]), float(data["seconds"])
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def whole(self, stage: str, folder: str) -> Record | None:
        """Return the stage's record if every file it names is there and unchanged."""
        record = self.record(stage)
        if record is None:
            return None
        for path, digest in record.files.items():
            file = self.root / folder / path
            try:
                if digest_file(file) != digest:
                    return None
            except OSError:
                return None
        return record

    def forget(self, stage: str) -> None:
        """Remove the stage's record: from here on its files are not to be trusted."""
        (self.root / STATE / f"{stage}.json").unlink(missing_ok=True)

    def commit(
        self,
        stage: str,
        folder: str,
        key: str,
        files: Mapping[str, bytes],
        facts: Mapping[str, Any],
        seconds: float,
    ) -> Record:
        """Remove the stage's old record, write its files, then its new record.

        Raises:
            CodegenError, ArtefactError: the disk is full or read-only; there is no record then.
        """
        plan = FilePlan.of(dict(files))
        self.forget(stage)
        write_plan(plan, self.root / folder)
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        record = Record(key, digests, dict(facts), seconds)
        body = {"key": key, "files": digests, "facts": dict(facts), "seconds": seconds}
        path = self.root / STATE / f"{stage}.json"
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("w") as file:
                json.dump(body, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise ArtefactError(
                f"cannot be written: {error.strerror}",
                where=str(path),
                fix="free some space, then run the same command again",
            ) from error
        return record
