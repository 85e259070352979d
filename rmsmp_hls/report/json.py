"""The report as JSON, schema `rmsmp-hls/report` version 4: named fields, None as null."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from typing import Any

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.report.model import Report

SCHEMA = "rmsmp-hls/report"
VERSION = 4


def to_json(report: Report) -> str:
    """Return the report as JSON text, ending in a line break.

    Raises:
        ValueError: a figure is NaN or infinite; a figure nobody has must be None.
    """
    document = {"schema": SCHEMA, "schema_version": VERSION, **_encode(report)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def from_json(text: str, where: str = "report.json") -> Report:
    """Return the report that `to_json` wrote.

    Args:
        text: the JSON text.
        where: file name for the messages.

    Raises:
        ArtefactError: not JSON, another schema, another version, or fields that are unknown,
            missing or of the wrong type.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _damaged("not JSON", where) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise ArtefactError(
            f"not a report: schema is {str(found)[:60]!r}, expected {SCHEMA!r}", where=where
        )
    version = document.get("schema_version")
    if version != VERSION:
        raise ArtefactError(
            f"report version {str(version)[:20]!r} is not known; this program reads {VERSION}",
            where=where,
            fix="read it with the rmsmp-hls that wrote it, or build again",
        )
    body = {k: v for k, v in document.items() if k not in ("schema", "schema_version")}
    report = _decode(Report, body, "report", where)
    assert isinstance(report, Report)
    return report


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a figure")


def _damaged(what: str, where: str) -> ArtefactError:
    return ArtefactError(what, where=where, fix="build again to write a new report")


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _decode(kind: Any, value: Any, path: str, where: str) -> Any:
    """Return `value` as type `kind`; `path` is the field's place in the report."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        choices = [choice for choice in arguments if choice is not type(None)]
        if len(choices) == 1:
            return _decode(choices[0], value, path, where)
        if any(_is_scalar(choice, value) for choice in choices):
            return value
    elif origin is tuple and isinstance(value, list):
        return _decode_tuple(arguments, value, path, where)
    elif dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _decode_dataclass(kind, value, path, where)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        for member in kind:
            if member.value == value:
                return member
    elif _is_scalar(kind, value):
        return value
    raise _damaged(f"{path} is {str(value)[:40]!r}, which it cannot be", where)


def _is_scalar(kind: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    return kind in (str, int) and isinstance(value, kind)


def _decode_tuple(arguments: tuple[Any, ...], items: list[Any], path: str, where: str) -> Any:
    if arguments[-1] is Ellipsis:
        kinds = [arguments[0]] * len(items)
    elif len(arguments) == len(items):
        kinds = list(arguments)
    else:
        raise _damaged(f"{path} has {len(items)} entries, expected {len(arguments)}", where)
    return tuple(
        _decode(kind, item, f"{path}[{index}]", where)
        for index, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _decode_dataclass(kind: Any, value: dict[str, Any], path: str, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown, missing = sorted(value.keys() - hints.keys()), sorted(hints.keys() - value.keys())
    if unknown or missing:
        text = "; ".join(
            f"{label} {', '.join(names)[:80]}"
            for label, names in (("unknown", unknown), ("missing", missing))
            if names
        )
        raise _damaged(f"{path}: fields {text}", where)
    return kind(
        **{
            name: _decode(hint, value[name], f"{path}.{name}", where)
            for name, hint in hints.items()
        }
    )
