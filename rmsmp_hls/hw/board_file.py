"""Read and check one board file: every fault is found before one error is raised."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from rmsmp_hls.errors import ConfigError

PART_RULE = (
    "a part is 4 to 40 letters, digits, '.' and '-', starting with a letter, "
    "such as xczu9eg-ffvb1156-2-e"
)
_PART = re.compile(r"[A-Za-z][A-Za-z0-9.-]{3,39}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_MAX_BYTES = 65536
_FAMILIES = ("7series", "ultrascale+")
_DSP_FAMILIES = ("DSP48E1", "DSP48E2")


def is_part(text: str) -> bool:
    """Return whether `text` has the form of a part string (nothing a tool could misread)."""
    return _PART.fullmatch(text) is not None


def _text(rule: Callable[[str], bool], words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        return "" if isinstance(value, str) and rule(value) else f"must be {words}"

    return check


def _whole(low: int) -> Callable[[object], str]:
    def check(value: object) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value < 10**9
        return "" if fits else f"must be a whole number, at least {low}"

    return check


def _positive(value: object) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "must be a positive number"
    return "" if math.isfinite(value) and 0 < value < 1e6 else "must be a positive number"


def _share(value: object) -> str:
    fits = not _positive(value) and isinstance(value, int | float) and value <= 1
    return "" if fits else "must be above 0 and at most 1"


def _one_of(words: tuple[object, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        known = any(value == word and type(value) is type(word) for word in words)
        return "" if known else f"must be one of {', '.join(map(str, words))}"

    return check


def _sources(value: object) -> str:
    texts = isinstance(value, dict) and all(
        isinstance(item, str) for pair in value.items() for item in pair
    )
    return "" if texts else "must be a mapping from a key of this file to a text"


_CHECKS: dict[str, Callable[[object], str]] = {
    "name": _text(
        lambda t: _NAME.fullmatch(t) is not None,
        "a name: up to 40 letters, digits, '_', '.' and '-', starting with a letter",
    ),
    "title": _text(lambda t: t.isprintable() and 0 < len(t) <= 100, "one line of text"),
    "part": _text(is_part, PART_RULE.removeprefix("a part is ")),
    "device": _text(is_part, "the part without package and speed grade"),
    "family": _one_of(_FAMILIES),
    "dsp_family": _one_of(_DSP_FAMILIES),
    "lut": _whole(1),
    "ff": _whole(1),
    "dsp": _whole(0),
    "bram36": _whole(0),
    "uram": _whole(0),
    "slicem_lut": _whole(0),
    "clock_mhz": _positive,
    "memory_ports": _whole(1),
    "memory_port_bits": _one_of((32, 64, 128, 256, 512)),
    "ddr_gb_per_s": _positive,
    "ddr_efficiency": _share,
    "memory_latency_ns": _positive,
    "max_burst_bytes": _one_of((64, 128, 256, 512, 1024, 2048, 4096)),
    "sources": _sources,
}
_OPTIONAL = (
    "title", "device", "slicem_lut", "ddr_efficiency", "memory_latency_ns", "max_burst_bytes",
    "sources",
)  # fmt: skip


def _load(path: Path) -> object:
    """Return the parsed file; ConfigError if it cannot be read or is not YAML."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(
                f"larger than {_MAX_BYTES} bytes", where=str(path), fix="is it a board file?"
            )
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the board file: {error.strerror}",
            where=str(path),
            fix="give the path of a readable YAML file, or a board's name",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        first = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"not a YAML file of plain values: {first}",
            where=str(path),
            fix="write `key: value` lines; see `rmsmp-hls boards`",
        ) from error


def _unknown(key: object, where: str) -> ConfigError:
    near = difflib.get_close_matches(str(key), list(_CHECKS), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ConfigError(
        f"unknown key {str(key)[:60]!r}", where=where, fix=f"{hint}known: {', '.join(_CHECKS)}"
    )


def read_board_fields(path: Path) -> dict[str, object]:
    """Return the checked fields of a board file, optional ones filled in.

    Raises:
        ConfigError: unreadable, not safe YAML, or wrong; lists every fault.
    """
    where = str(path)
    data = _load(path)
    if not isinstance(data, dict):
        raise ConfigError(
            "a board file is a mapping of keys to values", where=where, fix="see `name: ...`"
        )
    findings = [_unknown(key, where) for key in data if key not in _CHECKS]
    for key, check in _CHECKS.items():
        if key not in data:
            if key not in _OPTIONAL:
                findings.append(
                    ConfigError(f"key {key!r} is missing", where=where, fix=f"add `{key}: ...`")
                )
        elif problem := check(data[key]):
            shown = repr(data[key])[:60]
            findings.append(ConfigError(f"{key} {problem}, not {shown}", where=where))
    sources = data.get("sources", {})
    if not findings:
        findings += [_unknown(key, f"{where}: sources") for key in sources if key not in _CHECKS]
    if findings:
        raise ConfigError.gather(findings)
    fields = {key: data[key] for key in _CHECKS if key in data}
    part = str(fields["part"])
    fields.setdefault("title", fields["name"])
    fields["device"] = str(fields.get("device", part.split("-", maxsplit=1)[0])).lower()
    fields["clock_mhz"] = float(fields["clock_mhz"])
    for key in ("ddr_gb_per_s", "ddr_efficiency", "memory_latency_ns"):
        if key in fields:
            fields[key] = float(fields[key])
    fields["sources"] = tuple(sorted(sources.items()))
    return fields
