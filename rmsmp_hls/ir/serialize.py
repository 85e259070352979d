"""Graphs as text and files: named fields, versions, digests, an allow-list; no pickle.

A saved graph is `NAME.json` (header and operations) and `NAME.npz` (its arrays, each with
a SHA-256 digest in the header). docs/ir.md states the format.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.ir.float_ops import FLOAT_OPS
from rmsmp_hls.ir.graph import Graph, Level
from rmsmp_hls.ir.int_ops import INT_OPS
from rmsmp_hls.ir.quant_ops import QUANT_OPS
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Window

VERSION = 1
_OPS: dict[Level, dict[str, type]] = {
    Level.FLOAT: {op.__name__: op for op in FLOAT_OPS},
    Level.QUANT: {op.__name__: op for op in QUANT_OPS},
    Level.INT: {op.__name__: op for op in INT_OPS},
}
_VALUES: dict[str, type] = {"ActFormat": ActFormat, "Window": Window}
_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
}
_INFINITIES = {"inf": float("inf"), "-inf": float("-inf")}
_T = TypeVar("_T")


def ops_to_json(graph: Graph[Any]) -> list[dict[str, Any]]:
    """Return the operations as JSON values; arrays appear as {"array": digest}."""
    return [{"op": type(op).__name__, **_fields_to_json(op)} for op in graph.ops]


def ops_from_json(
    level: Level, items: object, arrays: Mapping[str, ConstTensor] | None = None
) -> tuple[Any, ...]:
    """Return the operations that `ops_to_json` wrote.

    Args:
        level: which operations are allowed.
        items: the JSON list.
        arrays: digest -> array, for levels whose operations hold arrays.

    Raises:
        ArtefactError: an operation or field is unknown, missing or of the wrong type.
    """
    if not isinstance(items, list):
        raise ArtefactError("the list of operations is missing", where=level.value)
    ops = []
    for number, item in enumerate(items):
        where = f"{level.value}, operation {number}"
        if not isinstance(item, dict) or item.get("op") not in _OPS[level]:
            found = item.get("op") if isinstance(item, dict) else item
            raise ArtefactError(f"unknown operation {str(found)[:60]!r}", where=where)
        fields = {key: value for key, value in item.items() if key != "op"}
        ops.append(_from_fields(_OPS[level][item["op"]], fields, arrays or {}, where))
    return tuple(ops)


def graph_files(graph: Graph[Any], name: str) -> dict[str, bytes]:
    """Return {"NAME.json": ..., "NAME.npz": ...}: the same graph gives the same bytes."""
    tensors = {c.digest: c for c in _arrays_of(graph)}
    keys = {digest: f"a{number}" for number, digest in enumerate(sorted(tensors))}
    header = {
        "schema": f"rmsmp-hls/{graph.level.value}",
        "version": VERSION,
        "output": graph.output,
        "argmax": graph.argmax,
        "ops": ops_to_json(graph),
        "constants": {key: value.digest for key, value in sorted(graph.constants.items())},
        "arrays": {keys[digest]: digest for digest in sorted(tensors)},
    }
    text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False) + "\n"
    blob = _npz({keys[digest]: tensors[digest].array for digest in sorted(tensors)})
    return {f"{name}.json": text.encode(), f"{name}.npz": blob}


def load_graph(path: Path) -> Graph[Any]:
    """Read the graph whose header is `path` (NAME.json), with NAME.npz beside it.

    Raises:
        ArtefactError: a file is missing, damaged, of another kind or of a newer version.
    """
    header = _read_header(path)
    schema = str(header.get("schema", ""))
    levels = {f"rmsmp-hls/{level.value}": level for level in Level}
    if schema not in levels:
        raise ArtefactError(
            f"is not a saved graph (schema {schema[:60]!r})",
            where=str(path),
            fix=f"known schemas: {', '.join(levels)}",
        )
    if header.get("version") != VERSION:
        raise ArtefactError(
            f"has version {header.get('version')!r}, this program knows {VERSION}",
            where=str(path),
            fix="use the rmsmp-hls that wrote it, or build again from the model",
        )
    arrays = _read_arrays(path.with_suffix(".npz"), header.get("arrays"))
    try:
        constants = {str(k): arrays[str(v)] for k, v in dict(header["constants"]).items()}
        return Graph(
            level=levels[schema],
            ops=ops_from_json(levels[schema], header.get("ops"), arrays),
            output=str(header["output"]),
            constants=constants,
            argmax=bool(header["argmax"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"is damaged ({error})", where=str(path), fix="build again from the model"
        ) from error


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise ArtefactError(
            "is not JSON", where=str(path), fix="build again from the model"
        ) from error
    if not isinstance(header, dict):
        raise ArtefactError("is not a JSON object", where=str(path))
    return header


def _read_arrays(path: Path, index: object) -> dict[str, ConstTensor]:
    damaged = ArtefactError("is damaged", where=str(path), fix="build again from the model")
    if not isinstance(index, dict):
        raise damaged
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as blob:
            for key, digest in index.items():
                tensor = ConstTensor(blob[key])
                if tensor.digest != digest:
                    raise damaged
                arrays[str(digest)] = tensor
    except OSError as error:
        reason = error.strerror or "damaged"
        raise ArtefactError(f"cannot be read: {reason}", where=str(path)) from error
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise damaged from error
    return arrays


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """An .npz with fixed dates, so that equal graphs are equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), member.getvalue(), compresslevel=1)
    return out.getvalue()


def _arrays_of(graph: Graph[Any]) -> list[ConstTensor]:
    found = list(graph.constants.values())
    for op in graph.ops:
        values = (getattr(op, field.name) for field in dataclasses.fields(op))
        found.extend(value for value in values if isinstance(value, ConstTensor))
    return found


def _fields_to_json(value: Any) -> dict[str, Any]:
    return {f.name: _to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}


def _to_json(value: Any) -> Any:
    if isinstance(value, ConstTensor):
        return {"array": value.digest}
    if type(value).__name__ in _VALUES:
        return {"type": type(value).__name__, **_fields_to_json(value)}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value


def _from_fields(
    kind: Callable[..., _T], fields: dict[str, Any], arrays: Mapping[str, ConstTensor], where: str
) -> _T:
    declared = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(fields) - set(declared))
    absent = set(declared) - set(fields)  # files of earlier versions lack fields with defaults
    missing = sorted(n for n in absent if declared[n].default is dataclasses.MISSING)
    if unknown or missing:
        text = f"unknown fields {unknown}, missing fields {missing}"
        raise ArtefactError(text, where=where)
    values = {
        name: _from_json(value, str(declared[name].type), arrays, f"{where}, field {name}")
        for name, value in fields.items()
    }
    return kind(**values)


def _from_json(value: Any, annotation: str, arrays: Mapping[str, ConstTensor], where: str) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            if value["array"] not in arrays:
                raise ArtefactError("names an array that is not there", where=where)
            return arrays[value["array"]]
        kind = _VALUES.get(str(value.get("type")))
        if kind is None:
            raise ArtefactError("unknown value type", where=where)
        inner = {key: item for key, item in value.items() if key != "type"}
        return _from_fields(kind, inner, arrays, where)
    if isinstance(value, list):
        return tuple(_from_json(item, "", arrays, where) for item in value)
    if annotation == "float" and value in _INFINITIES:
        return _INFINITIES[value]
    expected = _SCALARS.get(annotation)
    if expected is not None and type(value) not in expected:
        raise ArtefactError(f"is {value!r}, not of type {annotation}", where=where)
    return float(value) if annotation == "float" else value


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over named files, hexadecimal; the order of the mapping does not matter."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode())
        total.update(files[name])
    return total.hexdigest()
