"""A model file in plain data: what the importers read, without a word about protobuf."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]

QONNX_DOMAINS = frozenset(
    {"qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", "qonnx"}
)
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        op: operation type, without its domain.
        domain: "" for ONNX's own operations.
        label: the node's name for messages, printable and short.
        inputs: tensor names, "" for one left out.
        outputs: tensor names.
        attributes: name -> int, float, str, Array or list of ints or floats; graphs and
            what else there may be are given as None.
    """

    op: str
    domain: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Operation for messages, with its domain if it is a foreign one."""
        return printable(f"{self.domain}.{self.op}" if self.domain else self.op)


@dataclass(frozen=True)
class Model:
    """A whole file.

    Attributes:
        opset: version of ONNX's own operations.
        inputs: name -> (number type, shape), -1 for a size that is not fixed; initializers
            are not among them.
        outputs: names of the results.
        nodes: in the file's order.
        constants: initializer -> array.
        shapes: tensor -> shape where the file states one without open sizes.
    """

    opset: int
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]


def printable(name: str) -> str:
    """Return a name for messages: one line, no control characters, at most 80 characters."""
    text = "".join(c if c.isprintable() else "?" for c in name[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def identifier(name: str, default: str) -> str:
    """Return a name of letters, digits, "_" and ".", made of `name`: never empty."""
    text = re.sub(r"[^A-Za-z0-9_.]+", "_", name[: 4 * _LONGEST].replace("/", "."))
    text = re.sub(r"[._]*\.[._]*", ".", text).strip("._")[:_LONGEST].rstrip("._")
    return text if text and text[0].isalpha() else f"{default}_{text}".rstrip("_")
