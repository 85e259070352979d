"""QONNX and QDQ files: the integer model's codes are the file's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmsmp_hls import reference
from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.onnx.load import OnnxNetwork, read_onnx
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.codebooks import decode_rows
from rmsmp_hls.numerics.requantize import quantize_values
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from tests.frontend.onnx.models import QONNX, model, node, quant, read

onnx = pytest.importorskip("onnx")
DATA = Path(__file__).parent / "data"
F32 = np.float32


def weights(*shape: int, scale: float = 0.6) -> np.ndarray:
    """Random float32, the same in every run, so that no run meets a tie by chance."""
    return np.random.default_rng([7, *shape]).normal(0, scale, shape).astype(F32)


def reference_quant() -> Any:
    """Quant by its definition, for ONNX's own evaluator."""
    from onnx.reference.op_run import OpRun

    class Quant(OpRun):
        op_domain = QONNX

        def _run(self, x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"):  # type: ignore[no-untyped-def]
            low = -(2 ** (bits - 1)) + narrow if signed else 0
            high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
            codes = np.rint(np.clip(x / scale + zero, low, high))
            return (((codes - zero) * scale).astype(np.float32),)

    return Quant


def small(**replaced: Any) -> Any:
    """Return a residual network as Brevitas writes it, by hand; parts can be replaced."""
    parts = {
        "xq": ("x", "xq", 0.03, 8, {"signed": 1}),
        "w1": ("weight1", "w1", np.abs(weights(6, 1, 1, 1)) / 7 + 0.05, 4, {"narrow": 1}),
        "a": ("r1", "a", 0.2, 4, {"signed": 0}),
        "w2": ("weight2", "w2", 0.21, 4, {"narrow": 1}),
        "b": ("c2", "b", 0.11, 6, {}),
        "s": ("r2", "s", 0.0437, 7, {"signed": 0}),
        "w3": ("weight3", "w3", 0.03, 6, {"narrow": 1}),
    } | replaced
    made = {name: quant(*p[:4], **p[4]) for name, p in parts.items() if p is not None}
    constants = {
        "zero": np.zeros((), F32), "weight1": weights(6, 3, 3, 3), "weight2": weights(6, 6, 3, 3),
        "weight3": weights(4, 54), "bias": weights(4), "n": np.array([1, -1]),
    }  # fmt: skip
    for _, names in made.values():
        constants |= names

    def maybe(name: str, source: str) -> list[Any]:
        return [made[name][0]] if name in made else [node("Identity", source, name)]

    nodes = [
        *maybe("xq", "x"), made["w1"][0], node("Conv", "xq w1", "c1", pads=[1] * 4),
        node("Relu", "c1", "r1"), *maybe("a", "r1"), made["w2"][0],
        node("Conv", "a w2", "c2", pads=[1] * 4), *maybe("b", "c2"), node("Add", "b a", "add"),
        node("Relu", "add", "r2"), *maybe("s", "r2"),
        node("MaxPool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p n", "f"), made["w3"][0], node("Transpose", "w3", "w3t", perm=[1, 0]),
        node("MatMul", "f w3t", "m"), node("Add", "m bias"),
    ]  # fmt: skip
    return model(nodes, (1, 3, 6, 6), constants, domains=[QONNX])


def lowered(network: OnnxNetwork) -> IntGraph:
    """Return the integer model of a file with quantizers of its own."""
    assert network.params is not None, network.notes
    quantized = quantize(network.graph, network.params)
    verify(quantized, "quantize")
    graph = lower(quantized)
    verify(graph, "lower")
    return graph


def coded(values: np.ndarray, form: ActFormat) -> np.ndarray:
    """Return the codes of an input."""
    return quantize_values(values, form.scale, form.low, form.high)


def integers(network: OnnxNetwork, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the codes of every tensor of the integer model."""
    graph = lowered(network)
    form = graph.input.output
    assert form is not None
    found = reference.run(graph, coded(inputs, form))
    last: Any = graph.op(graph.output)
    scale, offset = (a.array[None, :, None, None] for a in (last.logit_scale, last.logit_offset))
    return {**found, "logits": found[graph.output] * scale + offset}


def require_codes(found: np.ndarray, values: np.ndarray, form: ActFormat) -> None:
    """Require codes equal to the file's values."""
    expected = np.rint(values / form.scale).astype(np.int64).reshape(found.shape)
    np.testing.assert_array_equal(found, expected)


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    """Codes of every quantizer equal the file's semantics, and so do the logits."""
    from onnx.reference import ReferenceEvaluator

    proto = small()
    network = read(proto, tmp_path)
    assert network.notes == () and network.params is not None
    x = weights(6, 3, 6, 6, scale=1.2)
    found = integers(network, x)
    points = {"xq": "x", "a": "Relu_r1", "b": "Conv_c2", "s": "Relu_r2"}
    graph = proto.graph
    graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in points)
    evaluator = ReferenceEvaluator(proto, new_ops=[reference_quant()])
    results = [evaluator.run(None, {"x": image[None]}) for image in x]
    logits, *values = (np.concatenate(parts) for parts in zip(*results, strict=True))
    for tensor, value in zip(points.values(), values, strict=True):
        require_codes(found[tensor], value, network.params.activations[tensor])
    np.testing.assert_allclose(found["logits"][:, :, 0, 0], logits, rtol=1e-3, atol=0.15)


@pytest.mark.parametrize("name", ["quantized.onnx", "qcdq.onnx"])
def test_brevitas_exports(name: str) -> None:
    """What Brevitas exports computes the codes that qonnx's executor computes."""
    network = read_onnx(DATA / name)
    assert network.params is not None and network.notes == ()
    with np.load(DATA / "quantized.npz") as stored:
        expected = dict(stored)
    found = integers(network, expected["inputs"])
    tensors = ("x", "node_relu", "bn1_1", "node_relu_1")
    for number, tensor in enumerate(tensors):
        form = network.params.activations[tensor]
        require_codes(found[tensor], expected[f"quant_{number}"], form)
    np.testing.assert_allclose(found["logits"][:, :, 0, 0], expected["logits"], atol=0.05)


def test_weights_are_the_files_integers(tmp_path: Path) -> None:
    """The stored codes of a layer are the integers that the file's quantizer makes."""
    proto = small()
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    graph = lowered(read(proto, tmp_path))
    for layer, name, limit in (("Relu_r1", "1", 7), ("Conv_c2", "2", 7), ("MatMul_m", "3", 31)):
        op: Any = graph.op(layer)
        expected = np.rint(stored[f"weight{name}"] / stored[f"w{name}_s"]).clip(-limit, limit)
        codes = decode_rows(op.codes.array, op.formats)
        np.testing.assert_array_equal(codes.reshape(expected.shape), expected)
        assert set(op.formats) == {"Fixed-4" if limit == 7 else "Fixed-8"}


def test_wide_weights_are_refused_only_if_they_occur(tmp_path: Path) -> None:
    """An 8-bit layer is refused for codes beyond 119, which are counted; without, it loads."""
    with pytest.raises(ModelImportError, match=r"weights are integers beyond \+-119, up to 127"):
        read(small(w3=("weight3", "w3", 0.001, 8, {"narrow": 1})), tmp_path)
    network = read(small(w3=("weight3", "w3", 0.1, 8, {})), tmp_path)
    assert network.params is not None
    assert set(network.params.rows["MatMul_m"].formats) == {"Fixed-8"}


def test_a_row_with_minus_8_is_fixed_8(tmp_path: Path) -> None:
    """4-bit rows that reach -8 keep their integers in Fixed-8; the others are Fixed-4."""
    proto = small(w2=("weight2", "w2", 0.15, 4, {"narrow": 0}))
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    network = read(proto, tmp_path)
    assert network.params is not None
    ints = np.rint(stored["weight2"] / F32(0.15)).clip(-8, 7).reshape(6, -1)
    expected = tuple("Fixed-8" if row.min() < -7 else "Fixed-4" for row in ints)
    assert network.params.rows["Conv_c2"].formats == expected and "Fixed-8" in expected


def test_operands_of_an_add_take_a_derived_format(tmp_path: Path) -> None:
    """An add's operand without a quantizer takes 8 bits over twice the result's range."""
    network = read(small(b=None), tmp_path)
    assert network.params is not None
    result, operand = (network.params.activations[n] for n in ("Relu_r2", "Conv_c2"))
    assert operand.signed and operand.bits == 8
    assert operand.scale * 127 == pytest.approx(2 * result.scale * result.high)
    assert any("'Conv_c2'" in note for note in network.notes)
    lowered(network)


def test_a_missing_quantizer_is_named_or_calibrated(tmp_path: Path) -> None:
    """Without a quantizer of the input the file is a float network; a given format helps."""
    proto = small(xq=None)
    network = read(proto, tmp_path)
    assert network.params is None and any("'x'" in note for note in network.notes)
    loaded = load_model(tmp_path / "model.onnx")
    assert loaded.checkpoint is None and loaded.notes == network.notes
    form = ActFormat(8, True, 0.02)
    completed = read_onnx(tmp_path / "model.onnx", {"x": form})
    assert completed.params is not None and completed.params.activations["x"] == form
    lowered(completed)


def test_a_quantizer_between_layer_and_relu_is_kept(tmp_path: Path) -> None:
    """Codes are made where the file makes them, also in the middle of a chain."""
    xq, names = quant("x", "xq", 0.05, 8)
    mid, more = quant("c", "q", 0.3, 4)
    end, last = quant("r", "e", 0.5, 3, signed=0)
    wq, weight = quant("weight", "w", 0.1, 4, narrow=1)
    nodes = [xq, wq, node("Conv", "xq w", "c"), mid, node("Relu", "q", "r"), end,
             node("GlobalMaxPool", "e")]  # fmt: skip
    constants = {"zero": np.zeros((), F32), "weight": weights(4, 2, 1, 1)}
    proto = model(nodes, (1, 2, 5, 5), constants | names | more | last | weight, domains=[QONNX])
    network = read(proto, tmp_path)
    assert network.params is not None
    assert network.params.activations["Quant_q"] == ActFormat(4, True, float(F32(0.3)), False)
    x = weights(5, 2, 5, 5, scale=2.0)
    graph = lowered(network)
    found = reference.run(graph, coded(x, network.params.activations["x"]))
    codes = coded(x, network.params.activations["x"]) * F32(0.05)
    w = np.rint(constants["weight"][:, :, 0, 0] / F32(0.1)).clip(-7, 7) * F32(0.1)
    real = np.einsum("nchw,oc->nohw", codes, w)
    middle = np.rint(real / 0.3).clip(-8, 7) * 0.3
    expected = np.rint(np.maximum(middle, 0) / 0.5).clip(0, 7).max(axis=(2, 3), keepdims=True)
    require_codes(found[graph.output], expected * 0.5, ActFormat(3, False, 0.5))


def qdq(zero: np.ndarray, scale: Any = 0.05) -> Any:
    """Return a QDQ network of one convolution with int8 weights."""
    constants = {
        "s": np.array(scale, F32), "z": zero, "ws": np.array([0.1, 0.2], F32),
        "wi": np.array([[[[5]]], [[[-100]]]], np.int8), "wz": np.zeros(2, np.int8),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "wi ws wz", "w", axis=0), node("Conv", "d w"),
    ]  # fmt: skip
    return model(nodes, (1, 1, 1, 1), constants)


@pytest.mark.parametrize(
    ("zero", "signed", "narrow"),
    [(np.int8(0), True, False), (np.uint8(128), True, False), (np.int8(-128), False, True)],
)
def test_equal_ranges_are_equal_formats(
    zero: Any, signed: bool, narrow: bool, tmp_path: Path
) -> None:
    """A zero point at the middle is a signed format, one at the end an unsigned format."""
    network = read(qdq(np.array(zero)), tmp_path)
    assert network.params is not None
    assert network.params.activations["x"] == ActFormat(8, signed, float(F32(0.05)), narrow)
    assert network.params.rows["Conv_y"].formats == ("Fixed-8", "Fixed-8")
    codes: Any = lowered(network).op("Conv_y")
    assert decode_rows(codes.codes.array, codes.formats).ravel().tolist() == [5, -100]


REFUSED = [
    ("zero point", lambda: qdq(np.array(3, np.int8))),
    ("not positive", lambda: qdq(np.array(0, np.int8), -1.0)),
    ("scales per channel on activations",
     lambda: small(a=("r1", "a", [[[[0.1]]], [[[0.2]]]], 4, {}))),
    ("zero point 0", lambda: small(a=("r1", "a", 0.1, 9, {}))),
    ("zero point 0", lambda: small(a=("r1", "a", 0.1, 4, {"signed": 0, "narrow": 1}))),
    ("several scales within a row", lambda: small(
        w2=("weight2", "w2", np.arange(1, 4).reshape(1, 1, 1, 3) / 8, 4, {}))),
]  # fmt: skip


@pytest.mark.parametrize(("match", "make"), REFUSED)
def test_quantizers_that_cannot_be_kept(match: str, make: Any, tmp_path: Path) -> None:
    """A quantizer that the array cannot keep exactly is refused with its name."""
    with pytest.raises(ModelImportError, match=match):
        read(make(), tmp_path)


@pytest.mark.parametrize(
    ("op", "inputs", "match"),
    [("Trunc", "x s s s s", "cuts low bits"), ("BipolarQuant", "x s", "-1 and")],
)
def test_other_quantizers(op: str, inputs: str, match: str, tmp_path: Path) -> None:
    """Trunc and bipolar activations are refused with what to do."""
    proto = model([node(op, inputs, domain=QONNX)], (1, 2, 3, 3), {"s": np.ones((), F32)})
    with pytest.raises(ModelImportError, match=match):
        read(proto, tmp_path)


def test_bipolar_weights(tmp_path: Path) -> None:
    """Weights of -1 and +1 are Fixed-4 integers."""
    xq, names = quant("x", "xq", 0.05, 8)
    constants = {"zero": np.zeros((), F32), "v": weights(3, 2, 1, 1), "s": np.array(0.4, F32)}
    nodes = [xq, node("BipolarQuant", "v s", "w", domain=QONNX), node("Conv", "xq w")]
    proto = model(nodes, (1, 2, 1, 1), constants | names, domains=[QONNX])
    conv: Any = lowered(read(proto, tmp_path)).op("Conv_y")
    np.testing.assert_array_equal(
        decode_rows(conv.codes.array, conv.formats), np.where(constants["v"] >= 0, 1, -1)
    )


def test_a_tensor_quantized_in_two_ways(tmp_path: Path) -> None:
    """Two quantizers of one tensor are refused."""
    one, first = quant("x", "p", 0.05, 8)
    two, second = quant("x", "q", 0.04, 8)
    proto = model(
        [one, two, node("Add", "p q")],
        (1, 2, 3, 3),
        {"zero": np.zeros((), F32)} | first | second,
        domains=[QONNX],
    )
    with pytest.raises(ModelImportError, match="quantized in 2 ways"):
        read(proto, tmp_path)


@pytest.mark.parametrize(("kind", "signed"), [("INT4", True), ("UINT4", False)])
def test_four_bit_quantize_linear(kind: str, signed: bool, tmp_path: Path) -> None:
    """A zero point of 4 bits makes codes of 4 bits, of weights and of tensors."""
    nodes = [
        node("QuantizeLinear", "x s z", "xi"), node("DequantizeLinear", "xi s z", "xq"),
        node("QuantizeLinear", "w s4 n", "wi"), node("DequantizeLinear", "wi s4 n", "wq"),
        node("Gemm", "xq wq", transB=1),
    ]  # fmt: skip
    constants = {"s": np.array(0.3, F32), "s4": np.array(0.05, F32), "w": weights(5, 4)}
    proto = model(nodes, (1, 4), constants, opset=21)
    proto.graph.initializer.append(
        onnx.helper.make_tensor("z", onnx.TensorProto.DataType.Value(kind), [], [0])
    )
    proto.graph.initializer.append(onnx.helper.make_tensor("n", onnx.TensorProto.INT4, [], [0]))
    network = read(proto, tmp_path)
    assert network.params is not None
    form = network.params.activations["x"]
    assert (form.bits, form.signed) == (4, signed)
    (weight,) = network.graph.constants.values()
    expected = np.clip(np.rint(constants["w"] / constants["s4"]), -8, 7) * constants["s4"]
    np.testing.assert_allclose(weight.array, expected, rtol=1e-6)


def test_four_bit_integers_that_the_file_stores(tmp_path: Path) -> None:
    """Weights stored as INT4 are rows of Fixed-4, but a row with -8 is of Fixed-8."""
    codes = np.array([[-7, 7, 0, 3], [-8, 1, 2, 3]])
    nodes = [
        node("QuantizeLinear", "x s z", "xi"), node("DequantizeLinear", "xi s z", "xq"),
        node("DequantizeLinear", "w s", "wq"), node("Gemm", "xq wq", transB=1),
    ]  # fmt: skip
    proto = model(nodes, (1, 4), {"s": np.array(0.3, F32), "z": np.int8(0)}, opset=21)
    stored = onnx.helper.make_tensor("w", onnx.TensorProto.INT4, [2, 4], codes.ravel().tolist())
    proto.graph.initializer.append(stored)
    network = read(proto, tmp_path)
    assert network.params is not None
    (rows,) = network.params.rows.values()
    assert rows.formats == ("Fixed-4", "Fixed-8")


def test_a_negative_factor_turns_the_codes(tmp_path: Path) -> None:
    """Gemm with alpha < 0 computes what the evaluator does: steps of weights stay positive."""
    codes = np.random.default_rng(5).integers(-7, 8, (4, 3)).astype(np.int8)
    nodes = [
        node("QuantizeLinear", "x s z", "xi"), node("DequantizeLinear", "xi s z", "xq"),
        node("DequantizeLinear", "w s", "wq"), node("Gemm", "xq wq", alpha=-0.5),
    ]  # fmt: skip
    constants = {"s": np.array(0.3, F32), "z": np.int8(0), "w": codes}
    network = read(model(nodes, (1, 4), constants, opset=21), tmp_path)
    x = np.array([[3, -2, 1, 5]]) * F32(0.3)
    expected = x @ (codes * F32(0.3)) * -0.5
    found = integers(network, x.reshape(1, 4, 1, 1))["logits"].reshape(1, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
