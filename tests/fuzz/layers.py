"""Network -> torch module. One entry per operation; parameters are drawn from the node's seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fuzz.case import Network, Node

Shape = tuple[int, ...]


class Step(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.function(*tensors)


class RandomNetwork(nn.Module):
    """The network as torch runs it.

    Attributes:
        steps: one module per node.
        shapes: of every tensor, the input's first, without the batch.

    Raises:
        RuntimeError, ValueError: torch cannot compute a node; the network is none.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.sources = [node.inputs for node in network.nodes]
        self.shapes: list[Shape] = [tuple(network.shape)]
        self.steps = nn.ModuleList()
        for node in network.nodes:
            step, shape = make_layer(node, [self.shapes[source] for source in node.inputs])
            self.steps.append(step)
            self.shapes.append(shape)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        tensors = [x]
        for step, sources in zip(self.steps, self.sources, strict=True):
            tensors.append(step(*[tensors[source] for source in sources]))
        return tensors[-1]


def make_layer(node: Node, shapes: list[Shape]) -> tuple[nn.Module, Shape]:
    """Return the module of a node and the shape that it makes of the given ones."""
    step = LAYERS[node.op](node, shapes)
    _fill(step, node)
    step.eval()
    with torch.no_grad():
        made = step(*[torch.zeros(2, *shape) for shape in shapes])
    if 0 in made.shape or len(made) != 2:
        raise ValueError(f"{node.op} makes the shape {tuple(made.shape)}")
    return step, tuple(made.shape[1:])


def _fill(step: nn.Module, node: Node) -> None:
    """Draw the parameters and running statistics of a layer."""
    generator = torch.Generator().manual_seed(int(node.get("seed", 0)))
    style = str(node.get("weights", "normal"))
    with torch.no_grad():
        for key, tensor in sorted([*step.named_parameters(), *step.named_buffers()]):
            if tensor.is_floating_point():
                generator.manual_seed(int(node.get("seed", 0)) ^ zlib.crc32(key.encode()))
                tensor.copy_(_numbers(key, tensor.shape, style, generator))


def _numbers(key: str, shape: torch.Size, style: str, generator: torch.Generator) -> Tensor:
    numbers = torch.randn(shape, generator=generator)
    chosen = torch.rand(shape[:1], generator=generator) < 0.3  # rows or channels
    last = key.rpartition(".")[2]
    if last == "running_var":
        numbers = numbers.abs() + 0.1
        return torch.where(chosen, 0.0, numbers) if style == "zero_variance" else numbers
    if len(shape) == 1:  # biases and what batch norm has
        if last == "weight" and style == "zero_gain":
            return torch.where(chosen, 0.0, numbers)
        return numbers * (20.0 if style == "large" else 1.0)
    fan = max(1, numbers[0].numel()) ** 0.5
    numbers = numbers / fan
    rows = chosen.reshape(-1, *[1] * (len(shape) - 1))
    if style == "zero_rows":
        return torch.where(rows, 0.0, numbers)
    if style == "all_zero":
        return torch.zeros(shape)
    if style == "spread":  # rows of very different size
        return numbers * torch.where(rows, 1e-3, 1.0) * torch.where(rows.roll(1, 0), 1e2, 1.0)
    if style == "large":
        return numbers * 1e3
    if style == "small":
        return numbers * 1e-4
    if style == "extreme":  # every weight at an end of its row's range
        return torch.where(numbers < 0, -1.0, 1.0)
    return numbers


def _conv(node: Node, shapes: list[Shape]) -> nn.Module:
    kind = nn.Conv1d if len(shapes[0]) == 2 else nn.Conv2d
    return kind(
        shapes[0][0], node["out"], node["kernel"], node["stride"], node["padding"],
        node["dilation"], groups=node.get("groups", 1), bias=bool(node["bias"]),
    )  # fmt: skip


def _batch_norm(node: Node, shapes: list[Shape]) -> nn.Module:
    kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}[len(shapes[0])]
    return kind(shapes[0][0], affine=bool(node.get("affine", 1)))


def _max_pool(node: Node, shapes: list[Shape]) -> nn.Module:
    kind = nn.MaxPool1d if len(shapes[0]) == 2 else nn.MaxPool2d
    return kind(node["kernel"], node["stride"], node["padding"], node.get("dilation", 1))


def _avg_pool(node: Node, shapes: list[Shape]) -> nn.Module:
    kind = nn.AvgPool1d if len(shapes[0]) == 2 else nn.AvgPool2d
    return kind(node["kernel"], node["stride"], node["padding"])


def _adaptive(node: Node, shapes: list[Shape]) -> nn.Module:
    if len(shapes[0]) == 2:
        return nn.AdaptiveAvgPool1d(node["size"][0])
    return nn.AdaptiveAvgPool2d(node["size"])


def _shuffle(node: Node, shapes: list[Shape]) -> nn.Module:
    groups, channels, rest = node["groups"], shapes[0][0], shapes[0][1:]
    return Step(
        lambda x: (
            x.reshape(len(x), groups, channels // groups, *rest)
            .transpose(1, 2)
            .reshape(len(x), channels, *rest)
        )
    )


def _call(function: Callable[..., Tensor]) -> Callable[[Node, list[Shape]], nn.Module]:
    """Return a maker of the same step for every node."""
    return lambda node, shapes: Step(function)


LAYERS: dict[str, Callable[[Node, list[Shape]], nn.Module]] = {
    "conv": _conv,
    "linear": lambda n, s: nn.Linear(s[0][0], n["out"], bias=bool(n["bias"])),
    "batch_norm": _batch_norm,
    "relu": lambda n, s: nn.ReLU(),
    "relu6": lambda n, s: nn.ReLU6(),
    "hardtanh": lambda n, s: nn.Hardtanh(float(n["low"]), float(n["high"])),
    "leaky_relu": lambda n, s: nn.LeakyReLU(float(n["slope"])),
    "hard_swish": lambda n, s: nn.Hardswish(),
    "hard_sigmoid": lambda n, s: nn.Hardsigmoid(),
    "silu": lambda n, s: nn.SiLU(),
    "sigmoid": lambda n, s: nn.Sigmoid(),
    "tanh": lambda n, s: nn.Tanh(),
    "elu": lambda n, s: nn.ELU(float(n["slope"])),
    "gelu": lambda n, s: nn.GELU(),
    "mish": lambda n, s: nn.Mish(),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_pool": _adaptive,
    "mean": lambda n, s: Step(lambda x: x.mean((2, 3), keepdim=bool(n["keepdim"]))),
    "add": _call(lambda a, b: a + b),
    "multiply": _call(lambda a, b: a * b),
    "concat": _call(lambda *tensors: torch.cat(tensors, 1)),
    "chunk": lambda n, s: Step(lambda x: x.chunk(n["parts"], 1)[n["index"]]),
    "slice": lambda n, s: Step(lambda x: x[:, n["start"] : n["stop"]]),
    "shuffle": _shuffle,
    "upsample": lambda n, s: nn.Upsample(scale_factor=tuple(map(float, n["factors"]))),
    "pad": lambda n, s: Step(lambda x: F.pad(x, n["sides"])),  # left, right, top, bottom
    "flatten": lambda n, s: nn.Flatten(),
    "dropout": lambda n, s: nn.Dropout(0.5),
}  # fmt: skip
