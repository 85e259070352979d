"""Random small integer graphs of all operations, for tests of the schedule and the packer."""

from __future__ import annotations

import numpy as np

from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntOp
from rmsmp_hls.ir.types import ActFormat, Window
from tests.schedule.graphs import Builder, fmt

FORMATS = (fmt(4), fmt(4, signed=True), fmt(8, signed=True), fmt(6))
MOST_PIXELS = 64


class RandomNetwork:
    """Grows a network; every step takes an operand from all tensors made so far."""

    def __init__(self, seed: int, shift_add: str = "SP2-4") -> None:
        self.rng = np.random.default_rng(seed)
        self.shift_add = shift_add
        shape = tuple(int(n) for n in self.rng.integers((1, 1, 1), (9, 8, 9)))
        self.net = Builder(shape, self.form(), seed)

    def form(self) -> ActFormat:
        """A format, so few that concatenations find operands."""
        return FORMATS[self.rng.integers(len(FORMATS))]

    def pick(self, fits: tuple[IntOp, ...] | None = None) -> IntOp:
        """Any tensor, late ones more often."""
        ops = fits or tuple(self.net.ops)
        return ops[max(self.rng.integers(len(ops), size=2))]

    def grow(self, kind: str) -> None:
        """Add one operation of a kind; nothing where no operand suits it."""
        name = f"{kind}{len(self.net.ops)}"
        getattr(self, kind)(name, self.pick())

    def window(self, shape: tuple[int, ...]) -> Window:
        """A window that fits the image."""
        rng, (_, height, width) = self.rng, shape
        padding = tuple(int(n) for n in rng.integers(0, 3, 4))
        kernel = tuple(
            int(rng.integers(1, min(3, size + before + after) + 1))
            for size, before, after in (
                (height, padding[0], padding[2]), (width, padding[1], padding[3]),
            )
        )  # fmt: skip
        dilation = tuple(
            2 if 2 * (k - 1) < size and rng.integers(2) else 1
            for k, size in zip(kernel, (height, width), strict=True)
        )
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        return Window(kernel, stride, padding, dilation)

    def conv(self, name: str, source: IntOp) -> None:
        """A dense convolution."""
        rows = int(self.rng.integers(1, 25))
        self.net.matmul(
            name, source.name, rows, self.form(), self.window(source.shape),
            shift_add=self.shift_add,
        )  # fmt: skip

    def grouped(self, name: str, source: IntOp) -> None:
        """A convolution with groups, often depthwise."""
        depth = source.shape[0]
        divisors = [n for n in range(1, depth + 1) if depth % n == 0]
        groups = depth if self.rng.integers(2) else int(self.rng.choice(divisors))
        rows = groups * int(self.rng.integers(1, 3))
        self.net.matmul(
            name, source.name, rows, self.form(), self.window(source.shape),
            shift_add=self.shift_add, groups=groups,
        )  # fmt: skip

    def pool(self, name: str, source: IntOp) -> None:
        """A maximum whose windows all reach the image."""
        size = min(2, *source.shape[1:])
        stride = int(self.rng.integers(1, 3))
        self.net.max_pool(name, source.name, Window((size, size), (stride, stride)))

    def mean(self, name: str, source: IntOp) -> None:
        """An average, a requantization or a padding."""
        self.net.sum_pool(name, source.name, self.window(source.shape), self.form())

    def squeeze(self, name: str, source: IntOp) -> None:
        """Squeeze and excite: the mean through a layer and a table back onto the channels."""
        depth, height, width = source.shape
        self.net.sum_pool(f"{name}m", source.name, Window((height, width)), fmt(4))
        self.net.matmul(f"{name}c", f"{name}m", depth, fmt(8, True), shift_add=self.shift_add)
        self.net.table(f"{name}t", f"{name}c", self.form())
        self.net.multiply(name, source.name, f"{name}t", self.form())

    def table(self, name: str, source: IntOp) -> None:
        """A table."""
        self.net.table(name, source.name, self.form())

    def binary(self, name: str, source: IntOp) -> None:
        """A sum or a product of two tensors of one shape."""
        same = tuple(op for op in self.net.ops if op.shape == source.shape)
        add = self.net.add if self.rng.integers(2) else self.net.multiply
        add(name, source.name, self.pick(same).name, self.form())

    def concat(self, name: str, source: IntOp) -> None:
        """A concatenation of two or three tensors of one format and image."""
        same = tuple(
            op
            for op in self.net.ops
            if op.shape[1:] == source.shape[1:] and op.output == source.output
        )
        rest = [self.pick(same).name for _ in range(int(self.rng.integers(1, 3)))]
        if source.shape[0] <= 24:
            self.net.concat(name, source.name, *rest)

    def select(self, name: str, source: IntOp) -> None:
        """A slice, a shuffle, or channels taken more than once."""
        depth = source.shape[0]
        count = int(self.rng.integers(1, depth + 1))
        kind = self.rng.integers(3)
        if kind == 0:
            first = int(self.rng.integers(0, depth - count + 1))
            indices = list(range(first, first + count))
        else:
            indices = self.rng.choice(depth, count, replace=kind == 2).tolist()
        self.net.select(name, source.name, indices)

    def upsample(self, name: str, source: IntOp) -> None:
        """A nearest-neighbour upsampling."""
        factors = int(self.rng.integers(1, 4)), int(self.rng.integers(1, 3))
        if source.shape[1] * source.shape[2] * factors[0] * factors[1] <= MOST_PIXELS:
            self.net.upsample(name, source.name, factors)


KINDS = (
    "conv", "grouped", "pool", "mean", "squeeze", "table", "binary", "concat", "select", "upsample",
)  # fmt: skip


def random_graph(kinds: list[str], seed: int, shift_add: str = "SP2-4") -> IntGraph:
    """A network with operations of these kinds; the result is the last."""
    network = RandomNetwork(seed, shift_add)
    for kind in kinds:
        network.grow(kind)
    return network.net.graph()
