"""Random networks of everything that the toolchain supports."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.case import Network, Node, Value
from tests.fuzz.choices import Choices
from tests.fuzz.layers import Shape, make_layer
from tests.fuzz.windows import channels, conv_window, divisor, image_size, pool_window

_WEIGHTS = {
    "normal": 70, "zero_rows": 8, "spread": 7, "extreme": 5, "large": 4, "small": 4, "all_zero": 2,
}  # fmt: skip
_STATISTICS = {"normal": 80, "zero_variance": 8, "zero_gain": 8, "large": 4}
_TABLES = (
    "leaky_relu",
    "hard_swish",
    "hard_sigmoid",
    "silu",
    "sigmoid",
    "tanh",
    "elu",
    "gelu",
    "mish",
)
FEATURES = frozenset(
    {
        "table", "multiply", "concat", "select", "upsample", "pad", "groups", "broadcast", "line",
        "lone_batch_norm",
    }
)  # fmt: skip
"""What of the list below is drawn: operations of one kind, or a property of them."""
_MOST_NODES = 14
_MOST_CHANNELS = 64
_LARGEST_SIZE = 26


def random_network(choices: Choices) -> Network:
    """Return a network of 1 to some 16 nodes; torch can run it."""
    kinds = {"image": 85, "vector": 10}
    if "line" in FEATURES:
        kinds["line"] = 8
    kind = choices.weighted(kinds)
    shape: Shape = (channels(choices),)
    if kind == "image":
        shape += (image_size(choices), image_size(choices))
    elif kind == "line":
        shape += (image_size(choices),)
    stem = kind == "image" and choices.chance(35)
    if stem:  # a picture: few channels, which the first layer may read folded
        shape = (choices.integer(1, 4), *shape[1:])
    growing = _Growing(choices, shape)
    if stem:
        growing.stem()
    for _ in range(choices.integer(1, 7)):
        if len(growing.nodes) < _MOST_NODES:
            growing.block()
    growing.head()
    return prune(Network(shape, tuple(growing.nodes)))


def prune(network: Network) -> Network:
    """Return the network without nodes on which its result does not depend."""
    wanted = {len(network.nodes)}
    for number in range(len(network.nodes), 0, -1):
        if number in wanted:
            wanted |= set(network.nodes[number - 1].inputs)
    kept = [number for number in range(1, len(network.nodes) + 1) if number in wanted]
    renamed = {old: new + 1 for new, old in enumerate(kept)} | {0: 0}
    nodes = [network.nodes[number - 1] for number in kept]
    return Network(
        network.shape,
        tuple(Node(n.op, tuple(renamed[i] for i in n.inputs), n.values) for n in nodes),
    )


class _Growing:
    """A network that grows; `tail` is the tensor that is built upon."""

    def __init__(self, choices: Choices, shape: Shape) -> None:
        self.choices = choices
        self.nodes: list[Node] = []
        self.shapes = [shape]
        self.tail = 0

    @property
    def shape(self) -> Shape:
        """Shape of the tail."""
        return self.shapes[self.tail]

    def add(self, op: str, *inputs: int, **values: Value) -> int:
        """Append a node that reads `inputs` (default: the tail); it becomes the tail."""
        node = Node.of(op, *(inputs or (self.tail,)), **values)
        self.shapes.append(make_layer(node, [self.shapes[i] for i in node.inputs])[1])
        self.nodes.append(node)
        self.tail = len(self.nodes)
        return self.tail

    def block(self) -> None:
        """Append one of the structures that networks are made of."""
        if self.nodes and self.choices.chance(12):  # a branch: go on from an earlier tensor
            self.tail = self.choices.integer(0, len(self.nodes))
        if len(self.shape) == 1:
            blocks: dict[Callable[[], object], int] = {self.linear: 5, self.sum: 1, self.follow: 1}
        else:
            blocks = {self.layer: 10, self.residual: 5, self.pool: 4, self.sum: 2, self.follow: 2}
            for feature, maker, weight in self._more():
                if feature in FEATURES:
                    blocks[maker] = weight
        self.choices.weighted(blocks)()

    def _more(self) -> tuple[tuple[str, Callable[[], object], int], ...]:
        return (
            ("concat", self.join, 5), ("multiply", self.excite, 3), ("multiply", self.product, 2),
            ("select", self.split, 3), ("upsample", self.upsample, 2), ("pad", self.pad, 1),
            ("groups", self.separable, 4), ("select", self.shuffle, 1),
        )  # fmt: skip

    def conv(self, out: int = 0, same: bool = False, kernel: int = 0, groups: int = 1) -> None:
        """A convolution: any, one that keeps the image's size, or one of a given kernel."""
        sizes = self.shape[1:]
        if same or kernel:
            size = kernel or self.choices.pick((1, 3, 5))
            window: dict[str, Value] = {
                "kernel": (size,) * len(sizes), "stride": (1,) * len(sizes),
                "padding": (size // 2,) * len(sizes), "dilation": (1,) * len(sizes),
            }  # fmt: skip
        else:
            window = conv_window(self.choices, sizes)
        out = out or channels(self.choices)
        if groups == 1 and "groups" in FEATURES and self.choices.chance(20):
            groups = divisor(self.choices, self.shape[0])
            out = groups * max(1, out // groups) if out % groups else out
            out = min(out, groups * max(1, _MOST_CHANNELS // groups))
        values: dict[str, Value] = {**window, "out": out, "bias": self.choices.integer(0, 1)}
        if groups > 1:
            values["groups"] = groups
        self.add(
            "conv", **values, weights=self.choices.weighted(_WEIGHTS), seed=self.choices.seed()
        )

    def linear(self) -> None:
        """A linear layer with what follows it."""
        self.add(
            "linear", out=channels(self.choices), bias=self.choices.integer(0, 1),
            weights=self.choices.weighted(_WEIGHTS), seed=self.choices.seed(),
        )  # fmt: skip
        self.finish()

    def batch_norm(self) -> None:
        """Batch norm of the tail."""
        self.add(
            "batch_norm", affine=self.choices.integer(0, 4) and 1,
            weights=self.choices.weighted(_STATISTICS), seed=self.choices.seed(),
        )  # fmt: skip

    def finish(self) -> None:
        """Batch norm and activation behind a layer, each perhaps."""
        if self.choices.chance(45):
            self.batch_norm()
        if self.choices.chance(60):
            self.activation()

    def activation(self) -> None:
        """A clamp or a function of every element."""
        kinds = {"relu": 60, "relu6": 12, "hardtanh": 8}
        if "table" in FEATURES:
            kinds |= dict.fromkeys(_TABLES, 6)
        kind = self.choices.weighted(kinds)
        if kind == "hardtanh":
            low = self.choices.pick((-1.0, -0.25, 0.0, 0.5))
            self.add(kind, low=low, high=low + self.choices.pick((2.0, 0.5, 1.0)))
        elif kind in ("leaky_relu", "elu"):
            self.add(kind, slope=self.choices.pick((0.01, 0.1, 0.2, 1.0)))
        else:
            self.add(kind)

    def layer(self) -> None:
        """Convolution, batch norm, activation."""
        self.conv()
        self.finish()

    def stem(self) -> None:
        """The first layer of a picture; sometimes a second one looks at it the same way."""
        self.conv()
        first = self.nodes[-1]
        self.finish()
        if self.choices.chance(25):
            kept = self.tail
            self.add(first.op, 0, **dict(first.with_values(seed=self.choices.seed()).values))
            self.combine("add", kept, self.tail)

    def follow(self) -> None:
        """An activation, or a batch norm of its own, of whatever there is."""
        if "lone_batch_norm" in FEATURES and self.choices.chance(40):
            self.batch_norm()
        elif self.choices.chance(15):
            self.add("dropout")
        else:
            self.activation()

    def branch(self) -> None:
        """One or two layers that keep the shape."""
        wanted = self.shape[0]
        for _ in range(self.choices.integer(1, 2)):
            self.conv(out=wanted, same=True)
            if self.shape[0] != wanted:
                self.conv(out=wanted, kernel=1)
            self.finish()

    def residual(self) -> None:
        """Two branches of equal shape, one of which may be nothing, and their sum."""
        start = first = self.tail
        if self.choices.chance(30):
            self.branch()
            first = self.tail
        self.tail = start
        self.branch()
        self.combine("add", first, self.tail)

    def combine(self, op: str, first: int, second: int) -> None:
        """Element by element, in either order, often with an activation."""
        if self.shapes[first] != self.shapes[second]:
            return
        pair = (first, second) if self.choices.chance(50) else (second, first)
        self.add(op, *pair)
        if self.choices.chance(40):
            self.activation()

    def sum(self) -> None:
        """The sum of the tail and any tensor of its shape, be it the tail itself."""
        self.combine("add", self.tail, self._other(self.shape))

    def product(self) -> None:
        """The product of the tail and any tensor of its shape."""
        self.combine("multiply", self.tail, self._other(self.shape))

    def _other(self, shape: Shape) -> int:
        return self.choices.pick([i for i, found in enumerate(self.shapes) if found == shape])

    def pool(self) -> None:
        """A pool of any kind."""
        kind = self.choices.weighted({"max_pool": 5, "avg_pool": 3, "adaptive_pool": 1})
        sizes = self.shape[1:]
        if kind == "adaptive_pool":
            self.add(kind, size=tuple(divisor(self.choices, size) for size in sizes))
        else:
            self.add(kind, **pool_window(self.choices, sizes, dilated=kind == "max_pool"))
        if self.choices.chance(15):
            self.activation()

    def excite(self) -> None:
        """Squeeze and excite: channels times (or plus) a vector made of their means."""
        source, wanted = self.tail, self.shape[0]
        self.add("adaptive_pool", size=(1,) * len(self.shape[1:]))
        if self.choices.chance(60):
            self.conv(kernel=1)
            self.activation()
        self.conv(out=wanted, kernel=1)
        if self.shape[0] != wanted:
            return
        if self.choices.chance(80):
            self.add(self.choices.pick(("sigmoid", "hard_sigmoid")))
        op = "add" if "broadcast" in FEATURES and self.choices.chance(25) else "multiply"
        pair = (source, self.tail) if self.choices.chance(80) else (self.tail, source)
        self.add(op, *pair)

    def join(self) -> None:
        """A concatenation of the tail with tensors of its image size, old or new."""
        operands = [self.tail]
        sizes = self.shape[1:]
        for _ in range(self.choices.integer(1, 3)):
            if self.choices.chance(40):
                self.tail = operands[0]
                self.conv(same=True)
                self.finish()
                operands.append(self.tail)
            else:
                operands.append(
                    self.choices.pick(
                        [i for i, s in enumerate(self.shapes) if s[1:] == sizes and len(s) > 1]
                    )
                )
        if sum(self.shapes[i][0] for i in operands) > _MOST_CHANNELS:
            operands = operands[:2]
        if sum(self.shapes[i][0] for i in operands) <= _MOST_CHANNELS:
            self.add("concat", *operands)

    def split(self) -> None:
        """Parts of the channels, one of them perhaps worked on, perhaps joined again."""
        source, wanted = self.tail, self.shape[0]
        if wanted < 2:
            return
        if self.choices.chance(50):
            parts = self.choices.integer(2, min(4, wanted))
            count = -(-wanted // (-(-wanted // parts)))
            numbers = [
                self.add("chunk", source, parts=parts, index=index) for index in range(count)
            ]
        else:
            cut = self.choices.integer(1, wanted - 1)
            numbers = [self.add("slice", source, start=0, stop=cut)]
            numbers.append(self.add("slice", source, start=cut, stop=wanted))
        chosen = self.choices.integer(0, len(numbers) - 1)
        self.tail = numbers[chosen]
        if self.choices.chance(60):
            self.branch()
            numbers[chosen] = self.tail
        if "concat" in FEATURES and self.choices.chance(60) and len(numbers) > 1:
            self.add("concat", *numbers)
            self.shuffle()

    def shuffle(self) -> None:
        """Channels in another order, as ShuffleNet has it."""
        groups = divisor(self.choices, self.shape[0])
        if 1 < groups < self.shape[0]:
            self.add("shuffle", groups=groups)

    def separable(self) -> None:
        """A depthwise convolution, perhaps with a multiplier, and often a pointwise one."""
        groups = self.shape[0]
        multiplier = 2 if groups <= 20 and self.choices.chance(15) else 1
        if self.choices.chance(50):
            self.conv(out=groups * multiplier, kernel=self.choices.pick((3, 5)), groups=groups)
        else:
            self.conv(out=groups * multiplier, groups=groups)
        self.finish()
        if self.choices.chance(60):
            self.conv(kernel=1)
            self.finish()

    def upsample(self) -> None:
        """Nearest neighbour by whole factors."""
        sizes = self.shape[1:]
        factors = tuple(self.choices.integer(1, 3) for _ in sizes)
        if all(f * size <= _LARGEST_SIZE for f, size in zip(factors, sizes, strict=True)):
            self.add("upsample", factors=factors)

    def pad(self) -> None:
        """Zeros on some sides, and often what reads them."""
        self.add(
            "pad", sides=tuple(self.choices.integer(0, 2) for _ in range(2 * len(self.shape[1:])))
        )
        if self.choices.chance(70):
            self.layer() if self.choices.chance(70) else self.pool()

    def head(self) -> None:
        """The end: spatial codes, codes of a vector, or logits."""
        if not self.nodes or self.choices.chance(70):
            if len(self.shape) > 1:
                self._flatten()
            for _ in range(self.choices.integer(1, 2)):
                self.linear() if self.choices.chance(25) else self._logits()

    def _flatten(self) -> None:
        kind = self.choices.weighted({"pool": 4, "mean": 3, "flatten": 4})
        pixels = self.shape[1:]
        if kind == "pool":
            self.add("adaptive_pool", size=(1,) * len(pixels))
        if kind == "mean" and len(pixels) == 2:
            self.add("mean", keepdim=0)
        else:
            self.add("flatten")

    def _logits(self) -> None:
        self.add(
            "linear", out=channels(self.choices), bias=self.choices.integer(0, 1),
            weights=self.choices.weighted(_WEIGHTS), seed=self.choices.seed(),
        )  # fmt: skip
