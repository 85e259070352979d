"""Small float networks built by hand, with quantization parameters, for tests without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
)
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Shape, Window
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import QuantPoint, place_quantizers
from rmsmp_hls.quant.rows import assign_formats, row_scales_mse, weight_error

RATIO = (65.0, 30.0, 5.0)


class NetworkBuilder:
    """Adds operations one by one; `tail` is the last tensor."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.constants: dict[str, ConstTensor] = {}
        self.ops: list[FloatOp] = [Input(name="x", inputs=(), shape=shape)]

    @property
    def tail(self) -> str:
        return self.ops[-1].name

    def shape(self, name: str) -> Shape:
        return next(op.shape for op in self.ops if op.name == name)

    def _add(self, op: FloatOp) -> str:
        self.ops.append(op)
        return op.name

    def _constant(self, key: str, array: np.ndarray) -> str:
        self.constants[key] = ConstTensor(array.astype(np.float32))
        return key

    def conv(self, out: int, window: Window, source: str = "", bias: bool = True) -> str:
        source, name = source or self.tail, f"conv{len(self.ops)}"
        channels, height, width = self.shape(source)
        weight = self.rng.normal(size=(out, channels, *window.kernel))
        return self._add(
            Conv2d(
                name=name,
                inputs=(source,),
                shape=(out, *window.output_size(height, width)),
                window=window,
                module=name,
                weight=self._constant(f"{name}.weight", weight),
                bias=self._constant(f"{name}.bias", self.rng.normal(size=out)) if bias else "",
            )
        )

    def batchnorm(self) -> str:
        source, name = self.tail, f"bn{len(self.ops)}"
        channels = self.shape(source)[0]
        draw = {
            "weight": self.rng.uniform(-1.5, 1.5, channels),
            "bias": self.rng.normal(size=channels),
            "running_mean": self.rng.normal(size=channels),
            "running_var": self.rng.uniform(0.5, 4, channels),
        }
        keys = {field: self._constant(f"{name}.{field}", value) for field, value in draw.items()}
        return self._add(
            BatchNorm(name=name, inputs=(source,), shape=self.shape(source), eps=1e-5, **keys)
        )

    def clamp(self, low: float = 0.0, high: float = np.inf) -> str:
        name, source = f"relu{len(self.ops)}", self.tail
        return self._add(
            Clamp(name=name, inputs=(source,), shape=self.shape(source), low=low, high=high)
        )

    def pool(self, kind: type[MaxPool2d] | type[AvgPool2d], window: Window) -> str:
        source, name = self.tail, f"pool{len(self.ops)}"
        channels, height, width = self.shape(source)
        shape = (channels, *window.output_size(height, width))
        return self._add(kind(name=name, inputs=(source,), shape=shape, window=window))

    def add(self, a: str, b: str) -> str:
        return self._add(Add(name=f"add{len(self.ops)}", inputs=(a, b), shape=self.shape(a)))

    def flatten(self) -> str:
        source = self.tail
        shape = (int(np.prod(self.shape(source))),)
        return self._add(Flatten(name=f"flat{len(self.ops)}", inputs=(source,), shape=shape))

    def linear(self, out: int) -> str:
        source, name = self.tail, f"fc{len(self.ops)}"
        weight = self.rng.normal(size=(out, self.shape(source)[0]))
        return self._add(
            Linear(
                name=name,
                inputs=(source,),
                shape=(out,),
                module=name,
                weight=self._constant(f"{name}.weight", weight),
                bias=self._constant(f"{name}.bias", self.rng.normal(size=out)),
            )
        )

    def graph(self) -> FloatGraph:
        return Graph(Level.FLOAT, tuple(self.ops), self.tail, self.constants)


def residual_network(seed: int = 0) -> FloatGraph:
    """Every operation once: conv, batch norm, ReLU, pools, residual add, linear."""
    net = NetworkBuilder((3, 9, 7), seed)
    net.conv(10, Window(kernel=(3, 3), padding=(1, 1, 1, 1)), bias=False)
    net.batchnorm()
    trunk = net.clamp()
    net.conv(10, Window(kernel=(3, 3), padding=(1, 1, 1, 1)), bias=False)
    net.batchnorm()
    net.clamp()
    branch = net.conv(10, Window(kernel=(1, 1)))
    net.add(trunk, branch)
    net.clamp()
    net.pool(MaxPool2d, Window(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)))
    net.conv(12, Window(kernel=(3, 2), stride=(2, 1), padding=(1, 0, 0, 1)))
    net.clamp(0.0, 6.0)
    _, height, width = net.shape(net.tail)
    net.pool(AvgPool2d, Window(kernel=(height, width)))
    net.flatten()
    net.linear(5)
    return net.graph()


def params_for(
    graph: FloatGraph,
    shift_add: str = "SP2-4",
    ratio: tuple[float, float, float] = RATIO,
    scales: Sequence[float] = (0.25, 0.5, 1.0),
    input_signed: bool = True,
) -> QuantParams:
    """Return plausible parameters: MSE row scales, activation scales drawn in turn."""
    plan = place_quantizers(graph)
    activations = {}
    for number, place in enumerate([*plan.points, *plan.narrows]):
        name = place.tensor if isinstance(place, QuantPoint) else place.name
        signed = input_signed if name == graph.input.name else place.signed
        scale = scales[number % len(scales)] * (0.1 if place.bits > 4 else 1.0)
        activations[name] = ActFormat(place.bits, signed, scale)
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        weight = np.asarray(graph.constants[op.weight].array, dtype=np.float64)
        flat = weight.reshape(len(weight), -1)
        formats = assign_formats(weight_error(flat), flat.var(axis=1), ratio, shift_add)
        fitted = [row_scales_mse(flat[i : i + 1], codebook(f))[0] for i, f in enumerate(formats)]
        rows[op.name] = RowParams(formats, ConstTensor(np.array(fitted)))
    return QuantParams(activations, rows, ratio, shift_add)
