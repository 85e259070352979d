"""Whole networks as PyTorch's two exporters write them, and what is left to the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.onnx.load import load_onnx
from rmsmp_hls.ir.float_ops import Activation, Linear, SelectChannels, Upsample
from tests.frontend.onnx.execute import result
from tests.frontend.onnx.models import RNG, compare, model, node, read, weights

onnx = pytest.importorskip("onnx")
DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("name", ["traced.onnx", "exported.onnx"])
def test_exports_of_torch(name: str) -> None:
    """A network of every kind of layer computes what ONNX's evaluator computes."""
    from onnx.reference import ReferenceEvaluator

    graph = load_onnx(DATA / name)
    x = RNG.normal(0, 1, (1, *graph.input.shape)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(DATA / name)).run(None, {"x": x})
    found = result(graph, x)
    softmax = np.exp(found) / np.exp(found).sum()
    np.testing.assert_allclose(softmax, expected, rtol=1e-4, atol=1e-4)
    functions = [op.function for op in graph.of_type(Activation)]  # type: ignore[attr-defined]
    assert functions == ["gelu", "hard_swish", "silu", "hard_sigmoid", "mish", "elu"]
    assert len(list(graph.of_type(SelectChannels))) == 4 and list(graph.of_type(Upsample))


@pytest.mark.parametrize("name", ["traced.onnx", "exported.onnx"])
def test_layers_have_their_names_in_torch(name: str) -> None:
    """Where the file keeps the parameters' names, layers have the names of their modules."""
    graph = load_onnx(DATA / name)
    names = {op.name for op in graph}
    assert {"stem", "block.squeeze", "block.project", "head", "classifier"} <= names
    assert "classifier.weight" in graph.constants


def test_load_model_takes_onnx_by_content(tmp_path: Path) -> None:
    """The name of the file does not matter; what it leaves to the host is a note."""
    path = tmp_path / "model.bin"
    path.write_bytes((DATA / "traced.onnx").read_bytes())
    found = load_model(path)
    assert found.checkpoint is None and found.graph == load_onnx(DATA / "traced.onnx")
    (note,) = found.notes
    assert "Softmax at the end" in note and "left to the host" in note


def test_load_model_takes_quantizers_along() -> None:
    """A file with quantizers of its own is a checkpoint: nothing is calibrated."""
    found = load_model(DATA / "quantized.onnx")
    assert found.checkpoint is not None and found.checkpoint.graph == found.graph
    assert found.checkpoint.params.ratio == pytest.approx((0, 16 / 21 * 100, 5 / 21 * 100))


def test_a_bias_behind_a_matrix_is_the_layers(tmp_path: Path) -> None:
    """MatMul and Add of a vector are one linear layer."""
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b")]
    proto = model(nodes, ("n", 6), {"w": weights(6, 3), "b": weights(3)})
    (_, linear) = compare(proto, tmp_path).graph.ops
    assert isinstance(linear, Linear) and linear.bias


def test_a_matrix_that_others_read_keeps_its_sum(tmp_path: Path) -> None:
    """Where the product itself is read too, the vector is added by an operation of its own."""
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "s"), node("Mul", "m s")]
    compare(model(nodes, ("n", 6), {"w": weights(6, 3), "b": weights(3)}), tmp_path)


def test_a_bias_behind_an_alias_is_not_the_layers(tmp_path: Path) -> None:
    """A product that is read by another name too does not get the vector."""
    nodes = [
        node("MatMul", "x w", "m"), node("Identity", "m", "i"), node("Add", "i b", "s"),
        node("Relu", "m", "r"), node("Add", "s r"),
    ]  # fmt: skip
    compare(model(nodes, ("n", 6), {"w": weights(6, 3), "b": weights(3)}), tmp_path)


def test_what_nobody_needs_is_left_out(tmp_path: Path) -> None:
    """Nodes that the result does not depend on are not even looked at."""
    nodes = [node("Relu", "x", "y"), node("NonZero", "x", "z")]
    assert len(read(model(nodes, (1, 2, 3, 3)), tmp_path).graph.ops) == 2


def test_initializers_may_be_inputs(tmp_path: Path) -> None:
    """Old files list initializers among the inputs."""
    proto = model([node("Conv", "x w")], (1, 2, 3, 3), {"w": weights(2, 2, 1, 1)}, opset=9)
    proto.graph.input.append(
        onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, (2, 2, 1, 1))
    )
    assert len(read(proto, tmp_path).graph.ops) == 2


def test_vectors_that_are_images_again(tmp_path: Path) -> None:
    """Squeeze-and-excite by linear layers: (F,) becomes (F, 1, 1)."""
    nodes = [
        node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"),
        node("Gemm", "f w", "g", transB=1), node("Sigmoid", "g", "s"),
        node("Reshape", "s n", "r"), node("Mul", "r x"),
    ]  # fmt: skip
    constants = {"w": weights(4, 4), "n": np.array([-1, 4, 1, 1])}
    compare(model(nodes, (1, 4, 3, 5), constants), tmp_path)
