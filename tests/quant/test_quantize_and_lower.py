"""FloatGraph -> QuantGraph -> IntGraph -> integers, against a slow real-valued evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls import reference
from rmsmp_hls.errors import LoweringError, QuantizationError
from rmsmp_hls.ir.float_ops import AvgPool2d, MaxPool2d
from rmsmp_hls.ir.graph import Graph, QuantGraph
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantAvgPool,
    QuantFlatten,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantRequantize,
)
from rmsmp_hls.ir.types import ConstTensor, Window
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.codebooks import CODEBOOKS, decode_rows
from rmsmp_hls.numerics.requantize import quantize_values
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.quantize import quantize
from tests.networks import NetworkBuilder, params_for, residual_network


def _windows(x: np.ndarray, window: Window, fill: float) -> np.ndarray:
    """Slow window gather: [N, C, OH, OW, taps]."""
    n, c, h, w = x.shape
    oh, ow = window.output_size(h, w)
    out = np.full((n, c, oh, ow, window.kernel[0] * window.kernel[1]), fill, dtype=np.float64)
    for y in range(oh):
        for xx in range(ow):
            for ky in range(window.kernel[0]):
                for kx in range(window.kernel[1]):
                    iy = y * window.stride[0] - window.padding[0] + ky * window.dilation[0]
                    ix = xx * window.stride[1] - window.padding[1] + kx * window.dilation[1]
                    if 0 <= iy < h and 0 <= ix < w:
                        out[:, :, y, xx, ky * window.kernel[1] + kx] = x[:, :, iy, ix]
    return out


def evaluate(graph: QuantGraph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Real-valued evaluation of a QuantGraph by docs/numerics.md; returns values per tensor."""
    values: dict[str, np.ndarray] = {}
    for op in graph:
        sources = [values[name] for name in op.inputs]
        if isinstance(op, QuantInput):
            values[op.name] = codes * op.output.scale
            continue
        if isinstance(op, QuantFlatten):
            values[op.name] = sources[0].reshape(len(codes), -1)
            continue
        if isinstance(op, QuantMaxPool):
            values[op.name] = _windows(sources[0], op.window, -np.inf).max(axis=-1)
            continue
        if isinstance(op, QuantMatmul):
            weight = decode_rows(op.codes.array, op.formats).astype(np.float64)
            weight *= op.row_scales.array.reshape(-1, *[1] * (weight.ndim - 1))
            if op.window is None:
                y = sources[0] @ weight.T
                real = y * op.gain.array + op.offset.array
            else:
                taps = _windows(sources[0], op.window, 0.0)
                flat = weight.reshape(*weight.shape[:2], -1)
                y = np.einsum("nchwt,oct->nohw", taps, flat)
                real = y * op.gain.array[:, None, None] + op.offset.array[:, None, None]
        elif isinstance(op, QuantAdd):
            real = sources[0] + sources[1]
        elif isinstance(op, QuantAvgPool):
            real = _windows(sources[0], op.window, 0.0).mean(axis=-1)
        else:
            assert isinstance(op, QuantRequantize)
            real = sources[0]
        real = np.clip(real, op.low, op.high)
        if op.output is not None:
            f = op.output
            real = quantize_values(real, f.scale, f.low, f.high) * f.scale
        values[op.name] = real
    return values


@pytest.mark.parametrize("shift_add", ["SP2-4", "PoT-4", "APoT-4"])
@pytest.mark.parametrize("signed", [True, False])
def test_integer_network_equals_real_evaluation_up_to_ties(shift_add: str, signed: bool) -> None:
    """Every tensor's codes agree but for roundings near a tie, and then by one code."""
    graph = residual_network(3)
    params = params_for(graph, shift_add, input_signed=signed)
    quantized = quantize(graph, params)
    verify(quantized, "quantize")
    integer = lower(quantized)
    verify(integer, "lower")
    first = integer.input
    rng = np.random.default_rng(1)
    codes = rng.integers(first.output.low, first.output.high + 1, (6, *first.shape))
    found = reference.run(integer, codes)
    expected = evaluate(quantized, codes)
    for op in quantized:
        if op.name not in found:
            continue
        real = expected[op.name].reshape(found[op.name].shape)
        if op.output is None:
            logits = reference.logits(integer, found[op.name])
            assert np.abs(logits - real).max() <= 0.05 * np.abs(real).max()
            continue
        off = np.abs(found[op.name] - np.rint(real / op.output.scale))
        assert off.max() <= 1, op.name
        assert (off > 0).mean() < 0.01, op.name


def test_argmax_uses_one_scale_for_all_rows() -> None:
    """The integer argmax picks the class of the largest real logit."""
    graph = residual_network(4)
    integer = lower(quantize(graph, params_for(graph)))
    assert integer.argmax
    first = integer.input
    codes = np.random.default_rng(2).integers(-100, 100, (64, *first.shape))
    acc = reference.run(integer, codes)[integer.output]
    real = reference.logits(integer, acc)[:, :, 0, 0]
    picked = reference.argmax(integer, acc)
    chosen = real[np.arange(len(real)), picked]
    assert (real.max(axis=1) - chosen <= 1e-4 * np.abs(real).max()).all()


def test_weight_codes_do_not_change_in_lowering() -> None:
    """Batch norm folds into multipliers and biases only."""
    graph = residual_network(5)
    quantized = quantize(graph, params_for(graph))
    integer = lower(quantized)
    for op in quantized.of_type(QuantMatmul):
        lowered = integer.op(op.name)
        assert lowered.codes.array.reshape(-1).tolist() == op.codes.array.reshape(-1).tolist()
        assert lowered.formats == op.formats


@pytest.mark.parametrize("name", list(CODEBOOKS))
@pytest.mark.parametrize("bits,signed", [(4, False), (4, True), (8, False), (8, True)])
def test_no_input_overflows_the_accumulator(name: str, bits: int, signed: bool) -> None:
    """The inputs that reach the bound stay inside acc_bits, shifted nibbles included."""
    net = NetworkBuilder((5, 4, 4), 7)
    net.conv(6, Window(kernel=(3, 3)))
    graph = net.graph()
    from rmsmp_hls.ir.types import ActFormat
    from rmsmp_hls.quant.params import RowParams

    weight = np.asarray(graph.constants["conv1.weight"].array)
    book = CODEBOOKS[name]
    scales = np.abs(weight.reshape(6, -1)).max(axis=1) / book.max_magnitude
    params = QuantParams(
        {"x": ActFormat(bits, signed, 0.1), "conv1": ActFormat(8, True, 100.0)},
        {"conv1": RowParams((name,) * 6, ConstTensor(scales.astype(np.float64)))},
        (65, 30, 5),
        "SP2-4",
        input_bits=bits,
    )
    op = lower(quantize(graph, params)).op("conv1")
    weights = decode_rows(op.codes.array, op.formats).reshape(6, -1)
    form = params.activations["x"]
    limit = 1 << (op.acc_bits - 1)
    for row in weights:
        worst = np.where(row > 0, form.high, form.low)
        best = np.where(row > 0, form.low, form.high)
        for activations in (worst, best):
            assert -limit <= int((row * activations).sum()) < limit
        nibbles = np.where(row > 0, -8, 7), np.where(row > 0, 7, -8)
        for nibble in nibbles:
            shifted = sum(int((row * nibble).sum()) << (4 * p) for p in range(form.planes))
            assert -limit <= shifted < limit


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    seed=st.integers(0, 1000),
)
def test_convolution_of_any_window_equals_the_slow_one(kernel, stride, padding, dilation, seed):
    """The reference's convolution equals a gather with four loops, exactly."""
    window = Window(kernel, stride, padding, dilation)
    net = NetworkBuilder((2, 6, 5), seed)
    if min(window.output_size(6, 5)) < 1:
        return
    net.conv(3, window)
    graph = net.graph()
    op = lower(quantize(graph, params_for(graph))).op("conv1")
    codes = np.random.default_rng(seed).integers(-127, 128, (2, 2, 6, 5))
    weights = decode_rows(op.codes.array, op.formats).reshape(3, 2, -1)
    slow = np.einsum("nchwt,oct->nohw", _windows(codes, window, 0), weights)
    assert np.array_equal(reference.accumulate(op, codes), slow.astype(np.int64))


def test_result_may_be_pooled_codes() -> None:
    """A network without a linear layer at its end leaves 8-bit codes."""
    net = NetworkBuilder((3, 8, 8))
    net.conv(4, Window(kernel=(3, 3)))
    net.clamp()
    net.pool(AvgPool2d, Window(kernel=(6, 6)))
    graph = net.graph()
    integer = lower(quantize(graph, params_for(graph)))
    assert integer.op(integer.output).output.bits == 8
    assert not integer.argmax


def test_max_pool_padding_never_wins() -> None:
    """Negative codes beside the border are not beaten by padding."""
    net = NetworkBuilder((1, 4, 4))
    net.conv(2, Window(kernel=(1, 1)))
    net.pool(MaxPool2d, Window(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)))
    net.conv(2, Window())
    graph = net.graph()
    integer = lower(quantize(graph, params_for(graph)))
    codes = np.full((1, 1, 4, 4), -50)
    tensors = reference.run(integer, codes)
    pooled = tensors["pool2"]
    source = tensors["conv1"]
    assert pooled.min() >= source.min()


def test_unplaceable_operations_are_all_listed() -> None:
    """A batch norm and an add that look at single features of flattened images: both named."""
    net = NetworkBuilder((2, 4, 4))
    net.conv(4, Window(kernel=(1, 1)))
    image = net.flatten()
    net.batchnorm(image)
    net.linear(64)
    net.add(image, net.tail)
    net.linear(2)
    with pytest.raises(LoweringError) as error:
        params_for(net.graph())
    assert "2 problems" in str(error.value)
    assert "bn3" in str(error.value) and "add5" in str(error.value)
    assert "in front of the flatten" in str(error.value)


def test_missing_and_bad_parameters_are_all_listed() -> None:
    """A missing activation scale, a zero row scale and NaN weights are named at once."""
    graph = residual_network(6)
    params = params_for(graph)
    activations = dict(params.activations)
    activations.pop("relu3")
    rows = dict(params.rows)
    name = next(iter(rows))
    bad = np.array(rows[name].scales.array)
    bad[0] = 0
    rows[name] = type(rows[name])(rows[name].formats, ConstTensor(bad))
    constants = dict(graph.constants)
    key = "fc15.weight"
    weight = np.array(constants[key].array)
    weight[0, 0] = np.nan
    constants[key] = ConstTensor(weight)
    broken = Graph(graph.level, graph.ops, graph.output, constants)
    with pytest.raises(QuantizationError) as error:
        quantize(broken, QuantParams(activations, rows, params.ratio, params.codebook))
    text = str(error.value)
    assert "3 problems" in text
    assert "relu3" in text and "not positive" in text and "NaN" in text
