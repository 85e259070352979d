"""An exported network in plain data: what the importers read, whoever wrote it.

`frontend.fx_program` makes it from a graph in memory, `frontend.pt2_program` from the JSON
of a saved one; `frontend.walk` turns it into a FloatGraph and knows neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class InputKind(Enum):
    """What an input of the exported graph is."""

    USER = "user"  # an argument of forward
    STATE = "state"  # an entry of the state_dict
    OTHER = "other"  # a constant, a buffer that is not saved


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is the tensor of another node, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's unique name, whole shape and number type, e.g. "torch.float32".

    What is no tensor has the shape () and the type "".
    """

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input of the exported graph: its tensor, what it is, its name in the file."""

    tensor: TensorInfo
    kind: InputKind
    key: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One call of an operation.

    Attributes:
        results: the tensors that it makes.
        op: name with overload, e.g. "aten.conv2d.default".
        call: key of the call of the module that it is part of.
        module: path of that module, "" for the network itself.
        arguments: by the schema's names and in its order, defaults filled in; tensors
            are `Ref`s.
    """

    results: tuple[TensorInfo, ...]
    op: str
    call: str
    module: str
    arguments: Mapping[str, Any]

    @property
    def result(self) -> TensorInfo:
        """The only tensor that it makes; one without shape and type if there are several."""
        return self.results[0] if len(self.results) == 1 else TensorInfo("")

    @property
    def overwrites(self) -> bool:
        """Whether the node overwrites its first argument, as `relu_` does."""
        parts = self.op.split(".")
        return len(parts) > 1 and parts[1].endswith("_") and not parts[1].endswith("__")

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the tensors that it reads, in order."""
        return tuple(a.name for a in tensors_of(self.arguments) if isinstance(a, Ref))


@dataclass(frozen=True, slots=True)
class Program:
    """A whole exported network.

    Attributes:
        inputs: of the graph, in order.
        nodes: calls that compute tensors, in the order in which they run.
        outputs: names of the network's results, "" for one that is no tensor.
        modules: paths of all modules, "" included.
        batch: size of the batch in all shapes.
    """

    inputs: tuple[GraphInput, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    modules: frozenset[str]
    batch: int

    @property
    def leaves(self) -> frozenset[str]:
        """Paths of the modules that have no module inside."""
        inner = {path.rpartition(".")[0] for path in self.modules if path}
        return self.modules - inner


def tensors_of(arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the arguments, those in lists too."""
    for value in arguments.values():
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def with_defaults(
    schema: torch.FunctionSchema, given: Mapping[str, Any], positional: tuple[Any, ...] = ()
) -> dict[str, Any]:
    """Return the arguments of an operation by name, in the schema's order, all of them."""
    found: dict[str, Any] = {}
    for position, argument in enumerate(schema.arguments):
        if position < len(positional):
            found[argument.name] = positional[position]
        elif argument.name in given:
            found[argument.name] = given[argument.name]
        else:
            default = argument.default_value if argument.has_default_value() else None
            found[argument.name] = default
    return found


def integers_of(tensor: object) -> tuple[int, ...] | None:
    """Return the values of a vector of integers, None for anything else."""
    if not isinstance(tensor, torch.Tensor) or tensor.dtype not in INTEGERS or tensor.dim() != 1:
        return None
    return tuple(int(value) for value in tensor.tolist())
