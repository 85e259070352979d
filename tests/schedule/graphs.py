"""Integer graphs made by hand or at random, for tests of scheduling and packing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmsmp_hls.ir.graph import Graph, IntGraph, Level
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Shape, Window
from rmsmp_hls.numerics.codebooks import codebook

EMPTY = ConstTensor(np.zeros(0))


def fmt(bits: int = 4, signed: bool = False) -> ActFormat:
    """A format of scale 1/8."""
    return ActFormat(bits, signed, 0.125)


class Builder:
    """Builds an IntGraph operation by operation with random weights; `rng` decides all."""

    def __init__(self, shape: Shape, form: ActFormat, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.ops: list[IntOp] = [IntInput(name="x", inputs=(), shape=shape, output=form)]

    def _source(self, name: str) -> IntOp:
        return next(op for op in self.ops if op.name == name)

    def _out(self, name: str, window: Window) -> tuple[int, int]:
        _, height, width = self._source(name).shape
        return window.output_size(height, width)

    def matmul(
        self,
        name: str,
        source: str,
        rows: int,
        output: ActFormat | None,
        window: Window | None = None,
        formats: tuple[str, ...] = (),
        ratio: tuple[float, float, float] = (0.65, 0.3, 0.05),
        shift_add: str = "SP2-4",
        groups: int = 1,
    ) -> Builder:
        """Add a convolution; random formats in `ratio` unless given."""
        window = window or Window()
        names = (shift_add, "Fixed-4", "Fixed-8")
        formats = formats or tuple(
            names[i] for i in self.rng.choice(3, rows, p=np.array(ratio) / sum(ratio))
        )
        read = self._source(source)
        assert read.output is not None
        shape = (rows, read.shape[0] // groups, *window.kernel)
        ints = np.zeros(shape, dtype=np.int64)
        codes = np.zeros(shape, dtype=np.uint8)
        for row, row_format in enumerate(formats):
            book = codebook(row_format)
            ints[row] = self.rng.choice(book.levels, shape[1:])
            codes[row] = book.encode(ints[row])
        high = output.high if output else (1 << 31) - 1
        low = output.low if output else -(1 << 31)
        largest = np.abs(ints).sum(axis=(1, 2, 3)) * (1 << read.output.bits) * 2 + 16
        shift = 20
        goal = (output.high if output else 100) * 4
        multiplier = np.array([min(goal * (1 << shift) // int(b), 131071) for b in largest])
        multiplier = multiplier * self.rng.choice([1, 1, 1, -1], rows)
        bias = (1 << (shift - 1)) + self.rng.integers(-(1 << 20), 3 << 20, rows)
        self.ops.append(
            IntMatmul(
                name=name, inputs=(source,), shape=(rows, *self._out(source, window)),
                output=output, codes=ConstTensor(codes), formats=formats, window=window,
                multiplier=ConstTensor(multiplier.astype(np.int64)),
                bias=ConstTensor(bias.astype(np.int64)), shift=shift, low=low, high=high,
                acc_bits=int(largest.max()).bit_length() + 2, logit_scale=EMPTY,
                logit_offset=EMPTY, groups=groups,
            )
        )  # fmt: skip
        return self

    def add(self, name: str, a: str, b: str, output: ActFormat) -> Builder:
        """Add a residual addition."""
        self.ops.append(
            IntAdd(
                name=name, inputs=(a, b), shape=self._source(a).shape, output=output,
                multipliers=(int(self.rng.integers(200, 900)), int(self.rng.integers(-900, 900))),
                bias=512, shift=10, low=output.low, high=output.high,
            )
        )  # fmt: skip
        return self

    def max_pool(self, name: str, source: str, window: Window) -> Builder:
        """Add a max pooling."""
        read = self._source(source)
        self.ops.append(
            IntMaxPool(
                name=name, inputs=(source,), shape=(read.shape[0], *self._out(source, window)),
                output=read.output, window=window,
            )
        )  # fmt: skip
        return self

    def sum_pool(self, name: str, source: str, window: Window, output: ActFormat) -> Builder:
        """Add an average pooling, or with a 1 x 1 window a requantization."""
        read = self._source(source)
        taps = window.kernel[0] * window.kernel[1]
        self.ops.append(
            IntSumPool(
                name=name, inputs=(source,), shape=(read.shape[0], *self._out(source, window)),
                output=output, window=window, multiplier=max(1, 1500 // taps), bias=2048,
                shift=12, low=output.low, high=output.high,
            )
        )  # fmt: skip
        return self

    def multiply(self, name: str, a: str, b: str, output: ActFormat) -> Builder:
        """Add a multiplication."""
        self.ops.append(
            IntMultiply(
                name=name, inputs=(a, b), shape=self._source(a).shape, output=output,
                multiplier=int(self.rng.integers(-60, 60)), bias=512, shift=10, low=output.low,
                high=output.high,
            )
        )  # fmt: skip
        return self

    def table(self, name: str, source: str, output: ActFormat) -> Builder:
        """Add a table of random entries."""
        read = self._source(source)
        assert read.output is not None
        entries = self.rng.integers(
            output.low, output.high + 1, read.output.high - read.output.low + 1
        )
        self.ops.append(
            IntTable(
                name=name, inputs=(source,), shape=read.shape, output=output,
                table=ConstTensor(entries),
            )
        )  # fmt: skip
        return self

    def concat(self, name: str, *sources: str) -> Builder:
        """Add a concatenation."""
        parts = [self._source(source) for source in sources]
        shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
        self.ops.append(IntConcat(name=name, inputs=sources, shape=shape, output=parts[0].output))
        return self

    def select(self, name: str, source: str, indices: Sequence[int]) -> Builder:
        """Add a selection of channels."""
        read = self._source(source)
        self.ops.append(
            IntSelect(
                name=name, inputs=(source,), shape=(len(indices), *read.shape[1:]),
                output=read.output, indices=tuple(indices),
            )
        )  # fmt: skip
        return self

    def upsample(self, name: str, source: str, factors: tuple[int, int]) -> Builder:
        """Add a nearest-neighbour upsampling."""
        read = self._source(source)
        depth, height, width = read.shape
        shape = (depth, height * factors[0], width * factors[1])
        self.ops.append(
            IntUpsample(
                name=name, inputs=(source,), shape=shape, output=read.output, factors=factors
            )
        )
        return self

    def graph(self, argmax: bool = False) -> IntGraph:
        """The graph, whose result is the last operation."""
        return Graph(Level.INT, tuple(self.ops), self.ops[-1].name, {}, argmax)


def window(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
    """A square window."""
    return Window((kernel, kernel), (stride, stride), (padding,) * 4, (dilation, dilation))


def small_residual(seed: int = 0, shift_add: str = "SP2-4", classes: int = 10) -> IntGraph:
    """Every kind of operation: 8-bit signed input, pools, a residual add, requantization."""
    net = Builder((3, 9, 7), fmt(8, signed=True), seed)
    kind = {"shift_add": shift_add}
    net.matmul("conv1", "x", 18, fmt(8), window(3, 1, 1), **kind)
    net.sum_pool("requant", "conv1", window(1), fmt(4))
    net.matmul("conv2", "requant", 18, fmt(4), window(3, 1, 1), **kind)
    net.matmul("conv3", "conv2", 18, fmt(5, signed=True), window(1), **kind)
    net.add("add", "conv1", "conv3", fmt(4, signed=True))
    net.max_pool("pool", "add", window(3, 2, 1))
    net.matmul("conv4", "pool", 21, fmt(4), window(3, 2, 1), **kind)
    net.sum_pool("mean", "conv4", Window((3, 2), (3, 2)), fmt(6))
    return net.matmul("fc", "mean", classes, None, window(1), **kind).graph(argmax=True)


def resnet_like(size: int, width: int, stages: int, blocks: int, classes: int) -> IntGraph:
    """A residual network of ResNet's shapes: `blocks` basic blocks in each of `stages`."""
    net = Builder((3, size, size), fmt(8, signed=True), 1)
    net.matmul("stem", "x", width, fmt(4), window(7, 2, 3))
    net.max_pool("pool", "stem", window(3, 2, 1))
    last = "pool"
    for stage in range(stages):
        rows = width << stage
        for block in range(blocks):
            name = f"s{stage}b{block}"
            stride = 2 if stage and not block else 1
            net.matmul(f"{name}c1", last, rows, fmt(4), window(3, stride, 1))
            net.matmul(f"{name}c2", f"{name}c1", rows, fmt(8, signed=True), window(3, 1, 1))
            skip = last
            if stride == 2:
                skip = f"{name}down"
                net.matmul(skip, last, rows, fmt(8, signed=True), window(1, 2))
            net.add(f"{name}add", f"{name}c2", skip, fmt(4))
            last = f"{name}add"
    left = net._source(last).shape[1]
    net.sum_pool("mean", last, window(left, left), fmt(4))
    return net.matmul("fc", "mean", classes, None).graph(argmax=True)
