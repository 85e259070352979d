"""Read `train.yaml`: sections of known keys, each value checked, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from rmsmp_hls.config.file import compose, placed
from rmsmp_hls.config.training import DEFAULT_OUT, TrainConfig, outside
from rmsmp_hls.config.values import did_you_mean
from rmsmp_hls.errors import ConfigError


def load_train_config(path: Path, out: Path | None = None) -> TrainConfig:
    """Return the settings of a training; paths in the file are relative to its own folder.

    Args:
        path: a YAML file, see docs/cli.md.
        out: replaces the file's `out`.

    Raises:
        ConfigError: missing, not YAML, unknown or doubled keys, values that cannot be meant;
            everything found is listed, with its line.
    """
    root = compose(path)
    findings: list[ConfigError] = []
    config = _section(root, TrainConfig, path, "", findings)
    if findings:
        raise ConfigError.gather(findings)
    config["out"] = out or config.get("out", path.parent / DEFAULT_OUT)
    try:
        return TrainConfig(**config)
    except ConfigError as error:
        found = [ConfigError(f"{e.where}: {e.what}", where=str(path), fix=e.fix)
                 for e in error.findings]  # fmt: skip
        raise ConfigError.gather(found) from None


def _section(
    node: Any, kind: type, path: Path, place: str, findings: list[ConfigError]
) -> dict[str, Any]:
    """Return field -> value of one section; problems go to `findings`."""
    settings: dict[str, Field[Any]] = {setting.name: setting for setting in fields(kind)}
    values: dict[str, Any] = {}

    def read(key: str, item: Any) -> None:
        if key not in settings:
            raise ConfigError(f"unknown key {key[:60]!r}", fix=did_you_mean(key, settings))
        setting = settings[key]
        factory = setting.default_factory
        default = factory() if callable(factory) else None
        if is_dataclass(default) and not isinstance(default, type):
            inner = _section(item, type(default), path, f"{place}{key}.", findings)
            values[key] = replace(default, **inner)
        elif "mapping" in setting.metadata:
            values[key] = _mapping(item, path, f"{place}{key}.", findings)
        else:
            values[key] = _value(setting, item, path)

    for entry in _entries(node, path, place, findings):
        entry(read)
    return values


def _entries(
    node: Any, path: Path, place: str, findings: list[ConfigError]
) -> Iterator[Callable[[Callable[[str, Any], None]], None]]:
    """Yield, per key, what calls a reader with (key, node) and files its problem by its line."""
    import yaml

    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return
    if not isinstance(node, yaml.MappingNode):
        where = f"{path}:{node.start_mark.line + 1}"
        what = f"{place.rstrip('.')}: write one `key: value` line per setting".lstrip(": ")
        findings.append(ConfigError(what, where=where))
        return
    seen: set[str] = set()
    for key_node, item in node.value:
        key = str(key_node.value)
        where = f"{path}:{key_node.start_mark.line + 1}"

        def entry(
            read: Callable[[str, Any], None], key: str = key, item: Any = item, where: str = where
        ) -> None:
            try:
                if key in seen:
                    raise ConfigError("given twice", where=f"{place}{key}", fix="keep one")
                seen.add(key)
                read(key, item)
            except ConfigError as error:
                named = ConfigError(error.what, where=f"{place}{key}", fix=error.fix)
                findings.append(placed(named, where))

        yield entry


def _value(setting: Field[Any], node: Any, path: Path) -> Any:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError("one value is expected, not a list")
    value = setting.metadata["parse"](str(node.value), setting.name)
    error = outside(setting, value)
    if error is not None:
        raise error
    return path.parent / value if setting.metadata["path"] else value


def _mapping(node: Any, path: Path, place: str, findings: list[ConfigError]) -> dict[str, str]:
    values: dict[str, str] = {}

    def read(key: str, item: Any) -> None:
        if not isinstance(item.value, str):
            raise ConfigError("one value is expected, not a list")
        values[key] = item.value

    for entry in _entries(node, path, place, findings):
        entry(read)
    return values
