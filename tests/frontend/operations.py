"""One small network for every operation and spelling that is supported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE, LINE, VECTOR = (4, 6, 8), (4, 12), (12,)  # shapes of an input without the batch
Function = Callable[[Tensor], Tensor]


class Fn(nn.Module):
    """Layers with weights (`body`), then a function of its result."""

    def __init__(self, then: Function, body: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body or nn.Conv2d(4, 4, 1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.body(x))


class Gate(nn.Module):
    """Squeeze and excite: channels weighted by a function of their means."""

    def __init__(self, weigh: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.fc, self.weigh = nn.Conv2d(4, 4, 1), nn.Linear(4, 4), weigh

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.weigh(x, self.fc(x.mean((2, 3))).sigmoid())


def _shuffled(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def _permuted(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.reshape(n, 2, c // 2, h * w).permute(0, 2, 1, 3).reshape(n, -1, h, w)
    return x.flatten(1)


def _split_by_batch(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.reshape(n * c // 2, 2, h * w).permute(1, 0, 2)
    x = x.reshape(2, -1, c // 2, h, w)
    return torch.cat((x[1], F.relu(x[0])), 1)


def _overwritten(x: Tensor) -> Tensor:
    y = x.view(x.size(0), 2, 2, *x.shape[2:])
    F.relu_(x)
    return y.transpose(1, 2).reshape(x.shape) + x


def _parts(x: Tensor) -> Tensor:
    a, b, c = x.split([1, 2, 1], 1)
    return torch.cat([c, F.relu(b), a, a], 1)


def _ends(x: Tensor) -> Tensor:
    first, last = x.chunk(2, 1)
    return first * last + last


INDEX = torch.tensor([3, 0, 0])

IMAGES: Mapping[str, Function] = {
    "leaky relu": lambda x: F.leaky_relu(x, 0.2), "leaky relu_": lambda x: F.leaky_relu_(x, 0.1),
    "hardswish": F.hardswish, "silu": F.silu, "silu_": lambda x: F.silu(x, inplace=True),
    "sigmoid": torch.sigmoid, "sigmoid_": lambda x: x.sigmoid_(), "hardsigmoid": F.hardsigmoid,
    "tanh": torch.tanh, "elu": lambda x: F.elu(x, 0.7), "gelu": F.gelu, "mish": F.mish,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "relu6": F.relu6,
    "clamp": lambda x: x.clamp(-0.5, 0.7), "hardtanh": F.hardtanh,
    "hard sigmoid by hand": lambda x: F.relu6(x + 3) / 6,
    "hard swish by hand": lambda x: x * F.relu6(x + 3.0) * (1 / 6),
    "swish by hand": lambda x: torch.sigmoid(x) * x,
    "scaled there and back": lambda x: F.relu(x * 4) / 4,
    "numbers that change nothing": lambda x: ((x * 1 + 0) / 1 - 0).add(0.0),
    "square": lambda x: x**2 + x.square(),
    "max pool": lambda x: F.max_pool2d(x, 3, 2, 1, 2), "avg pool": lambda x: F.avg_pool2d(x, 2),
    "ceil mode": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "max pool indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg pool pad": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, 1)),
    "adaptive avg": lambda x: F.adaptive_avg_pool2d(x, (2, None)),
    "mean": lambda x: x.mean((2, 3)), "mean keep": lambda x: x.mean((-1, -2), keepdim=True),
    "mean twice": lambda x: x.mean(3).mean(2), "mean of a row": lambda x: x.mean(3, keepdim=True),
    "mean of pixels": lambda x: x.view(x.size(0), x.size(1), -1).mean(-1),
    "mean of pixels last": lambda x: x.permute(0, 2, 3, 1).mean((1, 2)),
    "pool of pixels": lambda x: F.adaptive_avg_pool1d(x.flatten(2), 1).flatten(1),
    "cat": lambda x: torch.cat([x, F.relu(x), x], 1), "concat": lambda x: torch.concat([x, x], -3),
    "chunk": _ends, "split": _parts, "split even": lambda x: x.split(2, 1)[1],
    "slice": lambda x: x[:, 1:3], "slice step": lambda x: x[:, ::2] + x[:, 1::2],
    "narrow": lambda x: x.narrow(1, 1, 2), "negative": lambda x: x[:, -3:-1],
    "select": lambda x: x[:, 2].unsqueeze(1), "unbind": lambda x: x.unbind(1)[3].unsqueeze(1),
    "index": lambda x: x[:, [2, 0, 1]], "index select": lambda x: x.index_select(1, INDEX),
    "tensor split": lambda x: x.tensor_split((1, 3), 1)[1],
    "shuffle": _shuffled, "shuffle permute": _permuted, "shuffle by batch": _split_by_batch,
    "channel shuffle": lambda x: F.channel_shuffle(x, 2),
    "shuffle, chunk": lambda x: F.relu(_shuffled(x).chunk(2, 1)[0]),
    "shuffle, flatten": lambda x: _shuffled(x).flatten(1)[:, :96],
    "half": lambda x: x.view(x.size(0), 2, 2, *x.shape[2:])[:, 1],
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest sizes": lambda x: F.interpolate(x, size=(18, 16)),
    "nearest uneven": lambda x: F.interpolate(x, scale_factor=(1.0, 3.0), mode="nearest-exact"),
    "pad": lambda x: F.pad(x, (1, 0, 2, 3)), "pad one side": lambda x: F.pad(x, (2, 1)),
    "pad, max": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2),
    "pad, mean": lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3),
    "pad twice": lambda x: F.avg_pool2d(F.pad(F.pad(x, (1, 1)), (0, 0, 2, 0)), 2),
    "pad nothing": lambda x: F.pad(x, (0, 0, 0, 0)),
    "mul": lambda x: x * F.relu(x), "mul means": lambda x: x.mean((2, 3), keepdim=True) * x,
    "add means": lambda x: F.adaptive_avg_pool2d(x, 1) + x,
    "mul expanded": lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x),
    "means as an image": lambda x: F.relu(x.mean((2, 3), True).expand(-1, -1, 6, 8)),
    "flatten": lambda x: x.flatten(1), "view size": lambda x: x.view(x.size(0), -1),
    "view -1": lambda x: x.reshape(-1, 4 * 6 * 8),
    "view back": lambda x: x.flatten(1).view(x.shape),
    "squeezes": lambda x: x.mean((2, 3), True).squeeze(-1).squeeze(-1).unsqueeze(2)[..., None],
    "squeeze all": lambda x: F.adaptive_max_pool2d(x, 1).squeeze(),
    "flat channels": lambda x: x.mean((2, 3)).unflatten(1, (2, 2)).transpose(1, 2).flatten(1),
    "slice of means": lambda x: x.mean((2, 3))[:, 1:3],
    "means joined": lambda x: torch.cat([x.mean((2, 3)), F.relu(x).mean((2, 3))], 1),
    "no-ops": lambda x: F.relu(x).contiguous().to(torch.float32).detach().clone().type_as(x),
    "dropout": lambda x: F.dropout(x, 0.3, False), "overwritten": _overwritten,
    "transposed back": lambda x: F.relu(x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)),
}  # fmt: skip
LINES: Mapping[str, Function] = {
    "max pool1d": lambda x: F.max_pool1d(x, 3, 2, 1), "avg pool1d": lambda x: F.avg_pool1d(x, 2),
    "avg pool1d pad": lambda x: F.avg_pool1d(x, 3, 1, 1),
    "adaptive": lambda x: F.adaptive_avg_pool1d(x, 3), "mean": lambda x: x.mean(2),
    "adaptive max": lambda x: F.adaptive_max_pool1d(x, 2), "mean keep": lambda x: x.mean(-1, True),
    "global": lambda x: F.adaptive_avg_pool1d(x, 1).flatten(1),
    "cat": lambda x: torch.cat([x, x], 1),
    "relu": F.relu, "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "flatten": lambda x: x.flatten(1),
    "pad": lambda x: F.pad(x, (2, 1)), "chunk": lambda x: x.chunk(2, 1)[1],
    "mul": lambda x: x * x.mean(2, keepdim=True), "as image": lambda x: F.relu(x.unsqueeze(2)),
}  # fmt: skip
LAYERS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "grouped": (lambda: nn.Conv2d(4, 8, 3, groups=2), IMAGE),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), IMAGE),
    "multiplier": (lambda: nn.Conv2d(4, 12, (3, 1), (1, 2), groups=4, bias=False), IMAGE),
    "dilated": (lambda: nn.Conv2d(4, 3, (3, 2), padding=(2, 1), dilation=(2, 3)), IMAGE),
    "same": (lambda: nn.Conv2d(4, 3, (2, 4), padding="same", dilation=(1, 2)), IMAGE),
    "valid": (lambda: nn.Conv2d(4, 3, (2, 4), padding="valid"), IMAGE),
    "asymmetric": (lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(4, 3, 3, 2)), IMAGE),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1, groups=2), LINE),
    "conv1d same": (lambda: nn.Conv1d(4, 6, 4, padding="same", dilation=2), LINE),
    "batch norm 1d": (lambda: nn.Sequential(nn.Conv1d(4, 6, 1), nn.BatchNorm1d(6)), LINE),
    "batch norm": (lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), IMAGE),
    "batch norm of vectors": (lambda: nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, 3)), VECTOR),
    "linear": (lambda: nn.Sequential(nn.Linear(12, 5, bias=False), nn.Linear(5, 3)), VECTOR),
    "activations": (
        lambda: nn.Sequential(
            nn.Linear(12, 12), nn.Hardswish(inplace=True), nn.SiLU(inplace=True), nn.Hardsigmoid(),
            nn.Mish(), nn.ELU(0.5, inplace=True), nn.LeakyReLU(inplace=True), nn.Tanh(),
        ),
        VECTOR,
    ),
    "dropouts": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Dropout2d(), nn.Dropout(0.1)), IMAGE),
    "gate": (lambda: Gate(lambda x, w: x * w.view(x.size(0), -1, 1, 1)), IMAGE),
    "gate first": (lambda: Gate(lambda x, w: w[:, :, None, None] * x), IMAGE),
    "gate expanded": (lambda: Gate(lambda x, w: x * w.view(-1, 4, 1, 1).expand_as(x)), IMAGE),
    "gate of vectors": (lambda: Gate(lambda x, w: w * x.mean((2, 3))), IMAGE),
}  # fmt: skip
