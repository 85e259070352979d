"""Table: ATen operation -> importer, one small function each.

An importer gets a `Call`, which knows nothing of torch's graph classes, and returns the
float operations that compute it; the last one is the result, and none at all means that
the result is the first argument. It raises `ModelImportError` if FloatGraph has no equal:
nothing is converted that computes something else. To add an operation, write a function
and enter it in `IMPORTERS` (docs/ir.md states what FloatGraph can hold).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.advice import advice_for
from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Linear,
    MaxPool2d,
)
from rmsmp_hls.ir.types import Window

_LARGEST_EPS = 1e6


class Kind(Enum):
    """What a tensor argument is."""

    ACTIVATION = "activation"  # computed from the network's input
    PARAMETER = "parameter"  # an entry of the state_dict; `name` is its key
    OTHER = "other"  # anything else: a constant, a computed weight


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor argument: its name and whole shape (an activation's with the batch)."""

    name: str
    shape: tuple[int, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an ATen operation.

    Attributes:
        op: name with overload, e.g. "aten.conv2d.default".
        name: unique name of the result.
        module: path of the torch module that made the call, "" for the network itself.
        owned: whether this call is all that its module computes.
        arguments: by the schema's names, defaults filled in; tensors are `Value`s.
        shape: the result's shape with the batch.
        same_type: whether the result is of the number type of the first tensor argument.
    """

    op: str
    name: str
    module: str
    owned: bool
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    same_type: bool

    def activation(self, argument: str) -> Value:
        """Return a tensor argument that the network computes; else raise."""
        value = self.arguments[argument]
        if not isinstance(value, Value) or value.kind is not Kind.ACTIVATION:
            raise self.refuse(
                f"its argument {argument!r} is not a tensor that the network computes",
                "use layers and residual additions only; fold constants into a layer's bias",
            )
        return value

    def parameter(self, argument: str) -> str:
        """Return the state_dict key of a parameter argument, "" for None; else raise."""
        value = self.arguments[argument]
        if value is None:
            return ""
        if not isinstance(value, Value) or value.kind is not Kind.PARAMETER:
            raise self.refuse(
                f"its {argument} is computed or is not in the state_dict",
                "make it a plain parameter or buffer: torch.nn.utils.parametrize."
                "remove_parametrizations(...) or register_buffer(...)",
            )
        return value.name

    def refuse(self, what: str, fix: str) -> ModelImportError:
        """Return the error: this call cannot be imported."""
        where = f"module {self.module!r}" if self.module else "the network's forward"
        return ModelImportError(f"{self.op}: {what}", where=where, fix=fix)

    @property
    def base(self) -> dict[str, Any]:
        """Fields of the resulting operation but for its inputs."""
        return {"name": self.name, "shape": self.shape[1:], "module": self.module}


Importer = Callable[[Call], tuple[FloatOp, ...]]


def convolution(call: Call) -> tuple[FloatOp, ...]:
    """aten.conv2d with numeric padding."""
    return _conv(call, _sides(_pair(call.arguments["padding"])))


def convolution_named_padding(call: Call) -> tuple[FloatOp, ...]:
    """aten.conv2d with padding "same" or "valid"; "same" puts the odd pixel last, as torch."""
    if call.arguments["padding"] == "valid":
        return _conv(call, (0, 0, 0, 0))
    kernel = call.arguments["weight"].shape[2:]
    total = [d * (k - 1) for d, k in zip(_pair(call.arguments["dilation"]), kernel, strict=True)]
    top, left = (t // 2 for t in total)
    return _conv(call, (top, left, total[0] - top, total[1] - left))


def _conv(call: Call, padding: tuple[int, int, int, int]) -> tuple[FloatOp, ...]:
    source, key = call.activation("input"), call.parameter("weight")
    weight = call.arguments["weight"].shape
    if call.arguments["groups"] != 1:
        raise call.refuse(
            f"has groups={call.arguments['groups']}; the array computes dense convolutions",
            "use groups=1",
        )
    if len(source.shape) != 4:
        raise call.refuse(f"reads a tensor of shape {source.shape}", "feed it [N, C, H, W]")
    stride, dilation = _pair(call.arguments["stride"]), _pair(call.arguments["dilation"])
    window = Window((weight[2], weight[3]), stride, padding, dilation)
    bias = call.parameter("bias")
    return (Conv2d(inputs=(source.name,), weight=key, bias=bias, window=window, **call.base),)


def linear(call: Call) -> tuple[FloatOp, ...]:
    """aten.linear on [N, F]."""
    source, key = call.activation("input"), call.parameter("weight")
    if len(source.shape) != 2:
        raise call.refuse(
            f"reads a tensor of shape {source.shape}", "flatten to [N, F] before a linear layer"
        )
    return (Linear(inputs=(source.name,), weight=key, bias=call.parameter("bias"), **call.base),)


def batch_norm(call: Call) -> tuple[FloatOp, ...]:
    """aten.batch_norm with running statistics."""
    mean, var = call.parameter("running_mean"), call.parameter("running_var")
    if call.arguments["training"] or not mean or not var:
        raise call.refuse(
            "normalizes by the statistics of the batch also in evaluation",
            "use track_running_stats=True, and self.training in F.batch_norm",
        )
    eps = float(call.arguments["eps"])
    if not 0 <= eps <= _LARGEST_EPS:
        raise call.refuse(f"has eps={eps}", "use a small positive eps")
    return (
        BatchNorm(
            inputs=(call.activation("input").name,),
            weight=call.parameter("weight"),
            bias=call.parameter("bias"),
            running_mean=mean,
            running_var=var,
            eps=eps,
            momentum=float(call.arguments["momentum"]),
            **call.base,
        ),
    )


def relu(call: Call) -> tuple[FloatOp, ...]:
    """ReLU: clamp to [0, inf]."""
    return _clamp(call, 0.0, math.inf)


def relu6(call: Call) -> tuple[FloatOp, ...]:
    """ReLU6: clamp to [0, 6]."""
    return _clamp(call, 0.0, 6.0)


def hardtanh(call: Call) -> tuple[FloatOp, ...]:
    """Hardtanh: clamp to [min_val, max_val]."""
    return _clamp(call, call.arguments["min_val"], call.arguments["max_val"])


def clamp(call: Call) -> tuple[FloatOp, ...]:
    """aten.clamp and its one-sided forms; a missing bound is infinite."""
    return _clamp(call, call.arguments.get("min"), call.arguments.get("max"))


def _clamp(call: Call, low: object, high: object) -> tuple[FloatOp, ...]:
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)) or not low <= high:
        raise call.refuse(
            f"has the bounds {low!r}, {high!r}", "clamp to two numbers, the lower one first"
        )
    source = call.activation("self" if "self" in call.arguments else "input").name
    return (Clamp(inputs=(source,), low=float(low), high=float(high), **call.base),)


def max_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.max_pool2d."""
    window = _pool_window(call, _pair(call.arguments["dilation"]))
    return (MaxPool2d(inputs=(call.activation("self").name,), window=window, **call.base),)


def avg_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.avg_pool2d where the divisor is the whole window."""
    window = _pool_window(call, (1, 1))
    if any(window.padding) and not call.arguments["count_include_pad"]:
        raise call.refuse(
            "has count_include_pad=False, whose divisor differs at the border",
            "use count_include_pad=True or padding=0",
        )
    if call.arguments["divisor_override"] is not None:
        raise call.refuse("has a divisor_override", "leave the divisor to the window")
    return (AvgPool2d(inputs=(call.activation("self").name,), window=window, **call.base),)


def adaptive_avg_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.adaptive_avg_pool2d where all windows are equal."""
    source = call.activation("self")
    (height, width), (rows, cols) = source.shape[2:], call.shape[2:]
    if height % rows or width % cols:
        raise call.refuse(
            f"pools {height} x {width} to {rows} x {cols}, which takes windows of several sizes",
            "choose an output size that divides the input's, e.g. 1",
        )
    kernel = (height // rows, width // cols)
    return (AvgPool2d(inputs=(source.name,), window=Window(kernel, kernel), **call.base),)


def mean(call: Call) -> tuple[FloatOp, ...]:
    """aten.mean over height and width; without keepdim, a flatten follows."""
    source = call.activation("self")
    dims = call.arguments["dim"]
    axes = {d % len(source.shape) for d in dims} if dims else set()
    if len(source.shape) != 4 or axes != {2, 3} or call.arguments["dtype"] is not None:
        raise call.refuse(
            f"is a mean over dimensions {dims} of a tensor of shape {source.shape}",
            "only the mean over height and width of [N, C, H, W], dim=(2, 3), is supported",
        )
    channels, height, width = source.shape[1:]
    window = Window((height, width), (height, width))
    base = {**call.base, "shape": (channels, 1, 1)}
    if call.arguments["keepdim"]:
        return (AvgPool2d(inputs=(source.name,), window=window, **base),)
    pooled = f"{call.name}.pool"
    base["name"] = pooled
    return (
        AvgPool2d(inputs=(source.name,), window=window, **base),
        Flatten(inputs=(pooled,), **call.base),
    )


def add(call: Call) -> tuple[FloatOp, ...]:
    """aten.add of two tensors of equal shape, alpha = 1."""
    first, second = call.activation("self"), call.activation("other")
    if call.arguments["alpha"] != 1:
        raise call.refuse(f"has alpha={call.arguments['alpha']}", "add without alpha")
    if first.shape != second.shape:
        raise call.refuse(
            f"broadcasts shapes {first.shape} and {second.shape}", "add tensors of equal shape"
        )
    return (Add(inputs=(first.name, second.name), **call.base),)


def flatten(call: Call) -> tuple[FloatOp, ...]:
    """Any operation on shape alone that leaves it, or that makes [N, F] of [N, ...]."""
    source = call.activation("self")
    half_squeezed = len(call.shape) == 3 and (*call.shape, 1) == source.shape
    if call.shape == source.shape or half_squeezed:
        return ()  # the next squeeze, or a flatten, completes it
    if call.shape != (source.shape[0], math.prod(source.shape[1:])):
        raise call.refuse(
            f"makes {call.shape} of {source.shape}",
            "only a flatten that keeps the batch, torch.flatten(x, 1), is supported",
        )
    return (Flatten(inputs=(source.name,), **call.base),)


def dropout(call: Call) -> tuple[FloatOp, ...]:
    """aten.dropout that only training computes."""
    if call.arguments["train"]:
        raise call.refuse(
            "is active in evaluation too", "pass training=self.training, or use nn.Dropout"
        )
    source = call.activation("self" if "self" in call.arguments else "input").name
    p = float(call.arguments["p"])
    if not 0 <= p <= 1:
        raise call.refuse(f"has the probability {p}", "use a probability from 0 to 1")
    return (Dropout(inputs=(source,), p=p, **call.base),)


def feature_dropout(call: Call) -> tuple[FloatOp, ...]:
    """Dropout of whole channels: as a module only, which training then calls."""
    if not call.owned:
        raise call.refuse("drops whole channels", "use the module nn.Dropout2d instead")
    return dropout(call)


def identity(call: Call) -> tuple[FloatOp, ...]:
    """The result is the argument."""
    call.activation("self")
    return ()


def conversion(call: Call) -> tuple[FloatOp, ...]:
    """A conversion to the number type that the tensor has, or to another device."""
    if not call.same_type:
        raise call.refuse("changes the number type", "compute in one floating point type")
    return identity(call)


def unsupported(call: Call) -> tuple[FloatOp, ...]:
    """Refuse an operation that is not in the table, with what to do instead."""
    raise call.refuse("is not supported", advice_for(call.op))


def _pool_window(call: Call, dilation: tuple[int, int]) -> Window:
    source = call.activation("self")
    kernel = _pair(call.arguments["kernel_size"])
    stride = _pair(call.arguments["stride"]) if call.arguments["stride"] else kernel
    window = Window(kernel, stride, _sides(_pair(call.arguments["padding"])), dilation)
    if len(source.shape) != 4 or window.output_size(*source.shape[2:]) != call.shape[2:]:
        raise call.refuse(
            "has ceil_mode=True, which here adds windows that reach past the border",
            "use ceil_mode=False, or a size that the stride divides",
        )
    return window


def _pair(value: Any) -> tuple[int, int]:
    numbers = [value] if isinstance(value, int) else list(value)
    return (int(numbers[0]), int(numbers[-1]))


def _sides(pair: tuple[int, int]) -> tuple[int, int, int, int]:
    return (pair[0], pair[1], pair[0], pair[1])


_BY_FUNCTION: tuple[tuple[Importer, str], ...] = (
    (convolution, "conv2d.default"),
    (convolution_named_padding, "conv2d.padding"),
    (linear, "linear.default"),
    (batch_norm, "batch_norm.default"),
    (relu, "relu.default relu_.default"),
    (relu6, "relu6.default relu6_.default"),
    (hardtanh, "hardtanh.default hardtanh_.default"),
    (clamp, "clamp.default clamp_.default clip.default clip_.default"),
    (clamp, "clamp_min.default clamp_min_.default clamp_max.default clamp_max_.default"),
    (max_pool, "max_pool2d.default"),
    (avg_pool, "avg_pool2d.default"),
    (adaptive_avg_pool, "adaptive_avg_pool2d.default _adaptive_avg_pool2d.default"),
    (mean, "mean.dim"),
    (add, "add.Tensor add_.Tensor"),
    (flatten, "flatten.using_ints view.default reshape.default _unsafe_view.default"),
    (flatten, "squeeze.default squeeze.dim squeeze.dims"),
    (dropout, "dropout.default dropout_.default"),
    (feature_dropout, "feature_dropout.default feature_dropout_.default"),
    (identity, "contiguous.default clone.default detach.default detach_.default alias.default"),
    (conversion, "to.dtype to.device to.dtype_layout to.other _to_copy.default"),
)
IMPORTERS: Mapping[str, Importer] = MappingProxyType(
    {f"aten.{op}": function for function, names in _BY_FUNCTION for op in names.split()}
)
"""ATen operation with overload -> importer. The spellings are those of the training IR."""

ALIASES = frozenset(
    f"aten.{op}"
    for function, names in _BY_FUNCTION
    if function in (flatten, dropout, feature_dropout, identity, conversion)
    for op in names.split()
    if op not in ("clone.default", "_to_copy.default")
)
"""Operations whose result may share its memory with the first argument."""
