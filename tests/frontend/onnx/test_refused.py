"""What cannot be imported is named, all of it, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmsmp_hls.errors import ModelImportError
from tests.frontend.onnx.models import model, node, read, weights

onnx = pytest.importorskip("onnx")
IMAGE = (1, 4, 6, 6)


def case(
    match: str, nodes: list[Any], constants: Any = None, shape: Any = IMAGE, **more: Any
) -> Any:
    return pytest.param(match, nodes, constants or {}, shape, more, id=match)


W = {"w": weights(4, 4, 3, 3)}
CASES = [
    case("nearest neighbour upsampling", [node("ConvTranspose", "x w")], W),
    case(r"clip\(0\.2 x \+ 0\.5, 0, 1\)", [node("HardSigmoid", "x")]),
    case("count_include_pad=0", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4)]),
    case("reach past the border", [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2],
                                        ceil_mode=1)]),
    case("has dilations", [node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 1])],
         opset=19),
    case("returns indices", [node("MaxPool", "x", "y i", kernel_shape=[2, 2])]),
    case("only the mean over height and width", [node("ReduceMean", "x", axes=[1])]),
    case("equal shape", [node("ReduceMean", "x", "m", axes=[2, 3]), node("Add", "x m", "a"),
                         node("MaxPool", "x", "p", kernel_shape=[2, 2]), node("Add", "a p")]),
    case("one per channel", [node("Add", "x c")], {"c": weights(1, 1, 6, 6)}),
    case("subtracts two tensors", [node("Relu", "x", "r"), node("Sub", "x r")]),
    case("divides by a tensor", [node("Relu", "x", "r"), node("Div", "x r")]),
    case("slope per channel", [node("PRelu", "x s")], {"s": weights(4, 1, 1)}),
    case("nothing but padding", [node("MaxPool", "x", kernel_shape=[2, 2], pads=[2] * 4)]),
    case("nothing but padding", [node("MaxPool", "x", kernel_shape=[2, 2], pads=[1] * 4,
                                      dilations=[7, 1])]),
    case(r"a bias of shape \[2, 1\] for 2 rows", [node("Flatten", "x", "f"),
                                                 node("Gemm", "f w b")],
         {"w": weights(144, 2), "b": weights(2, 1)}),
    case("keep_aspect_ratio_policy 'not_larger'", [node(
        "Resize", "x - - s", keep_aspect_ratio_policy="not_larger", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric")], {"s": np.array([1, 4, 12, 12])}, opset=18),
    case("has 3 inputs, not 2", [node("Add", "a a a", "b"), node("Mul", "x b")],
         {"a": weights(1)}),
    case("has 2 inputs, not 1", [node("Abs", "a a", "b"), node("Mul", "x b")], {"a": weights(1)}),
    case("makes number type 17", [node("QuantizeLinear", "w s", "q", output_dtype=17),
                                  node("DequantizeLinear", "q s", "d"), node("Conv", "x d")],
         W | {"s": np.float32(0.1)}, opset=21),
    case("another scale or zero point", [
        node("QuantizeLinear", "w s", "q", axis=0), node("DequantizeLinear", "q s", "d", axis=1),
        node("Conv", "x d")], W | {"s": np.full(4, 0.1, np.float32)}, opset=21),
    case("a zero point that is no integer", [
        node("Quant", "w s h b", "q", domain="qonnx.custom_op.general"), node("Conv", "x q")],
         W | {"s": np.float32(0.1), "h": np.float32(0.5), "b": np.float32(4)},
         domains=["qonnx.custom_op.general"]),
    case(r"clip\(0\.1675 x", [node("HardSigmoid", "x", alpha=0.1675)]),
    case("cuts 134217728 channels", [node("Flatten", "x", "f"), node("Slice", "f s e a")],
         {"s": np.array([1]), "e": np.array([1 << 30]), "a": np.array([1])}, (1, 8, 4096, 4096)),
    case("makes a tensor of the size", [node("Resize", "x - s", mode="nearest")],
         {"s": np.array([1, 1, 1024, 1024], np.float32)}, (1, 8, 4096, 4096)),
    case("whose elements were reordered", [
        node("Reshape", "x s", "r"), node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("Reshape", "t q", "u"), node("Conv", "u w")],
         {"s": np.array([1, 4096, 4096]), "q": np.array([1, 1 << 24, 1, 1]),
          "w": weights(1, 1, 1, 1)}, (1, 1, 4096, 4096)),
    case("joins along axis 2", [node("Concat", "x x", axis=2)]),
    case("selects along axis 2", [node("Slice", "x s e a")], {
        "s": np.array([0]), "e": np.array([2]), "a": np.array([2])}),
    case("reordered", [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Conv", "t w")], W),
    case("whose first dimension is not the batch", [
        node("Reshape", "x s", "r"), node("Gemm", "r w")],
        {"s": np.array([4, 36]), "w": weights(36, 3)}),
    case("pad with zeros", [node("Pad", "x p", mode="reflect")],
         {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}),
    case("does not repeat every pixel", [node(
        "Resize", "x - s", mode="nearest", nearest_mode="ceil",
        coordinate_transformation_mode="asymmetric")],
        {"s": np.array([1, 1, 2, 2], np.float32)}),
    case("whole factors", [node("Resize", "x - s", mode="linear")],
         {"s": np.array([1, 1, 2, 2], np.float32)}),
    case("whole factors", [node("Resize", "x - s", mode="nearest")],
         {"s": np.array([1, 1, 1.5, 1.5], np.float32)}),
    case("inside of the network", [node("Softmax", "x", "s", axis=1), node("Relu", "s")]),
    case("softmax inside", [node("Softmax", "x", axis=0)]),
    case("only as a part of gelu", [node("Erf", "x")]),
    case("changes the number type", [node("Cast", "x", "c", to=10), node("Relu", "c")]),
    case("flatten to", [node("MatMul", "x w")], {"w": weights(6, 6)}),
    case("statistics of the batch", [node("BatchNormalization", "x a a a a", training_mode=1)],
         {"a": np.ones(4, np.float32)}),
    case("variance that is not positive", [node("BatchNormalization", "x a a a v")],
         {"a": np.ones(4, np.float32), "v": np.array([1, 1, 0, -1], np.float32)}),
    case("NaN or infinite", [node("Conv", "x w")],
         {"w": np.full((1, 4, 1, 1), np.nan, np.float32)}),
    case("of type float16", [node("Conv", "x w")], {"w": np.ones((1, 4, 1, 1), np.float16)}),
    case("does not fit an image", [node("Conv", "x w", dilations=[4, 4])], W),
    case("domain", [node("Conv", "x w", domain="com.evil")], W),
    case("in a cycle", [node("Add", "x y", "a"), node("Relu", "a")]),
    case("makes 'y' twice", [node("Relu", "x"), node("Relu", "x")]),
    case("cannot have", [node("MaxPool", "x")]),
    case("is not a constant", [node("Conv", "x")]),
    case("has the shape", [node("Relu", "x")], {}, (1, 4, "h", 6)),
    case("has the shape", [node("Relu", "x")], {}, (1, 4, 1 << 40, 6)),
    case("computes nothing", [node("Identity", "x")]),
    case("computes nothing", [node("Constant", "", "y", value_float=1.0)]),
    case("a constant of", [node("ConstantOfShape", "s", "c"), node("Add", "x c")],
         {"s": np.array([1 << 20, 1 << 20])}),
    case("opset 8", [node("Relu", "x")], opset=8),
    case("opset 22", [node("Relu", "x")], opset=22),
    case("returns 2 results", [node("Relu", "x"), node("Relu", "x", "z")], outputs=("y", "z")),
]  # fmt: skip


@pytest.mark.parametrize(("match", "nodes", "constants", "shape", "more"), CASES)
def test_refused(
    match: str, nodes: list[Any], constants: Any, shape: Any, more: Any, tmp_path: Path
) -> None:
    """The message names the file and says what is wrong and what to do."""
    with pytest.raises(ModelImportError, match=match) as caught:
        read(model(nodes, shape, constants, **more), tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_everything_is_gathered(tmp_path: Path) -> None:
    """All nodes that stand in the way are listed at once, those behind others too."""
    nodes = [
        node("ConvTranspose", "x w", "a"),
        node("InstanceNormalization", "a s s", "b"),
        node("Conv", "b v", "c", dilations=[9, 9]),
        node("LSTM", "c w w", "d"),
        node("Relu", "d"),
    ]
    constants = {"w": weights(4, 4, 1, 1), "s": np.ones(4, np.float32), "v": weights(4, 4, 3, 3)}
    with pytest.raises(ModelImportError) as caught:
        read(model(nodes, IMAGE, constants), tmp_path)
    kinds = [finding.what.split(":")[0] for finding in caught.value.findings]
    assert kinds == ["ConvTranspose", "InstanceNormalization", "Conv", "LSTM"]
    assert all(finding.fix for finding in caught.value.findings)


def test_control_flow(tmp_path: Path) -> None:
    """If and Loop are refused; their graphs are not walked."""
    inner = onnx.helper.make_graph(
        [node("Relu", "x", "i")], "g", [], [onnx.helper.make_empty_tensor_value_info("i")]
    )
    choice = node("If", "c", then_branch=inner, else_branch=inner)
    proto = model([choice], IMAGE, {"c": np.array(True)})
    with pytest.raises(ModelImportError, match=r"If: is not supported(.|\n)*values of tensors"):
        read(proto, tmp_path)


def test_several_inputs(tmp_path: Path) -> None:
    """A network of two inputs is refused."""
    proto = model([node("Add", "x z")], IMAGE)
    proto.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, IMAGE))
    with pytest.raises(ModelImportError, match="takes 2 inputs"):
        read(proto, tmp_path)


def test_functions_of_the_file(tmp_path: Path) -> None:
    """Functions that a file defines are refused, with how to write them out."""
    proto = model([node("Twice", "x", domain="own")], IMAGE, domains=["own"])
    proto.functions.append(
        onnx.helper.make_function(
            "own",
            "Twice",
            ["a"],
            ["b"],
            [node("Add", "a a", "b")],
            [onnx.helper.make_opsetid("", 17)],
        )
    )
    with pytest.raises(ModelImportError, match="inline_local_functions"):
        read(proto, tmp_path)
