"""Layers with weights: convolutions of one and two dimensions, linear layers, batch norm."""

from __future__ import annotations

from rmsmp_hls.frontend.ops.call import Call, Kind
from rmsmp_hls.frontend.ops.numbers import pair, sides
from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d, FloatOp, Linear
from rmsmp_hls.ir.types import Window

_LARGEST_EPS = 1e6
NO_TRANSPOSED = (
    "use nearest upsampling followed by a convolution: nn.Upsample(scale_factor=2), nn.Conv2d"
)


def convolution(call: Call) -> tuple[FloatOp, ...]:
    """aten.conv1d and aten.conv2d with numeric padding."""
    rank = len(call.arguments["weight"].shape)
    return _conv(call, sides(pair(call.arguments["padding"], rank, 0)))


def convolution_named_padding(call: Call) -> tuple[FloatOp, ...]:
    """The same with padding "same" or "valid"; "same" puts the odd pixel last, as torch."""
    if call.arguments["padding"] == "valid":
        return _conv(call, (0, 0, 0, 0))
    shape = call.arguments["weight"].shape
    kernel = pair(list(shape[2:]), len(shape))
    dilation = pair(call.arguments["dilation"], len(shape))
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    top, left = (t // 2 for t in total)
    return _conv(call, (top, left, total[0] - top, total[1] - left))


def any_convolution(call: Call) -> tuple[FloatOp, ...]:
    """aten.convolution, the spelling of run_decompositions()."""
    if call.arguments["transposed"]:
        raise call.refuse("is a transposed convolution", NO_TRANSPOSED)
    return convolution(call)


def _conv(call: Call, padding: tuple[int, int, int, int]) -> tuple[FloatOp, ...]:
    weight, rank = call.arguments["weight"].shape, len(call.arguments["weight"].shape)
    if rank not in (3, 4) or len(call.shape) != rank or len(call.view("input").shape) != rank:
        raise call.refuse(
            f"reads a tensor of shape {call.view('input').shape} with weights {weight}",
            "use nn.Conv2d on [N, C, H, W] or nn.Conv1d on [N, C, L]",
        )
    key, bias = call.parameter("weight"), call.parameter("bias")
    source = call.activation("input")
    groups = call.arguments["groups"]
    if source.shape[0] != weight[1] * groups or weight[0] % groups:
        raise ValueError("groups do not fit the channels")
    window = Window(
        kernel=pair(list(weight[2:]), rank),
        stride=pair(call.arguments["stride"], rank),
        padding=padding,
        dilation=pair(call.arguments["dilation"], rank),
    )
    return (
        Conv2d(
            inputs=(source.name,),
            weight=key,
            bias=bias,
            window=window,
            groups=groups,
            **call.base(),
        ),
    )


def linear(call: Call) -> tuple[FloatOp, ...]:
    """aten.linear on [N, F]."""
    key, bias = call.parameter("weight"), call.parameter("bias")
    return _linear(call, "input", key, bias)


def matrix_product(call: Call) -> tuple[FloatOp, ...]:
    """aten.addmm, aten.mm: a linear layer as run_decompositions() spells it."""
    if "mat1" not in call.arguments:
        return _linear(call, "self", call.parameter("mat2", Kind.TRANSPOSED), "")
    if call.arguments["beta"] != 1 or call.arguments["alpha"] != 1:
        raise call.refuse("has factors (beta, alpha)", "use nn.Linear")
    key = call.parameter("mat2", Kind.TRANSPOSED)
    return _linear(call, "mat1", key, call.parameter("self"))


def _linear(call: Call, source: str, key: str, bias: str) -> tuple[FloatOp, ...]:
    shape = call.view(source).shape
    if len(shape) != 2 or len(call.shape) != 2:
        raise call.refuse(
            f"reads a tensor of shape {shape}",
            "flatten to [N, F] before a linear layer; instead of one on every pixel or step "
            "use a convolution with kernel size 1",
        )
    inputs = (call.activation(source).name,)
    return (Linear(inputs=inputs, weight=key, bias=bias, **call.base()),)


def batch_norm(call: Call) -> tuple[FloatOp, ...]:
    """aten.batch_norm with running statistics."""
    if call.arguments.get("training"):
        raise call.refuse(
            "normalizes by the statistics of the batch also in evaluation",
            "use track_running_stats=True, and self.training in F.batch_norm",
        )
    mean, var = call.parameter("running_mean"), call.parameter("running_var")
    if not mean or not var:
        raise call.refuse(
            "has no running statistics and normalizes by those of the batch in evaluation too",
            "use track_running_stats=True",
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
            **call.base(),
        ),
    )
