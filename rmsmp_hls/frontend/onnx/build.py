"""The float operations under construction: names, shapes, parameters, memory layouts."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.onnx.model import Array, identifier
from rmsmp_hls.frontend.onnx.values import Tensor, WeightCodes
from rmsmp_hls.frontend.onnx.views import View, offsets, plain, reshaped
from rmsmp_hls.frontend.views import merged
from rmsmp_hls.ir.float_ops import Flatten, FloatOp, SelectChannels, Unflatten
from rmsmp_hls.ir.types import ConstTensor, Shape

OpT = TypeVar("OpT", bound=FloatOp)
LARGEST = 1 << 31
"""Most elements of a tensor that the network computes."""
MOST_CHANNELS = 1 << 20
"""Most channels whose order is changed or of which some are selected."""
_ORDER = (
    "keep images as [N, C, H, W] (NCHW) and vectors as [N, F]; of reshapes and transposes, only "
    "those that keep the order of the elements or shuffle channels can be laid out"
)


class Builder:
    """Collects operations; `refuse` errors carry no place, the caller adds it."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.ops: dict[str, FloatOp] = {}
        self.constants: dict[str, ConstTensor] = {}
        self.codes: dict[str, WeightCodes] = {}  # parameter key -> its integers
        self.moved: dict[tuple[str, str, tuple[int, ...]], str] = {}

    def fresh(self, wanted: str, default: str) -> str:
        """Return a name that no operation has, made of `wanted`."""
        base = identifier(wanted, default)
        name, number = base, 0
        while name in self.ops:
            number += 1
            name = f"{base}_{number}"
        return name

    def add(self, make: type[OpT], name: str, *inputs: str, shape: Shape, **fields: Any) -> str:
        """Append an operation under a fresh name made of `name`, and return its name."""
        if math.prod(shape) > LARGEST or min(shape) < 1:
            raise ModelImportError(
                f"makes a tensor of the size {list(shape)}", fix="use a smaller network input"
            )
        fresh = self.fresh(name, make.__name__.lower())
        self.ops[fresh] = make(name=fresh, inputs=inputs, shape=shape, **fields)
        return fresh

    def bind(self, layer: str, field: str, array: Array, codes: WeightCodes | None = None) -> str:
        """Keep a parameter as float32 under the key `layer.field`, and return the key."""
        key = f"{layer}.{field}"
        if array.dtype not in (np.float32, np.float64):
            raise ModelImportError(
                f"its {field} is of type {array.dtype}", fix="convert the model to float32"
            )
        if array.size == 0:
            raise ModelImportError(f"its {field} is empty", fix="remove the layer")
        with np.errstate(over="ignore"):
            array = np.asarray(array, dtype=np.float32)
        bad = int(array.size - np.isfinite(array).sum())
        if bad:
            raise ModelImportError(
                f"its {field} holds {bad} values that are NaN or infinite",
                fix="load or train real weights before this step",
            )
        self.constants[key] = ConstTensor(array)
        if codes is not None:
            self.codes[key] = codes
        return key

    def shape(self, name: str) -> Shape:
        """Return the shape of an operation's tensor, without the batch."""
        return self.ops[name].shape

    def whole(self, name: str) -> Tensor:
        """Return an operation's tensor as it lies, [N, C, H, W] or [N, F]."""
        return Tensor(name, plain((self.batch, *self.shape(name))))

    def ranked(self, name: str, rank: int) -> Tensor:
        """Return an image as the file sees it: rank 4, [N, C, L] for 3, [N, F] for 2."""
        shape = self.shape(name)
        if rank == 4 or len(shape) == 1:
            return self.whole(name)
        wanted = (shape[0], shape[2]) if rank == 3 else shape[:1]
        if math.prod(wanted) != math.prod(shape):
            raise ModelImportError("makes an image of lower rank", fix=_ORDER)
        view = reshaped(plain((self.batch, *shape)), (self.batch, *wanted))
        assert view is not None
        return Tensor(name, view)

    def image(self, tensor: Tensor) -> str:
        """Return an operation that makes the tensor as (C, H, W); [N, C, L] as (C, 1, L).

        Raises:
            ModelImportError: its elements lie in an order that is none of channels.
        """
        view = self._batched(tensor)
        if len(view) not in (1, 2, 3):
            raise self.wrong_order(tensor)
        channels, rows, columns = {1: (view[0], (), ()), 2: (view[0], (), view[-1])}.get(
            len(view), view
        )
        base = self.shape(tensor.op)
        name = tensor.op
        if len(base) == 1:
            name = self._move(name, Unflatten, (*base, 1, 1))
            base = (*base, 1, 1)
        depth, height, width = base
        if len(view) == 1 and height * width > 1:
            flat = self.vector(tensor)
            return self._move(flat, Unflatten, (*self.shape(flat), 1, 1))
        kept = merged([(height, width)]), merged([(width, 1)])
        pixels = height * width
        if (rows, columns) != kept or any(stride % pixels for _, stride in channels):
            raise self.wrong_order(tensor)
        if channels == merged([(depth, pixels)]):
            return name
        if depth > MOST_CHANNELS:
            raise self.wrong_order(tensor)
        indices = tuple(int(i) for i in offsets(channels) // pixels)
        return self._move(name, SelectChannels, (len(indices), height, width), indices)

    def vector(self, tensor: Tensor) -> str:
        """Return an operation that makes the tensor as (F,).

        Raises:
            ModelImportError: as `image`.
        """
        view = self._batched(tensor)
        if len(view) != 1:
            raise self.wrong_order(tensor)
        base = self.shape(tensor.op)
        if view[0] == merged([(math.prod(base), 1)]):
            if len(base) == 1:
                return tensor.op
            return self._move(tensor.op, Flatten, (math.prod(base),))
        shape = base if len(base) == 3 else (*base, 1, 1)
        split = reshaped(tensor.view, (self.batch, *shape))
        if split is None:
            raise self.wrong_order(tensor)
        picture = self.image(Tensor(tensor.op, split))
        return self._move(picture, Flatten, (math.prod(self.shape(picture)),))

    def _move(
        self, source: str, make: type[FloatOp], shape: Shape, indices: tuple[int, ...] = ()
    ) -> str:
        """Return an operation on layout alone, the one that is there if there is one."""
        key = (source, make.__name__, indices)
        if key not in self.moved:
            fields = {"indices": indices} if indices else {}
            module = self.ops[source].module
            name = f"{source}.{make.__name__.lower()}"
            made = self.add(make, name, source, shape=shape, module=module, **fields)
            self.moved[key] = made
        return self.moved[key]

    def _batched(self, tensor: Tensor) -> View:
        """Return the view behind the batch, which must be the first dimension."""
        batch = merged([(self.batch, math.prod(self.shape(tensor.op)))])
        if not tensor.view or tensor.view[0] != batch:
            raise ModelImportError(
                f"reads a tensor of shape {list(tensor.shape)}, whose first dimension is not the "
                f"batch of {self.batch}",
                fix="keep the batch as the first dimension, e.g. x.flatten(1)",
            )
        return tensor.view[1:]

    def wrong_order(self, tensor: Tensor) -> ModelImportError:
        """Return the error: the tensor lies in an order that cannot be laid out."""
        return ModelImportError(
            f"reads a tensor of shape {list(tensor.shape)} whose elements were reordered from "
            f"{list(self.shape(tensor.op))}",
            fix=_ORDER,
        )
