"""One node with its operands, as an importer gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.onnx.build import Builder
from rmsmp_hls.frontend.onnx.model import Array, Node
from rmsmp_hls.frontend.onnx.values import Constant, Tensor, Value


@dataclass(frozen=True, slots=True)
class Call:
    """A node and its operands.

    Attributes:
        node: the node.
        opset: version of ONNX's own operations.
        builder: where operations are added.
        operands: a value per input, None for one left out.
        name: what the result is to be called.
        sole: whether each input is a layer's own result, which nothing else reads.
    """

    node: Node
    opset: int
    builder: Builder
    operands: tuple[Value | None, ...]
    name: str
    sole: tuple[bool, ...]

    def operand(self, position: int) -> Value | None:
        """Return an operand, None if it is left out."""
        return self.operands[position] if position < len(self.operands) else None

    def tensor(self, position: int = 0) -> Tensor:
        """Return an operand that the network computes; else raise."""
        value = self.operand(position)
        if not isinstance(value, Tensor):
            found = "a constant" if isinstance(value, Constant) else "not there"
            raise self.refuse(
                f"its input {position} is {found}, not a tensor that the network computes",
                "compute it before the export, or leave it out",
            )
        return value

    def array(self, position: int) -> Array | None:
        """Return a constant operand's array, None if it is left out; else raise."""
        value = self.operand(position)
        if value is None:
            return None
        return self.constant(position).array

    def constant(self, position: int) -> Constant:
        """Return a constant operand; else raise."""
        value = self.operand(position)
        if not isinstance(value, Constant):
            raise self.refuse(
                f"its input {position} is not a constant",
                "make it a constant: fix all sizes at export, and fold constants",
            )
        return value

    def numbers(self, position: int, attribute: str) -> list[int] | None:
        """Return integers that are an attribute in old opsets and an input in new ones."""
        given = self.attribute(attribute)
        if given is None:
            given = self.array(position)
        if given is None:
            return None
        return [int(value) for value in np.asarray(given).reshape(-1)]

    def scalar(self, position: int, what: str) -> float:
        """Return a constant operand of one element as a number; else raise."""
        array = self.constant(position).array
        if array.size != 1:
            raise self.refuse(f"has {array.size} values for its {what}", f"use one {what}")
        return float(array.reshape(-1)[0])

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.node.attributes.get(name, default)

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a string."""
        return str(self.attribute(name, default))

    @property
    def base(self) -> dict[str, Any]:
        """Fields of every operation that the node makes."""
        return {"module": self.node.label}

    def add(self, make: type[Any], *inputs: str, **fields: Any) -> str:
        """Append an operation under the node's name."""
        return self.builder.add(make, self.name, *inputs, **self.base, **fields)

    def refuse(self, what: str, fix: str) -> ModelImportError:
        """Return the error: this node cannot be imported."""
        return ModelImportError(
            f"{self.node.kind}: {what}", where=f"node {self.node.label!r}", fix=fix
        )


Importer = Callable[[Call], list[Value]]
