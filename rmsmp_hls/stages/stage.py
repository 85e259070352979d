"""What a stage is: a function from the folder's earlier artefacts to files and facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.store import BuildFolder, Record


class ProgressSink(Protocol):
    """Where progress goes; the command line shows it."""

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """Say that stage `name` is "run" (began), "done" or "cached"."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say how far the running stage is."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """Files (relative to the stage's folder) and facts (JSON values)."""

    files: Mapping[str, bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage may read: the options, and what earlier stages left."""

    options: BuildOptions
    folder: BuildFolder
    folders: Mapping[str, str]
    records: Mapping[str, Record]
    progress: ProgressSink

    def path(self, stage: str, name: str = "") -> Path:
        """Return the folder of a stage, or a file in it."""
        return self.folder.root / self.folders[stage] / name

    def facts(self, stage: str) -> Mapping[str, Any]:
        """Return the facts of an earlier stage."""
        return self.records[stage].facts

    def read_json(self, stage: str, name: str) -> Any:
        """Read a JSON file of an earlier stage; ArtefactError if it cannot be read."""
        path = self.path(stage, name)
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ArtefactError(
                f"cannot be read ({error})", where=str(path), fix="build again with --force"
            ) from error


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: as on the command line (`--from NAME`).
        folder: sub-folder of the build folder that it owns.
        options: fields of `BuildOptions` that change its result.
        run: does the work.
        external: files outside the build folder that it reads, given the options.
        dependent: further fields of `BuildOptions` that change its result, given the options.
        paths: fields of `BuildOptions` that name what it reads outside: what lies there counts.
    """

    name: str
    folder: str
    options: tuple[str, ...]
    run: Callable[[StageContext], StageResult]
    external: Callable[[BuildOptions], tuple[Path, ...]] = lambda options: ()
    dependent: Callable[[BuildOptions], tuple[str, ...]] = lambda options: ()
    paths: tuple[str, ...] = ()
