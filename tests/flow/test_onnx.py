"""ONNX and QONNX files go the whole way; a file's own quantizers need no calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rmsmp_hls.cli.program import program
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.serialize import load_graph
from tests.flow.models import build
from tests.frontend.onnx.models import QONNX, model, node, quant, weights

pytest.importorskip("onnx")
DATA = Path(__file__).parents[1] / "frontend" / "onnx" / "data"
F32 = np.float32


def run(*arguments: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(program, [str(part) for part in arguments])


def mixed() -> Any:
    """Return a QONNX network of two branches, one of them grouped, a concatenation and a
    hard swish."""
    parts = {
        "xq": ("x", 0.03, 8, {"signed": 1}),
        "w1": ("weight1", 0.11, 4, {"narrow": 1}),
        "w2": ("weight2", np.abs(weights(4, 1, 1, 1)) / 20 + 0.02, 8, {"narrow": 1}),
        "a": ("r1", 0.125, 4, {"signed": 0}),
        "b": ("r2", 0.125, 4, {"signed": 0}),
        "w3": ("weight3", 0.09, 4, {"narrow": 1}),
        "d": ("c3", 0.07, 8, {"signed": 1}),
        "h": ("s", 0.05, 8, {"signed": 1}),
        "w4": ("weight4", 0.02, 7, {"narrow": 1}),
    }
    made = {name: quant(source, name, *rest[:2], **rest[2]) for name, (source, *rest) in
            parts.items()}  # fmt: skip
    constants = {
        "zero": np.zeros((), F32), "weight1": weights(6, 4, 3, 3), "weight2": weights(4, 2, 1, 1),
        "weight3": weights(10, 1, 3, 3), "weight4": weights(5, 10), "bias": weights(5),
    }  # fmt: skip
    for _, names in made.values():
        constants |= names
    q = {name: part[0] for name, part in made.items()}
    nodes = [
        q["xq"], q["w1"], node("Conv", "xq w1", "c1", pads=[1] * 4), node("Relu", "c1", "r1"),
        q["a"], q["w2"], node("Conv", "xq w2", "c2", group=2), node("Relu", "c2", "r2"), q["b"],
        node("Concat", "a b", "cat", axis=-3), q["w3"],
        node("Conv", "cat w3", "c3", group=10, strides=[2, 2], auto_pad="SAME_LOWER"), q["d"],
        node("HardSwish", "d", "s"), q["h"], node("GlobalAveragePool", "h", "m"),
        node("Flatten", "m", "f"), q["w4"], node("Gemm", "f w4 bias", transB=1),
    ]  # fmt: skip
    return model(nodes, ("batch", 4, 6, 6), constants, domains=[QONNX])


def lowered(out: Path) -> IntGraph:
    """Return the integer network of a build."""
    graph: Any = load_graph(out / "3_lower" / "int.json")
    return graph


@pytest.mark.slow  # compiles a testbench
@pytest.mark.parametrize("name", ["quantized", "qcdq", "mixed"])
def test_quantizers_of_the_file_are_built_as_they_are(name: str, tmp_path: Path) -> None:
    """Bit-exact without calibration; every scale and width of the file is in the build."""
    path = DATA / f"{name}.onnx"
    if name == "mixed":
        path = tmp_path / "mixed.onnx"
        path.write_bytes(mixed().SerializeToString())
    assert run("check", path, "--board", "zcu102").exit_code == 0
    checkpoint = load_model(path).checkpoint
    assert checkpoint is not None
    built = build(path, tmp_path / "build")
    assert [run.mismatches for run in built.report.csim] == [0]
    found = {op.output for op in lowered(built.out) if op.output is not None}
    assert found == set(checkpoint.params.activations.values())
    if name == "mixed":
        assert {0.03, 0.05, 0.07, 0.125} <= {round(form.scale, 6) for form in found}


@pytest.mark.slow  # compiles a testbench
def test_a_float_file_is_calibrated(tmp_path: Path) -> None:
    """`quantize --calib` writes a checkpoint, which builds to the bit."""
    path = DATA / "traced.onnx"
    np.save(tmp_path / "images.npy", np.random.default_rng(1).normal(size=(8, 3, 10, 10)))
    written = tmp_path / "net.pt"
    found = run("quantize", path, "--calib", tmp_path / "images.npy", "-o", written)
    assert found.exit_code == 0, found.output
    built = build(written, tmp_path / "build")
    assert [run.mismatches for run in built.report.csim] == [0]


@pytest.mark.parametrize("double", [False, True])
def test_numbers_between_layers_and_float64_are_calibrated(double: bool, tmp_path: Path) -> None:
    """x * 0.5 + 0.5 is a batch norm of the network's number type, float32; float64 is noted."""
    nodes = [
        node("Conv", "x w", "c"), node("Relu", "c", "r"), node("Mul", "r k", "m"),
        node("Add", "m k", "a"), node("GlobalAveragePool", "a", "p"), node("Flatten", "p", "f"),
        node("Gemm", "f g"),
    ]  # fmt: skip
    kind = np.float64 if double else np.float32
    constants = {"w": weights(6, 4, 3, 3), "g": weights(6, 5), "k": np.array(0.5)}
    made = model(nodes, (1, 4, 8, 8), {k: a.astype(kind) for k, a in constants.items()})
    made.graph.input[0].type.tensor_type.elem_type = 11 if double else 1
    path = tmp_path / "net.onnx"
    path.write_bytes(made.SerializeToString())
    read = load_model(path)
    assert {c.array.dtype for c in read.graph.constants.values()} == {np.dtype(np.float32)}
    assert any("become float32" in note for note in read.notes) == double
    np.save(tmp_path / "images.npy", np.random.default_rng(1).normal(size=(4, 4, 8, 8)))
    written = tmp_path / "net.pt"
    found = run("quantize", path, "--calib", tmp_path / "images.npy", "-o", written)
    assert found.exit_code == 0, found.output
