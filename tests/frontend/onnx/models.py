"""Builds small ONNX models, and compares what is read of them with ONNX's own evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmsmp_hls.frontend.onnx.load import OnnxNetwork, read_onnx
from tests.frontend.onnx.execute import result

onnx = pytest.importorskip("onnx")
helper = onnx.helper

QONNX = "qonnx.custom_op.general"
RNG = np.random.default_rng(7)


def weights(*shape: int) -> np.ndarray:
    """Random float32."""
    return RNG.normal(0, 0.6, shape).astype(np.float32)


def model(
    nodes: Sequence[Any],
    shape: Sequence[Any],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
    infer: bool = False,
    domains: Sequence[str] = (),
) -> Any:
    """Return a ModelProto with the input "x" of `shape` and the output "y"."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return onnx.shape_inference.infer_shapes(made) if infer else made


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    """Return a node; names are parted by spaces, "-" is one left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    domain = attributes.pop("domain", "")
    label = f"{op}_{outputs.split()[0]}"
    return helper.make_node(op, names, outputs.split(), label, domain=domain, **attributes)


def quant(source: str, result: str, scale: float | np.ndarray, bits: int, **more: Any) -> Any:
    """Return (node, constants) of a Quant."""
    names = {f"{result}_s": np.array(scale, np.float32), f"{result}_b": np.array(bits, np.float32)}
    inputs = f"{source} {result}_s zero {result}_b"
    made = node("Quant", inputs, result, domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    for name, value in more.items():
        for attribute in made.attribute:
            if attribute.name == name:
                attribute.i = value
    return made, names


def read(proto: Any, folder: Path) -> OnnxNetwork:
    """Save the model and read it."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return read_onnx(path)


def compare(proto: Any, folder: Path, *, tolerance: float = 2e-4) -> OnnxNetwork:
    """Read the model, and require that it computes what ONNX's evaluator computes."""
    from onnx.reference import ReferenceEvaluator

    network = read(proto, folder)
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    shape = [d.dim_value or 2 for d in dims]
    x = (RNG.normal(0, 2, shape)).astype(np.float32)
    (expected,) = ReferenceEvaluator(proto).run(None, {"x": x})
    found = result(network.graph, x)
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, rtol=tolerance, atol=tolerance
    )
    return network
