"""Find out what a path holds, and show it."""

from __future__ import annotations

import json
import zipfile
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import ConsoleRenderable

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.store import STATE

_FIX = (
    "name a checkpoint (model.pt), a saved graph (.json), a packed design folder, a build folder, "
    "a report.json or a file of arrays (.npz)"
)


class Kind(Enum):
    """What an artefact is; the value is said to the user."""

    CHECKPOINT = "checkpoint"
    GRAPH = "graph"
    DESIGN = "packed design"
    REPORT = "report"
    ARRAYS = "file of arrays"
    BUILD = "build folder"


def inspect_artefact(path: Path, width: int = 100) -> ConsoleRenderable:
    """Return a view of any artefact, for a terminal of `width` columns.

    Raises:
        ArtefactError: there is nothing, or nothing of ours; damaged artefacts.
        ModelImportError: the checkpoint cannot be read, or is not safe to read.
    """
    kind, place = identify(path)
    if kind is Kind.CHECKPOINT:
        from rmsmp_hls.inspect.checkpoints import checkpoint_view  # imports torch

        return checkpoint_view(place, width)
    if kind is Kind.GRAPH:
        from rmsmp_hls.inspect.graphs import graph_view
        from rmsmp_hls.ir.serialize import load_graph

        return graph_view(load_graph(place), place, width)
    if kind is Kind.DESIGN:
        from rmsmp_hls.inspect.designs import design_view

        return design_view(place, width)
    if kind is Kind.REPORT:
        from rmsmp_hls.report.json import from_json
        from rmsmp_hls.report.terminal import report_renderable

        return report_renderable(from_json(_read_text(place), str(place)), width)
    if kind is Kind.ARRAYS:
        from rmsmp_hls.inspect.graphs import arrays_view

        return arrays_view(place, width)
    from rmsmp_hls.inspect.folders import build_view

    return build_view(place, width)


def identify(path: Path) -> tuple[Kind, Path]:
    """Return what `path` is, and the file or folder to load it from.

    Raises:
        ArtefactError: it does not exist, cannot be read, or is nothing we know.
    """
    try:
        if path.is_dir():
            return _identify_folder(path)
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise ArtefactError("does not exist", where=str(path)) from None
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if path.suffix == ".json":
        return _identify_json(path)
    if head[:2] == b"PK":
        return _identify_zip(path)
    if head[:1] == b"\x80" or path.suffix in (".pt", ".pth"):
        return Kind.CHECKPOINT, path  # its loader says what exactly it is
    if path.name in ("program.bin", "program_trace.bin", "weights.bin", "params.bin"):
        return Kind.DESIGN, path.parent
    raise ArtefactError("is nothing that rmsmp-hls writes", where=str(path), fix=_FIX)


def _identify_folder(path: Path) -> tuple[Kind, Path]:
    if (path / "design.json").is_file():
        return Kind.DESIGN, path
    if (path / STATE).is_dir():
        return Kind.BUILD, path
    if (path / "report.json").is_file():
        return Kind.REPORT, path / "report.json"
    graphs = [p for p in sorted(path.glob("*.json")) if str(_schema(p)).endswith("-graph")]
    if len(graphs) == 1:
        return Kind.GRAPH, graphs[0]
    what = f"holds {len(graphs)} graphs" if graphs else "holds nothing that rmsmp-hls writes"
    raise ArtefactError(what, where=str(path), fix=_FIX)


def _identify_json(path: Path) -> tuple[Kind, Path]:
    schema = _schema(path)
    if schema == "rmsmp-hls/packed-design":
        return Kind.DESIGN, path.parent
    if schema == "rmsmp-hls/report":
        return Kind.REPORT, path
    if str(schema).startswith("rmsmp-hls/") and str(schema).endswith("-graph"):
        return Kind.GRAPH, path
    what = "is JSON without a schema of ours" if schema is None else f"has schema {schema!r}"
    raise ArtefactError(what[:200], where=str(path), fix=_FIX)


def _identify_zip(path: Path) -> tuple[Kind, Path]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        names = []
    if names and all(name.endswith(".npy") for name in names):
        header = path.with_suffix(".json")
        is_graph = header.is_file() and str(_schema(header)).endswith("-graph")
        return (Kind.GRAPH, header) if is_graph else (Kind.ARRAYS, path)
    if path.suffix == ".npz":
        raise ArtefactError("is damaged", where=str(path), fix="make it again")
    return Kind.CHECKPOINT, path


def _schema(path: Path) -> str | None:
    """Return the schema that a JSON file names, None if it is no JSON object or names none."""
    try:
        document: Any = json.loads(_read_text(path))
    except (ValueError, RecursionError):
        return None
    schema = document.get("schema") if isinstance(document, dict) else None
    return schema if isinstance(schema, str) else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error.strerror}", where=str(path)) from None
