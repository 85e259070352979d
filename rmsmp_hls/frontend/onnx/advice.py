"""What to do instead of a node that the array does not compute."""

from __future__ import annotations

SUPPORTED = (
    "supported are Conv, Gemm and MatMul by constants, BatchNormalization, activation functions, "
    "pooling, Add, Mul, Concat, Split, Slice and Gather of channels, nearest Resize, Pad with "
    "zeros, and Reshape and Transpose that keep the order or shuffle channels"
)
_NORM = "use BatchNorm2d, which folds into the requantization"
_BRANCH = "let nothing depend on the values of tensors, and export again"
_LINEAR = "use linear layers with constant weights"
_QDQ = "export quantizers as QuantizeLinear / DequantizeLinear pairs (QDQ), or as QONNX Quant"
_ADVICE = {
    "ConvTranspose": "use nearest neighbour upsampling (nn.Upsample) and a convolution",
    "If": _BRANCH,
    "Loop": _BRANCH,
    "Scan": _BRANCH,
    "Where": _BRANCH,
    "NonZero": _BRANCH,
    "NonMaxSuppression": "end the network before it: the host computes it",
    "TopK": "end the network before it: the host computes it",
    "ArgMax": "end the network before it: the accelerator returns the top-1 index by itself",
    "Softmax": "softmax inside of the network is not computed; at its end the host does",
    "LogSoftmax": "softmax inside of the network is not computed; at its end the host does",
    "InstanceNormalization": _NORM,
    "LayerNormalization": _NORM,
    "GroupNormalization": _NORM,
    "LRN": _NORM,
    "MeanVarianceNormalization": _NORM,
    "LSTM": "recurrent layers are not computed; use convolutions",
    "GRU": "recurrent layers are not computed; use convolutions",
    "RNN": "recurrent layers are not computed; use convolutions",
    "Attention": _LINEAR,
    "Einsum": _LINEAR,
    "DepthToSpace": "use nearest neighbour upsampling (nn.Upsample) and a convolution",
    "SpaceToDepth": "use a convolution of stride 2",
    "Selu": "use Elu or Relu",
    "Celu": "use Elu or Relu",
    "Softplus": "only as a part of mish; use Relu",
    "Erf": "only as a part of gelu; use Gelu or Relu",
    "QLinearConv": _QDQ,
    "QLinearMatMul": _QDQ,
    "QLinearAdd": _QDQ,
    "ConvInteger": _QDQ,
    "MatMulInteger": _QDQ,
    "DynamicQuantizeLinear": _QDQ,
    "MultiThreshold": "export the model before FINN streamlines it, as QONNX with Quant nodes",
}


def advice_for(op: str) -> str:
    """Return what to do about nodes of operation type `op`."""
    return _ADVICE.get(op, SUPPORTED)
