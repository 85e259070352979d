"""Values of the command line and of `rmsmp.yaml`, from text, with plain refusals."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

from rmsmp_hls.errors import ConfigError

Ratio = tuple[float, float, float]
"""Shift-add : fixed-4 : fixed-8, as written; only their proportions matter."""

STORAGES = ("native", "ap_int")
"""Storage types of the C simulation: plain C++ integers, and the vendor's."""

SHIFT_ADD_CODEBOOKS = ("SP2-4", "PoT-4", "APoT-4", "SP2-3", "PoT-3", "PoT-2")
"""Codebooks of shift-add rows (a test holds the list equal to `numerics.codebooks`)."""

MULTIPLIERS = ("exact", "k-hot:1", "k-hot:2", "k-hot:3", "po2")
"""What requantization may multiply by (a test holds the list equal to `numerics.multipliers`)."""

SCALE_VALUES = ("free", "po2")
"""What the scale of a tensor may be: any number, or a power of two."""

ARRAY_KEYS = (
    "shift_add_lanes",
    "fixed4_lanes",
    "fixed8_lanes",
    "channels",
    "pixels",
    "banks",
    "drain_rows",
    "vector_lanes",
    "tile_groups",
    "activation_depth",
    "weight_word_bits",
    "acc_bits",
    "min_step",
    "multiplier_terms",
    "window_taps",
    "weight_ports",
)
"""Whole-number fields of `hw.array.ArrayShape` (a test holds the two lists equal)."""

_RATIO_FIX = "write shift-add:fixed-4:fixed-8, e.g. 65:30:5"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown word: the nearest known one, and all of them."""
    names = list(known)
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    hint = f"did you mean {lowered[near[0]]!r}? " if near else ""
    return f"{hint}known: {', '.join(names)}"


def parse_ratio(text: str) -> Ratio:
    """Return the three numbers of `65:30:5`, as written.

    Raises:
        ConfigError: not three numbers, a negative or endless one, or nothing but zeros.
    """
    shown = repr(text if len(text) <= 40 else text[:37] + "...")
    parts = text.split(":")
    if len(parts) != 3:
        raise ConfigError(
            f"a ratio has three numbers, {shown} has {len(parts)}", where="ratio", fix=_RATIO_FIX
        )
    try:
        first, second, third = (float(part) for part in parts)
    except ValueError:
        raise ConfigError(f"{shown} is not three numbers", where="ratio", fix=_RATIO_FIX) from None
    numbers = (first, second, third)
    if not all(math.isfinite(number) for number in numbers):
        raise ConfigError(f"{shown} holds NaN or infinity", where="ratio", fix=_RATIO_FIX)
    if min(numbers) < 0:
        raise ConfigError(f"{shown} holds a negative share", where="ratio", fix=_RATIO_FIX)
    if sum(numbers) == 0:
        raise ConfigError(f"{shown} gives no format any row", where="ratio", fix=_RATIO_FIX)
    if not math.isfinite(sum(numbers)):
        raise ConfigError(f"{shown} is too large to add up", where="ratio", fix=_RATIO_FIX)
    return numbers


def show_ratio(ratio: Ratio) -> str:
    """Return a ratio as it is written: `65:30:5`."""
    return ":".join(f"{number:g}" for number in ratio)


def parse_whole(text: str, where: str) -> int:
    """Return a whole number, ConfigError if `text` is not one."""
    try:
        return int(text.strip(), 10)
    except ValueError:
        raise ConfigError(f"{text[:40]!r} is not a whole number", where=where) from None


def parse_real(text: str, where: str) -> float:
    """Return a finite number, ConfigError if `text` is not one."""
    try:
        number = float(text.strip())
    except ValueError:
        raise ConfigError(f"{text[:40]!r} is not a number", where=where) from None
    if not math.isfinite(number):
        raise ConfigError(f"{text[:40]!r} is not a finite number", where=where)
    return number


def parse_reals(text: str, where: str) -> tuple[float, ...]:
    """Return the finite numbers of `0.485,0.456,0.406`, ConfigError if there is another thing."""
    return tuple(parse_real(part, where) for part in text.split(","))


def parse_flag(text: str, where: str) -> bool:
    """Return a yes or no, ConfigError if `text` is neither."""
    flags = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.strip().lower() not in flags:
        raise ConfigError(f"{text[:40]!r} is neither yes nor no", where=where)
    return flags[text.strip().lower()]


def parse_array_override(text: str) -> tuple[str, int]:
    """Return (field, number) of `channels=16`.

    Raises:
        ConfigError: no `=`, an unknown field (with the nearest), or not a whole number.
    """
    key, equals, number = text.partition("=")
    key = key.strip().replace("-", "_")
    if not equals:
        raise ConfigError(
            f"{text[:40]!r} has no '='", where="array", fix="write FIELD=NUMBER, e.g. channels=16"
        )
    if key not in ARRAY_KEYS:
        raise ConfigError(
            f"unknown array field {key[:40]!r}", where="array", fix=did_you_mean(key, ARRAY_KEYS)
        )
    return key, parse_whole(number, f"array {key}")
