"""An immutable graph of one level: operations in topological order, and constants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar

from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.int_ops import IntOp
from rmsmp_hls.ir.quant_ops import QuantOp
from rmsmp_hls.ir.types import ConstTensor

OpT = TypeVar("OpT", FloatOp, QuantOp, IntOp)


class Level(Enum):
    """The three levels, in the order of the walk; the value is the schema's name."""

    FLOAT = "float-graph"
    QUANT = "quant-graph"
    INT = "int-graph"


@dataclass(frozen=True)
class Graph(Generic[OpT]):
    """Operations in topological order; the first is the input, `output` names the result.

    Attributes:
        level: which level the operations are of.
        ops: the operations; each name is a tensor.
        output: name of the network's result.
        constants: state_dict key -> array; only the float level uses it.
        argmax: int level: whether the accelerator also returns the top-1 index.
    """

    level: Level
    ops: tuple[OpT, ...]
    output: str
    constants: Mapping[str, ConstTensor] = field(default_factory=dict)
    argmax: bool = False

    def __post_init__(self) -> None:
        """Freeze the constants."""
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    def __iter__(self) -> Iterator[OpT]:
        return iter(self.ops)

    def op(self, name: str) -> OpT:
        """Return the operation that makes tensor `name`; KeyError if none does."""
        for op in self.ops:
            if op.name == name:
                return op
        raise KeyError(name)

    def consumers(self, name: str) -> tuple[OpT, ...]:
        """Return the operations that read tensor `name`."""
        return tuple(op for op in self.ops if name in op.inputs)

    @property
    def input(self) -> OpT:
        """The input operation."""
        return self.ops[0]

    def of_type(self, *types: type) -> Iterable[OpT]:
        """Return the operations of the given types."""
        return (op for op in self.ops if isinstance(op, types))


FloatGraph = Graph[FloatOp]
QuantGraph = Graph[QuantOp]
IntGraph = Graph[IntOp]
