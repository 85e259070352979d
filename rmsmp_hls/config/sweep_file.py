"""The file of `rmsmp-hls explore --sweep`: models x boards x clocks.

models: [resnet18.pt, resnet50.pt]
boards: [zcu102, pynq-z2]
clocks: [100, 200]        # MHz; left out: each board's own
ratios: [65:30:5]         # left out: the checkpoints' own rows
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmsmp_hls.config.file import compose, placed
from rmsmp_hls.config.values import Ratio, did_you_mean, parse_ratio, parse_real
from rmsmp_hls.errors import ConfigError

_KEYS = ("models", "boards", "clocks", "ratios")


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What a sweep is over; every combination of the first three is a point.

    Attributes:
        models: files, relative to the sweep's file until loaded.
        boards: names or files.
        clocks: MHz; (None,): each board's own.
        ratios: searched in each point; (): the models' own.
    """

    models: tuple[Path, ...]
    boards: tuple[str, ...]
    clocks: tuple[float | None, ...] = (None,)
    ratios: tuple[Ratio, ...] = ()


def load_sweep(path: Path) -> SweepOptions:
    """Read a sweep's file; the models' and board files' paths are relative to its folder.

    Raises:
        ConfigError: all that is wrong with it, with lines.
    """
    import yaml

    root = compose(path)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError("not a list of `key: value` lines", where=str(path))
    values: dict[str, Any] = {}
    findings: list[ConfigError] = []
    for key_node, node in root.value:
        key, where = str(key_node.value), f"{path}:{key_node.start_mark.line + 1}"
        try:
            if key not in _KEYS:
                raise ConfigError(f"unknown key {key[:60]!r}", fix=did_you_mean(key, _KEYS))
            if key in values:
                raise ConfigError(f"{key} is given twice", fix="keep one of the lines")
            values[key] = tuple(_read(key, text, path.parent) for text in _texts(node))
        except ConfigError as error:
            findings.append(placed(error, where))
    for key in ("models", "boards"):
        if not values.get(key) and not findings:
            findings.append(ConfigError(f"{key} is missing or empty", where=str(path)))
    if findings:
        raise ConfigError.gather(findings)
    return SweepOptions(**values)


def _texts(node: Any) -> list[str]:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return [str(node.value)]
    if isinstance(node, yaml.SequenceNode) and all(
        isinstance(item, yaml.ScalarNode) for item in node.value
    ):
        return [str(item.value) for item in node.value]
    raise ConfigError("a value or a list of values is expected")


def _read(key: str, text: str, folder: Path) -> Any:
    if not text.strip():
        raise ConfigError("the value is empty", where=key)
    if key == "models":
        return folder / text
    if key == "boards":
        return str(folder / text) if text.endswith((".yaml", ".yml")) else text
    return parse_real(text, key) if key == "clocks" else parse_ratio(text)
