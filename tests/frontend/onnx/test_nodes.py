"""Every supported node computes what ONNX's own evaluator computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmsmp_hls.ir.float_ops import Activation, Conv2d, MaxPool2d, SelectChannels
from tests.frontend.onnx.models import compare, model, node, read, weights

IMAGE = (1, 4, 7, 9)
I64 = np.int64


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=I64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def case(
    name: str, nodes: list[Any], shape: Any = IMAGE, constants: Any = None, **more: Any
) -> Any:
    return pytest.param(nodes, shape, constants or {}, more, id=name)


CONV = {"w": weights(6, 4, 3, 3), "b": weights(6)}
CASES = [
    case("conv", [node("Conv", "x w b")], constants=CONV),
    case("conv strided", [node("Conv", "x w", strides=[2, 1], pads=[1, 0, 2, 1])], constants=CONV),
    case("conv dilated", [node("Conv", "x w b", dilations=[2, 3])], constants=CONV),
    case("same upper", [node("Conv", "x w", strides=[2, 2], auto_pad="SAME_UPPER")],
         constants=CONV),
    case("same lower", [node("Conv", "x w", strides=[2, 2], auto_pad="SAME_LOWER")],
         (1, 4, 8, 8), CONV),
    case("valid", [node("Conv", "x w", auto_pad="VALID")], constants=CONV),
    case("grouped", [node("Conv", "x w", group=2)], constants={"w": weights(6, 2, 3, 3)}),
    case("depthwise", [node("Conv", "x w", group=4, pads=[1] * 4)],
         constants={"w": weights(8, 1, 3, 3)}),
    case("conv 1-D", [node("Conv", "x w b", strides=[2], pads=[2, 1], dilations=[2])], (1, 4, 15),
         {"w": weights(5, 4, 3), "b": weights(5)}),
    case("gemm", [node("Gemm", "x w b", transB=1)], (1, 6), {"w": weights(3, 6), "b": weights(3)}),
    case("gemm scaled", [node("Gemm", "x w b", alpha=0.5, beta=2.0)], (1, 6),
         {"w": weights(6, 3), "b": weights(1, 3)}),
    case("matmul add", [node("MatMul", "x w", "m"), node("Add", "b m")], (1, 6),
         {"w": weights(6, 3), "b": weights(3)}),
    case("batch norm", [node("BatchNormalization", "x s b m v", epsilon=1e-3)], constants={
        "s": weights(4), "b": weights(4), "m": weights(4), "v": weights(4) ** 2 + 0.1}),
    case("batch norm of vectors", [node("BatchNormalization", "x s b m v")], (1, 4), {
        "s": weights(4), "b": weights(4), "m": weights(4), "v": weights(4) ** 2 + 0.1}),
    case("relu", [node("Relu", "x")]),
    case("clip inputs", [node("Clip", "x lo hi")],
         constants={"lo": np.float32(-1), "hi": np.float32(1.5)}),
    case("clip one side", [node("Clip", "x - hi")], constants={"hi": np.float32(0.5)}),
    case("clip attributes", [node("Clip", "x", min=0.0, max=6.0)], opset=9),
    case("least of three", [node("Sub", "a z", "c"), node("Min", "c b a", "k"),
                           node("Max", "k z z", "l"), node("Mul", "x l")],
         (1, 4), {"a": floats(9, 4, 1, 2), "b": floats(1, 9, -1, 1), "z": floats(0, 0, 0, 0)}),
    case("sum of no axes", [node("ReduceSum", "a", "b", noop_with_empty_axes=1),
                            node("Mul", "x b")], (1, 4), {"a": floats(1, 2, 3, 4)}),
    case("sum of an empty list of axes", [node("ReduceSum", "a e", "b"), node("Mul", "x b")],
         (1, 4), {"a": floats(1, 2, 3, 4), "e": ints()}),
    case("leaky relu", [node("LeakyRelu", "x", alpha=0.1)]),
    case("prelu", [node("PRelu", "x s")], constants={"s": floats(0.2).reshape(1, 1, 1)}),
    case("elu", [node("Elu", "x", alpha=0.7)]),
    case("hard swish", [node("HardSwish", "x")]),
    case("hard sigmoid", [node("HardSigmoid", "x", alpha=1 / 6)]),
    case("sigmoid", [node("Sigmoid", "x")]),
    case("tanh", [node("Tanh", "x")]),
    case("gelu", [node("Gelu", "x")], opset=20),
    case("gelu tanh", [node("Gelu", "x", approximate="tanh")], opset=20),
    case("mish", [node("Mish", "x")], opset=18),
    case("max pool", [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2],
                           pads=[1, 0, 1, 1])]),
    case("max pool ceil", [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
         (1, 4, 8, 10)),
    case("max pool dilated", [node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])]),
    case("average pool", [node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])],
         (1, 4, 8, 8)),
    case("average pool padded", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4,
                                      count_include_pad=1)]),
    case("max pool 1-D", [node("MaxPool", "x", kernel_shape=[2], strides=[2])], (1, 4, 8)),
    case("global average", [node("GlobalAveragePool", "x")]),
    case("global max", [node("GlobalMaxPool", "x")]),
    case("mean", [node("ReduceMean", "x", axes=[2, 3], keepdims=0)]),
    case("mean, axes as input", [node("ReduceMean", "x a")], constants={"a": ints(-2, -1)},
         opset=18),
    case("add", [node("Relu", "x", "r"), node("Add", "x r")]),
    case("add pixel", [node("GlobalAveragePool", "x", "p"), node("Add", "p x")]),
    case("multiply pixel", [node("GlobalMaxPool", "x", "p"), node("Mul", "x p")]),
    case("scale", [node("Mul", "x s", "m"), node("Add", "m t", "a"), node("Div", "a s")],
         constants={"s": floats(2.5), "t": np.float32(-0.5)}),
    case("normalize per channel", [node("Sub", "x m", "s"), node("Div", "s d")], constants={
        "m": weights(1, 4, 1, 1), "d": weights(4, 1, 1) ** 2 + 0.5}),
    case("one minus", [node("Sub", "c x")], constants={"c": np.float32(1)}),
    case("concat", [node("Relu", "x", "r"), node("Concat", "x r x", axis=-3)]),
    case("split", [node("Split", "x n", "a b", axis=1), node("Concat", "b a", axis=1)],
         constants={"n": ints(1, 3)}),
    case("split evenly", [node("Split", "x", "a b", axis=1), node("Add", "b a")], opset=11),
    case("slice", [node("Slice", "x s e a t")], constants={
        "s": ints(-1), "e": ints(-100), "a": ints(1), "t": ints(-2)}),
    case("slice attributes", [node("Slice", "x", starts=[1, 0], ends=[3, 999], axes=[1, 2])],
         opset=9),
    case("gather", [node("Gather", "x i", axis=1)], constants={"i": ints(3, 0, -2)}),
    case("flatten", [node("Flatten", "x", "f"), node("Gemm", "f w", transB=1)], (1, 4, 3, 2),
         {"w": weights(5, 24)}),
    case("reshape", [node("Reshape", "x s", "f"), node("Gemm", "f w", transB=1)], (1, 4, 3, 2),
         {"w": weights(5, 24), "s": ints(0, -1)}),
    case("squeeze", [node("GlobalAveragePool", "x", "p"), node("Squeeze", "p a")],
         constants={"a": ints(2, 3)}),
    case("squeeze attributes", [node("GlobalAveragePool", "x", "p"),
                                node("Squeeze", "p", axes=[2, 3])], opset=11),
    case("unsqueeze", [node("Unsqueeze", "x a", "u"), node("Conv", "u w")], (1, 4), {
        "a": ints(2, 3), "w": weights(3, 4, 1, 1)}),
    case("shuffle", [node("Reshape", "x a", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
                     node("Reshape", "t b", "s"), node("Conv", "s w")],
         constants={"a": ints(1, 2, 2, 7, 9), "b": ints(1, -1, 7, 9), "w": weights(2, 4, 1, 1)}),
    case("back and forth", [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Relu", "t", "r"),
                            node("Transpose", "r", "y", perm=[0, 3, 1, 2])]),
    case("upsample", [node("Resize", "x - s", mode="nearest", nearest_mode="floor",
                           coordinate_transformation_mode="asymmetric")],
         constants={"s": floats(1, 1, 2, 3)}),
    case("upsample half pixel", [node("Resize", "x - - n", mode="nearest",
                                      nearest_mode="round_prefer_floor")],
         constants={"n": ints(1, 4, 14, 27)}),
    case("old upsample", [node("Upsample", "x s", mode="nearest")],
         constants={"s": floats(1, 1, 2, 2)}, opset=9),
    case("pad", [node("Pad", "x p", "q"), node("Relu", "q")],
         constants={"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    case("pad attributes", [node("Pad", "x", "q", pads=[0, 0, 1, 2, 0, 0, 3, 0]),
                            node("Conv", "q w")], constants=CONV, opset=9),
    case("no-ops", [node("Dropout", "x", "d"), node("Identity", "d", "i"),
                     node("Cast", "i", "c", to=1),
                     node("Relu", "c")]),
    case("input of rank 2", [node("Gemm", "x w", transB=1)], ("batch", 6), {"w": weights(3, 6)}),
    case("batch of 3", [node("Relu", "x", "r"), node("Flatten", "r", "f"), node("Gemm", "f w")],
         (3, 2, 2, 2), {"w": weights(8, 3)}),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "shape", "constants", "more"), CASES)
def test_computes_the_same(
    nodes: list[Any], shape: Any, constants: Any, more: Any, tmp_path: Path
) -> None:
    """What is read computes what the evaluator computes, on random input."""
    compare(model(nodes, shape, constants, **more), tmp_path)


WRITTEN_OUT = [
    ("silu", [node("Sigmoid", "x", "s"), node("Mul", "s x")]),
    ("hard_swish", [node("HardSigmoid", "x", "s", alpha=0.1667), node("Mul", "x s")]),
    ("hard_swish", [node("Add", "x three", "a"), node("Clip", "a zero six", "c"),
                    node("Mul", "x c", "m"), node("Div", "m six")]),
    ("hard_swish", [node("Add", "x three", "a"), node("Clip", "a zero six", "c"),
                    node("Div", "c six", "d"), node("Mul", "d x")]),
    ("hard_sigmoid", [node("Add", "x three", "a"), node("Clip", "a zero six", "c"),
                      node("Div", "c six")]),
    ("gelu", [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
              node("Mul", "x a", "m"), node("Mul", "m half")]),
    ("gelu", [node("Mul", "x half", "h"), node("Div", "x root", "d"), node("Erf", "d", "e"),
              node("Add", "one e", "a"), node("Mul", "h a")]),
    ("mish", [node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t")]),
]  # fmt: skip
NUMBERS = {"zero": 0.0, "three": 3.0, "six": 6.0, "one": 1.0, "half": 0.5, "root": 2**0.5}


@pytest.mark.parametrize(("function", "nodes"), WRITTEN_OUT)
def test_functions_that_are_written_out(function: str, nodes: list[Any], tmp_path: Path) -> None:
    """A function written out by the exporter is one activation, and computes the same."""
    constants = {name: np.float32(value) for name, value in NUMBERS.items()}
    # 0.1667 instead of 1/6, as torch exports it, makes 1e-4 times the value
    network = compare(model(nodes, IMAGE, constants), tmp_path, tolerance=1e-3)
    (_, op) = network.graph.ops
    assert isinstance(op, Activation) and op.function == function


def test_what_only_resembles_a_function_stays(tmp_path: Path) -> None:
    """x * sigmoid(1.2 x) is no silu: it stays a multiplication."""
    nodes = [node("Mul", "x c", "m"), node("Sigmoid", "m", "s"), node("Mul", "x s")]
    network = compare(model(nodes, IMAGE, {"c": np.float32(1.2)}), tmp_path)
    kinds = [type(op).__name__ for op in network.graph.ops]
    assert kinds == ["Input", "BatchNorm", "Activation", "Multiply"]


def test_a_function_of_a_clamped_tensor_stays(tmp_path: Path) -> None:
    """x * sigmoid(x) whose x is clamped far out is no silu there."""
    nodes = [node("Clip", "x lo hi", "c"), node("Sigmoid", "x", "s"), node("Mul", "c s")]
    constants = {"lo": np.float32(-500), "hi": np.float32(500)}
    network = compare(model(nodes, IMAGE, constants), tmp_path)
    kinds = [type(op).__name__ for op in network.graph.ops]
    assert kinds == ["Input", "Clamp", "Activation", "Multiply"]


def test_a_tower_of_products_is_read(tmp_path: Path) -> None:
    """Each reads the one below twice: what is looked for in them is found without doubling."""
    nodes = [node("Tanh", "x", "m0"), *(node("Mul", f"m{i} m{i}", f"m{i + 1}") for i in range(40)),
             node("Relu", "m40")]  # fmt: skip
    graph = read(model(nodes, IMAGE), tmp_path).graph
    assert [type(op).__name__ for op in graph.ops] == [
        "Input", "Activation", *["Multiply"] * 40, "Clamp"
    ]  # fmt: skip


def test_pads_become_the_convolutions_padding(tmp_path: Path) -> None:
    """A Pad that only a convolution reads is its padding."""
    nodes = [node("Pad", "x p", "q"), node("Conv", "q w")]
    constants = {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0]), "w": weights(2, 4, 3, 3)}
    (_, conv) = compare(model(nodes, IMAGE, constants), tmp_path).graph.ops
    assert isinstance(conv, Conv2d) and conv.window.padding == (1, 2, 3, 0)


def test_ceil_mode_is_padding_at_the_end(tmp_path: Path) -> None:
    """ceil_mode of a maximum pool becomes padding behind the image."""
    nodes = [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)]
    (_, pool) = compare(model(nodes, (1, 2, 8, 8)), tmp_path).graph.ops
    assert isinstance(pool, MaxPool2d) and pool.window.padding == (0, 0, 1, 1)


def test_a_shuffle_is_one_selection(tmp_path: Path) -> None:
    """Reshape, transpose, reshape of groups is a selection of channels."""
    nodes = [
        node("Reshape", "x a", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "t b"),
    ]
    constants = {"a": ints(1, 3, 2, 2, 2), "b": ints(1, 6, 2, 2)}
    (_, select) = compare(model(nodes, (1, 6, 2, 2), constants), tmp_path).graph.ops
    assert isinstance(select, SelectChannels) and select.indices == (0, 2, 4, 1, 3, 5)
