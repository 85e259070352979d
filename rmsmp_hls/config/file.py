"""Read `rmsmp.yaml`: known keys only, each value checked, all problems at once.

The file is read as text nodes, not as YAML values: YAML 1.1 reads an unquoted `65:30:5` as the
base-60 number 235805 and `no` as false, and keeps the last of two equal keys silently.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rmsmp_hls.config.values import (
    ARRAY_KEYS,
    did_you_mean,
    parse_flag,
    parse_ratio,
    parse_real,
    parse_reals,
    parse_whole,
)
from rmsmp_hls.errors import ConfigError

MAX_BYTES = 1 << 20
_PATH_KEYS = ("out", "data", "calib")


def _text(text: str, where: str) -> str:
    if not text.strip():
        raise ConfigError("the value is empty", where=where)
    return text


_SCALARS: dict[str, Callable[[str, str], Any]] = {
    "board": _text,
    "part": _text,
    "out": _text,
    "ratio": lambda text, _where: parse_ratio(text),
    "codebook": _text,
    "multipliers": _text,
    "clock_mhz": parse_real,
    "data": _text,
    "images": parse_whole,
    "lut_share": parse_real,
    "dsp_share": parse_real,
    "bram_share": parse_real,
    "dump_ir": parse_flag,
    "top": _text,
    "calib": _text,
    "calib_images": parse_whole,
    "mean": parse_reals,
    "std": parse_reals,
    "activation_bits": parse_whole,
    "residual_bits": parse_whole,
    "input_bits": parse_whole,
    "first_last": _text,
    "method": _text,
    "percentile": parse_real,
    "bias_correction": parse_flag,
    "equalize": _text,
    "scale_values": _text,
}
KEYS = (*_SCALARS, "array", "storages")


def load_config(path: Path) -> dict[str, Any]:
    """Return the values of a configuration file, by name of the `BuildOptions` field.

    Paths in it (`out`, `data`, `calib`, a board file) are relative to the file's own folder.

    Args:
        path: a YAML file with one mapping.

    Raises:
        ConfigError: missing, not YAML, unknown or doubled keys, values of the wrong kind;
            everything found is listed, with its line.
    """
    import yaml

    root = compose(path)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError("not a list of `key: value` lines", where=str(path))
    values: dict[str, Any] = {}
    findings: list[ConfigError] = []
    seen: set[str] = set()
    for key_node, node in root.value:
        key = str(key_node.value)
        where = f"{path}:{key_node.start_mark.line + 1}"
        try:
            if key not in KEYS:
                raise ConfigError(f"unknown key {key[:60]!r}", fix=did_you_mean(key, KEYS))
            if key in seen:
                raise ConfigError(f"{key} is given twice", fix="keep one of the lines")
            seen.add(key)
            values[key] = _value(key, node)
        except ConfigError as error:
            findings.append(placed(error, where))
    if findings:
        raise ConfigError.gather(findings)
    for key in _PATH_KEYS:
        if key in values:
            values[key] = path.parent / values[key]
    if str(values.get("board", "")).endswith((".yaml", ".yml")):
        values["board"] = str(path.parent / values["board"])
    return values


def compose(path: Path) -> Any:
    """Return the root node of a YAML file, None if the file is empty."""
    import yaml

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError("larger than 1 MiB, not a configuration file", where=str(path))
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise ConfigError("no such file", where=str(path), fix="check --config") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigError("not a YAML text file", where=str(path)) from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"not YAML: {error.problem}", where=f"{path}{line}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", where=str(path)) from None


def _value(key: str, node: Any) -> Any:
    """Return the checked value of one node; the errors name the key only."""
    import yaml

    if key == "array":
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError("write one `field: number` line per field", where=key)
        return _array(node)
    if key == "storages" and isinstance(node, yaml.SequenceNode):
        return tuple(str(item.value) for item in node.value)
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError("one value is expected, not a list", where=key)
    if key == "storages":
        return (str(node.value),)
    return _SCALARS[key](str(node.value), key)


def _array(node: Any) -> dict[str, int]:
    values: dict[str, int] = {}
    findings: list[ConfigError] = []
    for key_node, value_node in node.value:
        key = str(key_node.value)
        try:
            if key not in ARRAY_KEYS:
                fix = did_you_mean(key, ARRAY_KEYS)
                raise ConfigError(f"unknown array field {key[:60]!r}", fix=fix)
            if key in values:
                raise ConfigError(f"array field {key} is given twice", fix="keep one")
            values[key] = parse_whole(str(value_node.value), f"array {key}")
        except ConfigError as error:
            findings.append(error)
    if findings:
        raise ConfigError.gather(findings)
    return values


def placed(error: ConfigError, where: str) -> ConfigError:
    """Return the error at a line of the file."""
    what = f"{error.where}: {error.what}" if error.where else error.what
    return ConfigError(what, where=where, fix=error.fix)
