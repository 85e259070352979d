"""A look at the bytes of a file before protobuf reads them: is it ONNX, and of sane size?

Protobuf turns two bytes of an empty message into an object of about a hundred; so messages
are counted, and their depth bounded, before anything is made of them.

Source: protobuf encoding guide; onnx/onnx.proto for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rmsmp_hls.errors import ModelImportError

_MOST_FIELDS = 4_000_000
_DEEPEST = 16
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH_FIELD = 7
_HIGHEST_IR_VERSION = 100
# message -> field -> message inside; what is not named here is a leaf
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 20: "training", 25: "function"},
    "graph": {
        1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 14: "entry", 15: "sparse",
        16: "entry",
    },
    "node": {5: "attribute", 9: "entry"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "tensor": {13: "entry", 16: "entry"},
    "value": {2: "type", 4: "entry"},
    "type": {1: "tensor type"},
    "tensor type": {2: "shape"},
    "shape": {1: "dimension"},
    "function": {7: "node", 11: "attribute", 9: "opset", 12: "value", 14: "entry"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
}  # fmt: skip


def is_onnx_file(path: str | Path) -> bool:
    """Whether the file begins as an ONNX model does, whatever its name; damaged ones too."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head, size = file.read(1 << 16), path.stat().st_size
    except (OSError, ValueError):
        return False
    version = head[1] if len(head) > 1 else 0
    if head[:1] == b"\x08" and 0 < version <= _HIGHEST_IR_VERSION:
        return _known_start(head, size, 2)
    return path.suffix.lower() == ".onnx" or (bool(head) and _known_start(head, size, 0))


def _known_start(head: bytes, size: int, least: int) -> bool:
    """Whether the fields at the start are those of a model; `least` fields, or the graph."""
    seen = 0
    position = 0
    while position < len(head):
        try:
            tag, position = _varint(head, position)
            number, kind = tag >> 3, tag & 7
            if _MODEL.get(number) != kind:
                return False
            if number == _GRAPH_FIELD:
                return True
            length, position = _varint(head, position)
        except ValueError:
            break
        seen += 1
        position += length if kind == 2 else 0
    return seen >= least > 0


def check_wire(content: bytes, where: str) -> None:
    """Refuse bytes that are no protobuf messages, nest too deep, or hold too many of them.

    Raises:
        ModelImportError: says which.
    """
    count = 0
    stack = [("model", 0, len(content), 0)]
    try:
        while stack:
            message, start, end, depth = stack.pop()
            if depth > _DEEPEST:
                raise ModelImportError(
                    f"holds graphs inside of graphs, {depth} messages deep",
                    where=where,
                    fix="export a network without control flow",
                )
            inside = _INSIDE.get(message, {})
            for number, first, last in _fields(content, start, end):
                count += 1
                if count > _MOST_FIELDS:
                    raise ModelImportError(
                        f"holds more than {_MOST_FIELDS} entries",
                        where=where,
                        fix="store the weights as raw_data, as exporters do",
                    )
                if number in inside and first < last:
                    stack.append((inside[number], first, last, depth + 1))
    except ValueError as error:
        raise ModelImportError(
            f"is truncated or damaged ({error})", where=where, fix="copy or export the model again"
        ) from error


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, first byte, byte behind) of each; (n, 0, 0) of plain numbers."""
    position = start
    while position < end:
        tag, position = _varint(content, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, position = _varint(content, position)
            yield number, 0, 0
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
            yield number, 0, 0
        elif kind == 2:
            length, first = _varint(content, position)
            position = first + length
            if position > end:
                raise ValueError("a field passes the end")
            yield number, first, position
        else:
            raise ValueError(f"wire type {kind}")
    if position != end:
        raise ValueError("a field passes the end")


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Return (number, position behind it)."""
    value = shift = 0
    while True:
        if position >= len(content) or shift > 63:
            raise ValueError("a number is cut off")
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
