"""What to do instead of an operation that the array does not compute."""

from __future__ import annotations

SUPPORTED = (
    "supported are Conv2d, Linear, BatchNorm, ReLU, ReLU6, Hardtanh, clamp, MaxPool2d, AvgPool2d, "
    "AdaptiveAvgPool2d, mean over height and width, residual add, flatten and Dropout"
)

_SMOOTH = "use ReLU or ReLU6 and train on; the array clamps, it does not curve"
_CONVOLUTION = "use a dense two-dimensional convolution (nn.Conv2d)"
_DECOMPOSED = "save what torch.export.export returns, without run_decompositions()"
_BRANCH = "let nothing in forward depend on the values of tensors"
_ADVICE: tuple[tuple[str, str], ...] = (
    # (start of the operation's name behind its namespace, what to do); the first that fits counts
    ("convolution.", _DECOMPOSED),
    ("_native_batch_norm", _DECOMPOSED),
    ("wrap_with", "leave torch.no_grad(), set_grad_enabled and autocast out of forward"),
    ("cond", _BRANCH),
    ("while_loop", _BRANCH),
    ("map_impl", _BRANCH),
    ("softmax", "leave it out: the largest logit is the largest probability"),
    ("log_softmax", "leave it out and use nn.CrossEntropyLoss in training"),
    ("silu", _SMOOTH),
    ("gelu", _SMOOTH),
    ("sigmoid", _SMOOTH),
    ("tanh", _SMOOTH),
    ("hardswish", _SMOOTH),
    ("hardsigmoid", _SMOOTH),
    ("mish", _SMOOTH),
    ("elu", _SMOOTH),
    ("celu", _SMOOTH),
    ("selu", _SMOOTH),
    ("leaky_relu", _SMOOTH),
    ("rrelu", _SMOOTH),
    ("prelu", _SMOOTH),
    ("softplus", _SMOOTH),
    ("conv_transpose", "use nearest-neighbour free designs: stride and pooling only go down"),
    ("conv", _CONVOLUTION),
    ("slow_conv", _CONVOLUTION),
    ("pad", "give the next convolution padding=..., padding_mode='zeros'"),
    ("_pad", "give the next convolution padding=..., padding_mode='zeros'"),
    ("constant_pad", "give the next convolution padding=..."),
    ("max_pool2d_with_indices", f"leave return_indices at False; {_DECOMPOSED}"),
    ("layer_norm", "use BatchNorm2d, which folds into the requantization"),
    ("group_norm", "use BatchNorm2d, which folds into the requantization"),
    ("instance_norm", "use BatchNorm2d, which folds into the requantization"),
    ("matmul", "use nn.Linear with a parameter as weight"),
    ("mm", "use nn.Linear with a parameter as weight"),
    ("bmm", "use nn.Linear with a parameter as weight"),
    ("addmm", f"use nn.Linear with a parameter as weight; {_DECOMPOSED}"),
    ("mul", "fold the factor into the weights or the batch norm of the layer before it"),
    ("div", "fold the divisor into the weights or the batch norm of the layer before it"),
    ("sub", "use an addition, with the sign in the weights of a branch"),
    ("cat", "join branches by an addition instead"),
)


def advice_for(op: str) -> str:
    """Return what to do about operation `op`, e.g. "aten.silu.default"."""
    name = op.removeprefix("aten.").removeprefix("higher_order.")
    fitting = (text for start, text in _ADVICE if name.startswith(start))
    return next(fitting, SUPPORTED)
