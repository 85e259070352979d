"""FloatGraph -> QuantGraph -> IntGraph -> integers, against a slow real-valued evaluation."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls import reference
from rmsmp_hls.errors import LoweringError, QuantizationError
from rmsmp_hls.ir.float_ops import AvgPool2d, MaxPool2d
from rmsmp_hls.ir.graph import Graph, Level, QuantGraph
from rmsmp_hls.ir.int_ops import IntMatmul, IntTable
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantMultiply,
    QuantRequantize,
    QuantTable,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Window
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.codebooks import CODEBOOKS, SHIFT_ADD_NAMES, decode_rows
from rmsmp_hls.numerics.functions import FUNCTIONS
from rmsmp_hls.numerics.requantize import quantize_values
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.quantize import quantize
from tests.blocks import BLOCKS, fitted_params
from tests.networks import NetworkBuilder, params_for, residual_network
from tests.quant.real_valued import computed, evaluate, function, windows


@pytest.mark.parametrize("shift_add", SHIFT_ADD_NAMES)
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


@pytest.mark.parametrize("shift_add", ["SP2-3", "PoT-3", "PoT-2"])
def test_weight_integers_of_narrow_rows_do_not_change_in_lowering(shift_add: str) -> None:
    """Their codes become those of 4-bit rows, with the same integers and the same bounds."""
    graph = residual_network(5)
    quantized = quantize(graph, params_for(graph, shift_add))
    integer = lower(quantized)
    verify(quantized, "quantize")
    verify(integer, "lower")
    for op in quantized.of_type(QuantMatmul):
        lowered = integer.op(op.name)
        before = decode_rows(op.codes.array, op.formats)
        after = decode_rows(lowered.codes.array, lowered.formats)
        assert after.reshape(-1).tolist() == before.reshape(-1).tolist()
        assert lowered.formats == tuple(CODEBOOKS[name].array_format for name in op.formats)
        assert {shift_add, f"Fixed-{shift_add[-1]}"} <= set(op.formats)


@pytest.mark.parametrize("name", list(CODEBOOKS))
@pytest.mark.parametrize(
    "form",
    [
        ActFormat(bits, signed, 0.1, narrow)
        for bits in (4, 8)
        for signed, narrow in ((False, True), (True, True), (True, False))
    ],
    ids=lambda f: f"{'s' if f.signed else 'u'}{f.bits}{'' if f.narrow else '+1'}",
)
@pytest.mark.parametrize("groups", [1, 3])
def test_no_input_overflows_the_accumulator(name: str, form: ActFormat, groups: int) -> None:
    """The inputs that reach the bound stay inside acc_bits, shifted nibbles included."""
    net = NetworkBuilder((6, 4, 4), 7)
    net.conv(6, Window(kernel=(3, 3)), groups=groups)
    graph = net.graph()
    weight = np.asarray(graph.constants["conv1.weight"].array)
    book = CODEBOOKS[name]
    scales = np.abs(weight.reshape(6, -1)).max(axis=1) / book.max_magnitude
    params = QuantParams(
        {"x": form, "conv1": ActFormat(8, True, 100.0)},
        {"conv1": RowParams((name,) * 6, ConstTensor(scales.astype(np.float64)))},
        (65, 30, 5),
        "SP2-4",
        input_bits=form.bits,
    )
    op = lower(quantize(graph, params)).op("conv1")
    weights = decode_rows(op.codes.array, op.formats).reshape(6, -1)
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
    slow = np.einsum("nchwt,oct->nohw", windows(codes, window, 0), weights)
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


@pytest.mark.parametrize("name", list(BLOCKS))
def test_blocks_equal_real_evaluation_up_to_ties(name: str) -> None:
    """Given the codes that an operation reads, it makes the codes that real numbers make, but
    where a product lies within a multiplier's rounding of a tie."""
    graph = BLOCKS[name](1)
    params = fitted_params(graph)
    quantized = quantize(graph, params)
    verify(quantized, "quantize")
    integer = lower(quantized)
    verify(integer, "lower")
    first = integer.input
    codes = np.random.default_rng(5).integers(first.output.low, 128, (3, *first.shape))
    expected = evaluate(quantized, codes)
    for op in integer:
        if op.output is None or not op.inputs:
            continue
        sources = []
        for source in op.inputs:
            made = integer.op(source)
            value = expected[source].reshape(3, *made.shape) / made.output.scale
            sources.append(np.rint(value).astype(np.int64))
        found = reference.execute(integer, op, sources)
        assert len(np.unique(found)) > 1, f"{op.name} is dead"
        scale = op.output.scale
        off = np.abs(found - np.rint(expected[op.name].reshape(found.shape) / scale))
        assert off.max() <= 1, op.name
        if off.any():
            origin = quantized.op(op.name)
            real = computed(origin, [expected[name] for name in origin.inputs]) / scale + 0.5
            distance = np.abs(real - np.rint(real)).reshape(found.shape)
            assert (distance[off > 0] < 0.02).all(), op.name


@pytest.mark.parametrize("bits", [4, 7, 8])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("made", [3, 8])
def test_tables_of_one_and_two_planes(bits: int, signed: bool, made: int) -> None:
    """A table has one entry per code of its operand: the quantized function of its value."""
    net = NetworkBuilder((2, 3, 3), 1)
    net.conv(3, Window())
    net.activation("gelu")
    net.clamp(-0.1, 2.0)
    read, write = ActFormat(bits, signed, 0.05), ActFormat(made, True, 0.04)
    params = params_for(net.graph())
    given = dict(params.activations) | {"conv1": read, "relu3": write}
    graph = lower(quantize(net.graph(), dataclasses.replace(params, activations=given)))
    verify(graph, "lower")
    table = graph.op("relu3")
    assert isinstance(table, IntTable)
    values = [function("gelu", 0.0, code * 0.05) for code in range(read.low, read.high + 1)]
    wanted = [min(max(int(np.floor(min(max(v, -0.1), 2.0) / 0.04 + 0.5)), write.low), write.high)
              for v in values]  # fmt: skip
    assert table.table.array.tolist() == wanted


def test_a_batch_norm_of_its_own_uses_all_kinds_of_rows_evenly() -> None:
    """All its weights are the integer 1, its formats follow the ratio, well mixed."""
    net = NetworkBuilder((20, 3, 3), 2)
    net.batchnorm()
    net.conv(2, Window())
    graph = net.graph()
    norm = lower(quantize(graph, params_for(graph, "PoT-4", (50.0, 40.0, 10.0)))).op("bn1")
    assert isinstance(norm, IntMatmul)
    assert norm.groups == 20 and norm.codes.shape == (20, 1, 1, 1)
    assert (decode_rows(norm.codes.array, norm.formats) == 1).all()
    for half in (norm.formats[:10], norm.formats[10:]):
        assert Counter(half) == {"PoT-4": 5, "Fixed-4": 4, "Fixed-8": 1}


def test_a_linear_layer_reads_a_flattened_concatenation_as_an_image() -> None:
    """Two flattened branches, joined, are channels of one image to the layer behind."""
    net = NetworkBuilder((2, 4, 4), 3)
    first, second = net.conv(3, Window(), "x"), net.conv(2, Window(), "x")
    net.concat(net.flatten(first), net.flatten(second))
    net.clamp()
    net.linear(4)
    graph = net.graph()
    integer = lower(quantize(graph, params_for(graph)))
    verify(integer, "lower")
    assert integer.op("cat5").shape == (5, 4, 4)
    layer = integer.op("fc7")
    assert isinstance(layer, IntMatmul) and layer.window.kernel == (4, 4)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.tuples(st.integers(2, 8), st.integers(2, 8), st.integers(2, 8)),
    signed=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    narrow=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    scales=st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    kind=st.sampled_from([QuantAdd, QuantMultiply]),
    seed=st.integers(0, 1000),
)
def test_sums_and_products_of_any_formats(bits, signed, narrow, scales, kind, seed) -> None:
    """Any widths, signs and scales: the integers are those of the real numbers, up to ties; what
    the multipliers cannot hold is refused."""
    a, b, made = (ActFormat(*form) for form in zip(bits, signed, scales, narrow, strict=True))
    shape = (2, 3, 3)
    start = QuantInput(name="x", inputs=(), shape=shape, output=a)
    first = QuantMaxPool(name="a", inputs=("x",), shape=shape, output=a, window=Window())
    free = {"shape": shape, "low": -np.inf, "high": np.inf}
    other = QuantRequantize(name="b", inputs=("x",), output=b, **free)
    last = kind(name="y", inputs=("a", "b"), output=made, **free)
    quantized: QuantGraph = Graph(Level.QUANT, (start, first, other, last), "y")
    try:
        graph = lower(quantized)
    except LoweringError:
        gain = max(a.scale, b.scale) if kind is QuantAdd else a.scale * b.scale
        assert max(gain, a.scale) / min(made.scale, b.scale) > 1e5
        return
    verify(graph, "lower")
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(f.low, f.high + 1, (1, 2, 3, 3)) for f in (a, b))
    found = reference.execute(graph, graph.op("y"), [x, y])
    real = x * a.scale + y * b.scale if kind is QuantAdd else x * a.scale * (y * b.scale)
    off = np.abs(found - quantize_values(real, made.scale, made.low, made.high))
    terms = np.abs(x) + np.abs(y) if kind is QuantAdd else np.abs(x * y)
    error = (terms + 1) / 2.0 ** (graph.op("y").shift + 1) + 1e-9 * np.abs(real / made.scale)
    distance = np.abs(real / made.scale + 0.5 - np.rint(real / made.scale + 0.5))
    assert (off <= np.ceil(error)).all()
    assert (off == 0)[distance > error].all()
    assert found.min() >= made.low and found.max() <= made.high


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(FUNCTIONS)),
    read=st.builds(ActFormat, st.integers(2, 8), st.booleans(), st.floats(1e-4, 2), st.booleans()),
    made=st.builds(ActFormat, st.integers(2, 8), st.booleans(), st.floats(1e-3, 10), st.booleans()),
    bounds=st.one_of(st.none(), st.tuples(st.floats(-3, 0), st.floats(0, 6))),
    parameter=st.floats(0, 1),
)
def test_tables_of_any_formats(name, read, made, bounds, parameter) -> None:
    """Any function, formats, scales and clamp: each entry is the nearest code of the value."""
    low, high = bounds or (-np.inf, np.inf)
    start = QuantInput(name="x", inputs=(), shape=(1, 1, 1), output=read)
    op = QuantTable(
        name="y", inputs=("x",), shape=(1, 1, 1), output=made, function=name,
        parameter=parameter, low=low, high=high,
    )  # fmt: skip
    graph = lower(Graph(Level.QUANT, (start, op), "y"))
    verify(graph, "lower")
    codes = np.arange(read.low, read.high + 1)
    found = reference.execute(graph, graph.op("y"), [codes.reshape(1, 1, 1, -1)]).ravel()
    for code, entry in zip(codes, found, strict=True):
        value = min(max(function(name, parameter, float(code) * read.scale), low), high)
        wanted = min(max(value / made.scale, made.low), made.high)
        assert abs(entry - wanted) <= 0.5 + 1e-9
