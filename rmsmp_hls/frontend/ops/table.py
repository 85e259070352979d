"""Table: ATen operation -> importer.

An importer gets a `Call` and returns the float operations that compute it, the last being
the result, or a `Made` of views. It raises `ModelImportError` if FloatGraph has no equal:
nothing is converted that computes something else. To add an operation, write a function in
the module of its kind and enter it here (docs/ir.md states what FloatGraph can hold).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rmsmp_hls.frontend.advice import advice_for
from rmsmp_hls.frontend.ops import activations, convolutions, elementwise, images, pools, shapes
from rmsmp_hls.frontend.ops.call import Call, Importer, Made


def unsupported(call: Call) -> Made:
    """Refuse an operation that is not in the table, with what to do instead."""
    raise call.refuse("is not supported", advice_for(call.op))


_BY_FUNCTION: tuple[tuple[Importer, str], ...] = (
    (convolutions.convolution, "conv1d.default conv2d.default"),
    (convolutions.convolution_named_padding, "conv1d.padding conv2d.padding"),
    (convolutions.any_convolution, "convolution.default"),
    (convolutions.linear, "linear.default"),
    (convolutions.matrix_product, "addmm.default mm.default"),
    (convolutions.batch_norm, "batch_norm.default _native_batch_norm_legit_no_training.default"),
    (activations.relu, "relu.default relu_.default"),
    (activations.relu6, "relu6.default relu6_.default"),
    (activations.hardtanh, "hardtanh.default hardtanh_.default"),
    (activations.clamp, "clamp.default clamp_.default clip.default clip_.default"),
    (
        activations.clamp,
        "clamp_min.default clamp_min_.default clamp_max.default clamp_max_.default",
    ),
    (activations.function("sigmoid"), "sigmoid.default sigmoid_.default"),
    (activations.function("tanh"), "tanh.default tanh_.default"),
    (activations.function("hard_sigmoid"), "hardsigmoid.default hardsigmoid_.default"),
    (activations.function("silu"), "silu.default silu_.default"),
    (activations.function("hard_swish"), "hardswish.default hardswish_.default"),
    (
        activations.function("leaky_relu", "negative_slope"),
        "leaky_relu.default leaky_relu_.default",
    ),
    (activations.elu, "elu.default elu_.default"),
    (activations.gelu, "gelu.default gelu_.default"),
    (activations.function("mish"), "mish.default mish_.default"),
    (pools.max_pool, "max_pool1d.default max_pool2d.default max_pool2d_with_indices.default"),
    (pools.avg_pool, "avg_pool1d.default avg_pool2d.default"),
    (
        pools.adaptive_avg_pool,
        "adaptive_avg_pool1d.default adaptive_avg_pool2d.default _adaptive_avg_pool2d.default",
    ),
    (pools.adaptive_max_pool, "adaptive_max_pool1d.default adaptive_max_pool2d.default"),
    (pools.mean, "mean.dim"),
    (elementwise.add, "add.Tensor add_.Tensor add.Scalar add_.Scalar"),
    (elementwise.subtract, "sub.Tensor sub_.Tensor sub.Scalar sub_.Scalar"),
    (elementwise.multiply, "mul.Tensor mul_.Tensor mul.Scalar mul_.Scalar"),
    (elementwise.divide, "div.Tensor div_.Tensor div.Scalar div_.Scalar"),
    (elementwise.square, "square.default pow.Tensor_Scalar"),
    (images.concat, "cat.default concat.default concatenate.default"),
    (images.pad, "pad.default constant_pad_nd.default"),
    (images.upsample, "upsample_nearest1d.default upsample_nearest1d.vec"),
    (images.upsample, "upsample_nearest2d.default upsample_nearest2d.vec"),
    (images.upsample, "_upsample_nearest_exact1d.default _upsample_nearest_exact1d.vec"),
    (images.upsample, "_upsample_nearest_exact2d.default _upsample_nearest_exact2d.vec"),
    (shapes.reshape, "flatten.using_ints unflatten.int view.default reshape.default"),
    (shapes.reshape, "_unsafe_view.default view_as.default reshape_as.default"),
    (shapes.reshape, "squeeze.default squeeze.dim squeeze.dims unsqueeze.default"),
    (shapes.permute, "permute.default"),
    (shapes.transpose, "transpose.int swapaxes.default swapdims.default"),
    (shapes.expand, "expand.default expand_as.default"),
    (shapes.cut, "slice.Tensor"),
    (shapes.narrow, "narrow.default"),
    (shapes.select, "select.int"),
    (shapes.split, "split.Tensor split.sizes split_with_sizes.default chunk.default"),
    (shapes.split, "tensor_split.sections tensor_split.indices"),
    (shapes.unbind, "unbind.int"),
    (shapes.index_select, "index_select.default index.Tensor"),
    (shapes.channel_shuffle, "channel_shuffle.default native_channel_shuffle.default"),
    (shapes.dropout, "dropout.default dropout_.default"),
    (shapes.feature_dropout, "feature_dropout.default feature_dropout_.default"),
    (shapes.identity, "contiguous.default clone.default detach.default detach_.default"),
    (shapes.identity, "alias.default lift_fresh_copy.default"),
    (
        shapes.conversion,
        "to.dtype to.device to.dtype_layout to.other type_as.default _to_copy.default",
    ),
    (shapes.softmax, "softmax.int log_softmax.int _softmax.default _log_softmax.default"),
)
IMPORTERS: Mapping[str, Importer] = MappingProxyType(
    {f"aten.{op}": function for function, names in _BY_FUNCTION for op in names.split()}
)
"""ATen operation with overload -> importer. The spellings are those of the training IR, which
torch.export.export makes, and of the core ATen IR, which run_decompositions() makes."""

_SHARING = (
    shapes.reshape, shapes.permute, shapes.transpose, shapes.expand, shapes.cut, shapes.narrow,
    shapes.select, shapes.split, shapes.unbind, shapes.dropout, shapes.feature_dropout,
    shapes.identity, shapes.conversion,
)  # fmt: skip
_COPIES = (
    "clone.default", "_to_copy.default", "lift_fresh_copy.default", "_unsafe_view.default",
)  # fmt: skip
ALIASES = frozenset(
    f"aten.{op}"
    for function, names in _BY_FUNCTION
    if function in _SHARING
    for op in names.split()
    if op not in _COPIES
)
"""Operations whose result may share its memory with the first argument."""
CONVERSIONS = frozenset(
    f"aten.{op}"
    for op in ("to.dtype", "to.device", "to.dtype_layout", "to.other", "type_as.default")
)
"""Those of them that copy only where they are told to."""
MAY_COPY = CONVERSIONS | {
    f"aten.{op}"
    for op in ("reshape.default", "reshape_as.default", "flatten.using_ints", "contiguous.default")
}
"""Those of them that copy where sharing is impossible, or where they are told to."""
