"""The user's own assignment: layer -> formats of its rows, from a mapping or a file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rmsmp_hls.errors import ConfigError, QuantizationError, RmsmpError
from rmsmp_hls.numerics.codebooks import codebook, mix_formats
from rmsmp_hls.quant.ends import PINNED_FORMAT
from rmsmp_hls.train.model import RmsmpModel

Table = Mapping[str, Sequence[str] | str]
"""Layer name -> codebook name of every row, or one name for all of them."""

_MOST_BYTES = 1 << 24
_PINNED = "is a first or last layer, which first_last='fixed8' keeps in Fixed-8"
_UNPIN = "leave it out of the table, or prepare the network with first_last='same'"


def table_of(model: RmsmpModel) -> dict[str, tuple[str, ...]]:
    """Return layer name -> format of every row, as they are now."""
    return {op.name: model.rmsmp.row(op.name).names for op in model.layers()}


def save_table(model: RmsmpModel, path: str | Path) -> None:
    """Write the assignment as it is now; `load_table` reads it."""
    lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(f)}" for n, f in table_of(model).items())
    Path(path).write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def load_table(path: str | Path) -> dict[str, tuple[str, ...] | str]:
    """Read a table from a YAML or JSON file: one mapping of layer names to format names.

    Layer names stay text, also those that look like numbers.

    Raises:
        ConfigError: missing, not YAML or JSON, not such a mapping, or a layer named twice; all
            findings come with their lines.
    """
    import yaml

    root = _compose(Path(path))
    if not isinstance(root, yaml.MappingNode):
        fix = "write one `layer: [format of each row]` line per layer"
        raise ConfigError("not a table of layers", where=str(path), fix=fix)
    table: dict[str, tuple[str, ...] | str] = {}
    findings: list[RmsmpError] = []
    for key, node in root.value:
        where, name = f"{path}:{key.start_mark.line + 1}", str(key.value)
        listed = isinstance(node, yaml.SequenceNode)
        items = node.value if listed else [node]
        if not isinstance(key, yaml.ScalarNode) or not all(
            isinstance(item, yaml.ScalarNode) for item in items
        ):
            fix = "write `layer: format`, or `layer: [format of each row]`"
            findings.append(ConfigError("not the formats of a layer", where=where, fix=fix))
        elif name in table:
            findings.append(ConfigError(f"layer {name!r} is given twice", where=where))
        else:
            table[name] = tuple(str(item.value) for item in items) if listed else str(node.value)
    if findings:
        raise ConfigError.gather(findings)
    return table


def _compose(path: Path) -> object:
    import yaml

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError("larger than 16 MiB, not a table of formats", where=str(path))
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigError("not a YAML or JSON text file", where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise ConfigError(f"not YAML or JSON: {problem}", where=f"{path}{line}") from None


def checked_table(model: RmsmpModel, table: Table) -> dict[str, tuple[str, ...]]:
    """Return the table with one format per row, by the codebooks' own names.

    Raises:
        QuantizationError: layers, numbers of rows or formats that do not fit (all are listed).
    """
    layers, pinned = {op.name: op.shape[0] for op in model.layers()}, model.pinned()
    checked: dict[str, tuple[str, ...]] = {}
    findings: list[RmsmpError] = []
    for name, formats in table.items():
        try:
            checked[name] = _checked(name, formats, layers, model.codebook)
            if name in pinned and set(checked[name]) != {PINNED_FORMAT}:
                raise QuantizationError(_PINNED, where=f"layer {name!r}", fix=_UNPIN)
        except QuantizationError as error:
            findings.append(error)
    if findings:
        raise QuantizationError.gather(findings)
    return checked


def _checked(
    name: str, formats: Sequence[str] | str, layers: dict[str, int], shift_add: str
) -> tuple[str, ...]:
    where = f"layer {name!r}"
    if name not in layers:
        near = difflib.get_close_matches(str(name), layers, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        fix = f"{hint}layers: {', '.join(layers)}"
        raise QuantizationError("there is no such layer", where=where, fix=fix)
    if not isinstance(formats, (str, Sequence)):
        what = f"{type(formats).__name__} is no list of formats"
        raise QuantizationError(what, where=where, fix="give one format per row")
    rows = [formats] * layers[name] if isinstance(formats, str) else list(formats)
    if len(rows) != layers[name]:
        text = f"has {layers[name]} rows, the table gives {len(rows)} formats"
        raise QuantizationError(text, where=where)
    allowed = mix_formats(shift_add)
    own = {given: _own_name(given) for given in set(map(str, rows))}
    if wrong := sorted(given for given, name in own.items() if name not in allowed):
        text = f"formats {wrong} are not available"
        raise QuantizationError(text, where=where, fix=f"choose from {', '.join(allowed)}")
    return tuple(own[str(given)] for given in rows)


def _own_name(given: str) -> str:
    try:
        return codebook(given).name
    except ConfigError:
        return given
