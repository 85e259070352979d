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
    """2-D convolution; weight [O, I / groups, KH, KW], bias [O] or "" for none.

    Of a 1-D convolution the images are (C, 1, L), and the weight [O, I / groups, K] with the
    kernel (1, K).
    """

    weight: str
    bias: str
    window: Window
    groups: int = 1


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
class Activation(FloatOp):
    """An activation function of every element, one of `numerics.functions`.

    Attributes:
        function: its name, e.g. "silu".
        parameter: its parameter (the slope of "leaky_relu"), 0 where it has none.
    """

    function: str
    parameter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(FloatOp):
    """Element-wise sum of two tensors of equal shape; the second may be (C, 1, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiply(FloatOp):
    """Element-wise product of two tensors of equal shape; the second may be (C, 1, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(FloatOp):
    """Two or more tensors one behind the other, along channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectChannels(FloatOp):
    """Channel i of the result is channel indices[i]: slices, splits and shuffles."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsample(FloatOp):
    """Nearest neighbour: every pixel becomes factors[0] x factors[1] pixels."""

    factors: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(FloatOp):
    """Zeros around the image: padding (top, left, bottom, right), none negative."""

    padding: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(FloatOp):
    """(C, H, W) -> (C * H * W,), channel-major as torch does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unflatten(FloatOp):
    """(F,) -> (F, 1, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(FloatOp):
    """Dropout with probability `p`: only training computes it."""

    p: float


FLOAT_OPS: tuple[type[FloatOp], ...] = (
    Input, Conv2d, Linear, BatchNorm, Clamp, Activation, MaxPool2d, AvgPool2d, Add, Multiply,
    Concat, SelectChannels, Upsample, Pad, Flatten, Unflatten, Dropout,
)  # fmt: skip
