"""The options of a build as words of its command line, to be given again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from rmsmp_hls.config.options import BuildOptions


def option_words(options: BuildOptions, names: Iterable[str]) -> dict[str, list[str]]:
    """Return name -> words of the command line, of those fields that have no default value.

    Numbers are written so that they are read back exactly; of the model, images and data only the
    file's name is kept.
    """
    defaults = {field.name: field.default for field in fields(BuildOptions)}
    values = {name: getattr(options, name) for name in names}
    return {
        name: _words(name, value)
        for name, value in values.items()
        if value is not None and value != defaults[name]
    }


def _words(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else f"--no-{name.replace('_', '-')}"]
    if name == "storages":
        return [word for storage in value for word in ("--storage", storage)]
    if name == "array":
        return [word for key, number in value.items() for word in (flag, f"{key}={number}")]
    if isinstance(value, tuple):
        return [flag + "=" + (":" if name == "ratio" else ",").join(map(_text, value))]
    return [flag, _text(value)]


def _text(value: Any) -> str:
    if isinstance(value, Path):
        return value.name.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)
