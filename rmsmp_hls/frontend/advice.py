"""What to do instead of an operation that the array does not compute."""

from __future__ import annotations

SUPPORTED = (
    "docs/operations.md lists what is supported: convolutions, linear layers, batch norm, "
    "activation functions, pooling, sums and products, concatenation, channel selections, "
    "nearest upsampling, zero padding"
)

_ACTIVATION = "use ReLU, ReLU6, LeakyReLU, ELU, SiLU, Hardswish, GELU, Mish, Sigmoid or Tanh"
_DECOMPOSED = "save what torch.export.export returns, without run_decompositions()"
_BRANCH = "let nothing in forward depend on the values of tensors"
_NORM = "use BatchNorm2d, which folds into the requantization"
_ATTENTION = "use nn.Linear with a parameter as weight; products of activations are not supported"
_NEAREST = "use mode='nearest' with a whole scale_factor"
_PIXELS = "keep channels whole: no pixel moves into a channel, nor back"
_UPSAMPLE = "use nn.Upsample(scale_factor=2) followed by nn.Conv2d"
_ADVICE: tuple[tuple[str, str], ...] = (
    # (start of the operation's name behind its namespace, what to do); the first that fits counts
    ("wrap_with", "leave torch.no_grad(), set_grad_enabled and autocast out of forward"),
    ("cond", _BRANCH),
    ("while_loop", _BRANCH),
    ("map_impl", _BRANCH),
    ("scan", _BRANCH),
    ("item", _BRANCH),
    ("_local_scalar_dense", _BRANCH),
    ("nonzero", _BRANCH),
    ("where", f"{_BRANCH}; {_DECOMPOSED}"),
    ("gt", f"{_BRANCH}; {_DECOMPOSED}"),
    ("exp", f"{_ACTIVATION}; {_DECOMPOSED}"),
    ("celu", _ACTIVATION),
    ("selu", _ACTIVATION),
    ("rrelu", _ACTIVATION),
    ("prelu", f"its slope is learned; {_ACTIVATION}"),
    ("_prelu", f"its slope is learned; {_ACTIVATION}"),
    ("softplus", _ACTIVATION),
    ("log_sigmoid", _ACTIVATION),
    ("alpha_dropout", "use nn.Dropout"),
    ("feature_alpha_dropout", "use nn.Dropout2d"),
    ("conv_transpose", f"a transposed convolution: {_UPSAMPLE}"),
    ("conv3d", "use nn.Conv2d: three-dimensional convolutions are not computed"),
    ("slow_conv", "use nn.Conv2d"),
    ("reflection_pad", "give the next convolution padding=..., padding_mode='zeros'"),
    ("replication_pad", "give the next convolution padding=..., padding_mode='zeros'"),
    ("upsample", _NEAREST),
    ("_upsample", _NEAREST),
    ("pixel_shuffle", _UPSAMPLE),
    ("pixel_unshuffle", _PIXELS),
    ("_native_batch_norm", "export it in evaluation mode: model.eval()"),
    ("native_layer_norm", _NORM),
    ("layer_norm", _NORM),
    ("native_group_norm", _NORM),
    ("group_norm", _NORM),
    ("instance_norm", _NORM),
    ("rms_norm", _NORM),
    ("matmul", _ATTENTION),
    ("mm", _ATTENTION),
    ("bmm", _ATTENTION),
    ("addmm", _ATTENTION),
    ("scaled_dot_product", _ATTENTION),
    ("rsub", "use an addition, with the sign in the weights of a branch"),
    ("neg", "turn the sign of the weights before it"),
    ("max", "use F.max_pool2d over height and width, or leave argmax to the host"),
    ("amax", "use F.adaptive_max_pool2d(x, 1)"),
    ("argmax", "leave it out: the host finds the largest, or the accelerator where it can"),
    ("sum", "use a mean over height and width, the factor in the weights behind it"),
    ("_unsafe_index", f"{_NEAREST}; {_DECOMPOSED}"),
    ("stack", "use torch.cat along channels"),
    ("lstm", "use convolutions: recurrent layers are not computed"),
    ("gru", "use convolutions: recurrent layers are not computed"),
)


def advice_for(op: str) -> str:
    """Return what to do about operation `op`, e.g. "aten.prelu.default"."""
    name = op.removeprefix("aten.").removeprefix("higher_order.")
    fitting = (text for start, text in _ADVICE if name.startswith(start))
    return next(fitting, SUPPORTED)
