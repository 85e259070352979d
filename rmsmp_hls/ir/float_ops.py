"""FloatGraph: the network as PyTorch computes it. Rules: docs/ir.md.

Every operation makes one tensor, named as the operation. Parameters are named by their
key in the model's `state_dict`; the arrays lie in `Graph.constants` under that key.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.ir.types import Shape, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatOp:
    """Base: `name` is unique, `module` is the path in the torch model, for messages."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    module: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(FloatOp):
    """The network's input, (C, H, W) or (F,); `inputs` is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d(FloatOp):
    """2-D convolution; weight [O, I, KH, KW], bias [O] or "" for none."""

    weight: str
    bias: str
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(FloatOp):
    """Fully connected layer on (F,); weight [O, F], bias [O] or ""."""

    weight: str
    bias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(FloatOp):
    """Batch normalization over channels; four [C] parameters, "" where not affine."""

    weight: str
    bias: str
    running_mean: str
    running_var: str
    eps: float
    momentum: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamp(FloatOp):
    """min(max(x, low), high): ReLU (0, inf), ReLU6 (0, 6), Hardtanh."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2d(FloatOp):
    """Maximum over a window; padding never wins."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool2d(FloatOp):
    """Mean over a window, padding counted as zeros in the divisor kernel_h * kernel_w."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(FloatOp):
    """Element-wise sum of two tensors of equal shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(FloatOp):
    """(C, H, W) -> (C * H * W,), channel-major as torch does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(FloatOp):
    """Dropout with probability `p`: only training computes it."""

    p: float


FLOAT_OPS: tuple[type[FloatOp], ...] = (
    Input, Conv2d, Linear, BatchNorm, Clamp, MaxPool2d, AvgPool2d, Add, Flatten, Dropout,
)  # fmt: skip
