"""One call of an ATen operation, as the importers see it: nothing of torch's graph classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.views import View, whole
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.types import Shape

FOLD = "fold constants into the weights and the bias of the layer before, or its batch norm"


class Kind(Enum):
    """What a tensor argument is."""

    ACTIVATION = "activation"  # computed from the network's input
    PARAMETER = "parameter"  # an entry of the state_dict; `name` is its key
    TRANSPOSED = "transposed parameter"  # a matrix of the state_dict, its dimensions swapped
    OTHER = "other"  # anything else: a constant, a computed weight


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor argument.

    Attributes:
        name: of a parameter its key, of an activation the operation that makes it.
        shape: its whole shape, an activation's with the batch.
        kind: what it is.
        view: of an activation, where its elements are.
        forbidden: why nothing may read it, "" if it may be read.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    view: View | None = None
    forbidden: str = ""


@dataclass(frozen=True, slots=True)
class Operand:
    """An activation that has been laid out: the float operation that makes it, and its shape."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Made:
    """What an importer made besides, or instead of, one plain result.

    Attributes:
        views: one for each result of the call.
        ops: new operations, which the views may have as base.
        note: what the user should know, "" for nothing.
        ends: why nothing may follow, "" if it may.
    """

    views: tuple[View, ...]
    ops: tuple[FloatOp, ...] = ()
    note: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a call may ask of the network around it.

    Attributes:
        lay_out: makes a view a tensor of a float operation, which it returns; raises
            ModelImportError with the text that it is given as remedy.
        maker: the operation of a name.
        integers: values of a constant integer tensor, by its name; None if not known.
    """

    lay_out: Callable[[Call, View], Operand]
    maker: Callable[[str], FloatOp | None]
    integers: Callable[[str], tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an ATen operation.

    Attributes:
        op: name with overload, e.g. "aten.conv2d.default".
        name: unique name of the result.
        module: path of the torch module that made the call, "" for the network itself.
        owned: whether this call is all that its module computes.
        arguments: by the schema's names, defaults filled in; tensors are `Value`s.
        shapes: of all results, with the batch.
        same_type: whether the result is of the number type of the first tensor argument.
        around: the network around it.
    """

    op: str
    name: str
    module: str
    owned: bool
    arguments: Mapping[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    same_type: bool
    around: Surroundings = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the only, or the first, result with the batch."""
        return self.shapes[0]

    def view(self, argument: str) -> View:
        """Return where the elements of a tensor argument are; raise if it is no activation."""
        return self.view_of(self.arguments[argument], argument)

    def view_of(self, value: Any, argument: str) -> View:
        """Return where the elements of `value`, of that argument, are; else raise."""
        if isinstance(value, Value) and value.forbidden:
            raise self.refuse(f"reads {value.forbidden}", "leave it out")
        if not isinstance(value, Value) or value.kind is not Kind.ACTIVATION or value.view is None:
            raise self.refuse(
                f"its argument {argument!r} is not a tensor that the network computes", FOLD
            )
        return value.view

    def activation(self, argument: str) -> Operand:
        """Return a tensor argument that the network computes, laid out; else raise."""
        return self.laid_out(self.view(argument))

    def laid_out(self, view: View) -> Operand:
        """Return a view as the result of a float operation; raise if there is none."""
        return self.around.lay_out(self, view)

    def result(self, op: FloatOp, shape: tuple[int, ...] | None = None) -> View:
        """Return the result of a new operation, as a tensor of `shape` or the call's."""
        shape = self.shape if shape is None else shape
        return whole(op.name, op.shape, shape[0], shape)

    def linked(self, view: View, number: int = 0) -> View:
        """Return a view that this call made, with the call at the end of its chain."""
        chain = (*view.chain, self.op)
        name = self.name if number == 0 else f"{self.name}_{number}"
        return replace(view, chain=chain, name=name, module=self.module)

    def parameter(self, argument: str, kind: Kind = Kind.PARAMETER) -> str:
        """Return the state_dict key of a parameter argument, "" for None; else raise."""
        value = self.arguments[argument]
        if value is None:
            return ""
        if not isinstance(value, Value) or value.kind is not kind:
            raise self.refuse(
                f"its {argument} is computed or is not in the state_dict",
                "make it a plain parameter or buffer: torch.nn.utils.parametrize."
                "remove_parametrizations(...) or register_buffer(...)",
            )
        return value.name

    def refuse(self, what: str, fix: str) -> ModelImportError:
        """Return the error: this call cannot be imported."""
        where = f"module {self.module!r}" if self.module else "the network's forward"
        return ModelImportError(f"{self.op}: {what}", where=where, fix=fix)

    def base(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return the fields of the resulting operation but for its inputs."""
        if shape is None:
            tensor = self.shape
            shape = (tensor[1], 1, tensor[2]) if len(tensor) == 3 else tensor[1:]
        return {"name": self.name, "shape": shape, "module": self.module}


Importer = Callable[[Call], tuple[FloatOp, ...] | Made]
"""Returns the operations that compute a call, the last being the result; or a `Made`."""
