"""Small float networks built by hand, with quantization parameters, for tests without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
    Multiply,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Shape, Window
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.quant.rows import assign_formats, row_scales_mse, weight_error

RATIO = (65.0, 30.0, 5.0)


class NetworkBuilder:
    """Adds operations one by one, by default behind the last; `tail` is the last tensor."""

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

    def conv(
        self,
        out: int,
        window: Window,
        source: str = "",
        bias: bool = True,
        groups: int = 1,
        one_dimensional: bool = False,
    ) -> str:
        source, name = source or self.tail, f"conv{len(self.ops)}"
        channels, height, width = self.shape(source)
        weight = self.rng.normal(size=(out, channels // groups, *window.kernel))
        if one_dimensional:
            weight = weight[:, :, 0]
        return self._add(
            Conv2d(
                name=name,
                inputs=(source,),
                shape=(out, *window.output_size(height, width)),
                window=window,
                module=name,
                groups=groups,
                weight=self._constant(f"{name}.weight", weight),
                bias=self._constant(f"{name}.bias", self.rng.normal(size=out)) if bias else "",
            )
        )

    def batchnorm(self, source: str = "") -> str:
        source, name = source or self.tail, f"bn{len(self.ops)}"
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

    def clamp(self, low: float = 0.0, high: float = np.inf, source: str = "") -> str:
        name, source = f"relu{len(self.ops)}", source or self.tail
        return self._add(
            Clamp(name=name, inputs=(source,), shape=self.shape(source), low=low, high=high)
        )

    def pool(
        self, kind: type[MaxPool2d] | type[AvgPool2d], window: Window, source: str = ""
    ) -> str:
        source, name = source or self.tail, f"pool{len(self.ops)}"
        channels, height, width = self.shape(source)
        shape = (channels, *window.output_size(height, width))
        return self._add(kind(name=name, inputs=(source,), shape=shape, window=window))

    def add(self, a: str, b: str) -> str:
        return self._add(Add(name=f"add{len(self.ops)}", inputs=(a, b), shape=self.shape(a)))

    def multiply(self, a: str, b: str) -> str:
        name = f"mul{len(self.ops)}"
        return self._add(Multiply(name=name, inputs=(a, b), shape=self.shape(a)))

    def activation(self, function: str, parameter: float = 0.0, source: str = "") -> str:
        source, name = source or self.tail, f"{function}{len(self.ops)}"
        shape = self.shape(source)
        return self._add(
            Activation(
                name=name, inputs=(source,), shape=shape, function=function, parameter=parameter
            )
        )

    def concat(self, *sources: str) -> str:
        shapes = [self.shape(source) for source in sources]
        shape = (sum(s[0] for s in shapes), *shapes[0][1:])
        return self._add(Concat(name=f"cat{len(self.ops)}", inputs=sources, shape=shape))

    def select(self, indices: Sequence[int], source: str = "") -> str:
        source, name = source or self.tail, f"select{len(self.ops)}"
        shape = (len(indices), *self.shape(source)[1:])
        return self._add(
            SelectChannels(name=name, inputs=(source,), shape=shape, indices=tuple(indices))
        )

    def upsample(self, down: int, across: int, source: str = "") -> str:
        source, name = source or self.tail, f"up{len(self.ops)}"
        channels, height, width = self.shape(source)
        shape = (channels, height * down, width * across)
        return self._add(Upsample(name=name, inputs=(source,), shape=shape, factors=(down, across)))

    def pad(self, padding: tuple[int, int, int, int], source: str = "") -> str:
        source, name = source or self.tail, f"pad{len(self.ops)}"
        channels, height, width = self.shape(source)
        top, left, bottom, right = padding
        shape = (channels, top + height + bottom, left + width + right)
        return self._add(Pad(name=name, inputs=(source,), shape=shape, padding=padding))

    def unflatten(self) -> str:
        name, source = f"unflat{len(self.ops)}", self.tail
        shape = (self.shape(source)[0], 1, 1)
        return self._add(Unflatten(name=name, inputs=(source,), shape=shape))

    def flatten(self, source: str = "") -> str:
        source = source or self.tail
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
    for number, quantizer in enumerate(plan.quantizers):
        signed = input_signed if quantizer.name == graph.input.name else quantizer.signed
        scale = scales[number % len(scales)] * (0.1 if quantizer.bits > 4 else 1.0)
        activations[quantizer.name] = ActFormat(quantizer.bits, signed, scale)
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        weight = np.asarray(graph.constants[op.weight].array, dtype=np.float64)
        flat = weight.reshape(len(weight), -1)
        formats = assign_formats(weight_error(flat), flat.var(axis=1), ratio, shift_add)
        fitted = [row_scales_mse(flat[i : i + 1], codebook(f))[0] for i, f in enumerate(formats)]
        rows[op.name] = RowParams(formats, ConstTensor(np.array(fitted)))
    return QuantParams(activations, rows, ratio, shift_add)
