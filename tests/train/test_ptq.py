"""Post-training quantization."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from rmsmp_hls.errors import ConfigError, LoweringError, QuantizationError
from rmsmp_hls.ir.float_ops import Concat
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.types import ConstTensor, Window
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.quant.rows import quantize_row, row_scale_mse, weight_error
from rmsmp_hls.stages.calibrated import quantization_cost
from rmsmp_hls.train.evaluate import evaluate
from rmsmp_hls.train.execute import Run
from rmsmp_hls.train.ptq import post_training_quantize
from tests.networks import NetworkBuilder, residual_network

IMAGES = np.random.default_rng(0).normal(size=(24, 3, 9, 7)).astype(np.float32)


def with_constants(graph: FloatGraph, **changes: np.ndarray) -> FloatGraph:
    constants = dict(graph.constants)
    for key, array in changes.items():
        constants[key.replace("__", ".")] = ConstTensor(array.astype(np.float32))
    return Graph(graph.level, graph.ops, graph.output, constants)


def test_the_result_builds() -> None:
    """Formats for everything, as asked; quantize and lower take them."""
    result = post_training_quantize(residual_network(), IMAGES, ratio="50:25:25", codebook="pot-4")
    assert (result.params.ratio, result.params.codebook) == ((50.0, 25.0, 25.0), "PoT-4")
    assert Counter(result.params.rows["conv11"].formats) == {
        "PoT-4": 6, "Fixed-4": 3, "Fixed-8": 3,
    }  # fmt: skip
    lowered = lower(quantize(result.graph, result.params))
    assert lowered.argmax
    assert result.images == 24


def test_figures_are_those_of_the_quantized_network() -> None:
    """SQNR of the result and top-1 agreement, computed again from `evaluate` and by hand."""
    graph = residual_network()
    result = post_training_quantize(graph, IMAGES, bias_correction=False)
    found = evaluate(result.graph, result.params, IMAGES)
    assert found.top1 is not None
    assert result.top1_agreement == (found.top1 == float_top1(graph)).mean()
    codes, form = found.codes["relu3"], result.params.activations["relu3"]
    layer = next(item for item in result.layers if item.tensor == "relu3")
    values = codes * form.scale
    signal = float_relu(graph)
    noise = ((values - signal) ** 2).sum()
    assert layer.sqnr_db == pytest.approx(10 * np.log10((signal**2).sum() / noise), abs=1e-3)
    cosine = (values * signal).sum() / np.sqrt((values**2).sum() * (signal**2).sum())
    assert layer.cosine == pytest.approx(cosine, abs=1e-6)


def float_top1(graph: FloatGraph) -> np.ndarray:
    constants = {key: torch.from_numpy(c.array.copy()) for key, c in graph.constants.items()}
    run = Run(graph, place_quantizers(graph), constants.get)
    return run(torch.from_numpy(IMAGES)).argmax(1).numpy()


def float_relu(graph: FloatGraph) -> np.ndarray:
    """The first convolution, batch norm and ReLU, in numpy."""

    def of(key: str) -> np.ndarray:
        return np.asarray(graph.constants[key].array, dtype=np.float64)

    weight = of("conv1.weight")
    padded = np.pad(IMAGES.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    sums = np.einsum("nchwij,ocij->nohw", windows, weight)
    shape = (-1, 1, 1)
    gain = of("bn2.weight") / np.sqrt(of("bn2.running_var") + 1e-5)
    result = (sums - of("bn2.running_mean").reshape(shape)) * gain.reshape(shape)
    return np.maximum(result + of("bn2.bias").reshape(shape), 0)


def test_more_bits_cost_less() -> None:
    """Eight bits everywhere are nearer to the float network than four."""
    graph = residual_network()
    four = post_training_quantize(graph, IMAGES)
    eight = post_training_quantize(graph, IMAGES, ratio="0:0:1", activation_bits=8)
    assert eight.output.sqnr_db > four.output.sqnr_db + 10
    assert eight.output.cosine > 0.999


def test_bias_correction_takes_the_mean_error_away() -> None:
    """With it the mean error of every output channel is smaller, and the result nearer."""
    graph = residual_network()
    without = post_training_quantize(graph, IMAGES, bias_correction=False, equalize="off")
    corrected = post_training_quantize(graph, IMAGES, equalize="off")
    assert without.graph is graph
    assert corrected.output.sqnr_db > without.output.sqnr_db
    assert corrected.params == without.params
    weights = [key for key in graph.constants if key.endswith("weight")]
    assert all(corrected.graph.constants[key] == graph.constants[key] for key in weights)


def test_the_most_sensitive_rows_get_eight_bits() -> None:
    """Sensitivity is measured at the output: a row that reads nothing but zeros does not count."""
    net = NetworkBuilder((4, 6, 6))
    net.conv(4, Window(kernel=(1, 1)))
    net.clamp()
    net.conv(3, Window(kernel=(6, 6)))
    rows = [[0.0, 9.7, 3.3, 1.2], [0.9, 0.2, 0.1, 0.3], [0.5, 0.1, 0.3, 0.2], [0.1, 0.1, 0.0, 0.0]]
    weight = np.array(rows)
    assert weight_error(weight).argmax() == 0
    graph = with_constants(net.graph(), conv1__weight=weight.reshape(4, 4, 1, 1))
    images = np.random.default_rng(1).uniform(0, 1, (8, 4, 6, 6)).astype(np.float32)
    images[:, 1:] = 0.0
    result = post_training_quantize(graph, images, ratio="1:2:1")
    error = [abs(fixed4(row)[0] - row[0]) for row in weight]
    assert result.params.rows["conv1"].formats.index("Fixed-8") == int(np.argmax(error)) != 0


def fixed4(row: np.ndarray) -> np.ndarray:
    scale = row_scale_mse(row, codebook("Fixed-4"))
    return quantize_row(row, scale, codebook("Fixed-4")) * scale


def test_nothing_to_learn_from_is_defined() -> None:
    """Images of zeros, a row of zeros, channels without variance: finite scales, and it lowers."""
    graph = residual_network()
    weight = np.array(graph.constants["conv4.weight"].array)
    weight[2] = 0
    variance = np.array(graph.constants["bn2.running_var"].array)
    variance[:3] = 0
    changed = with_constants(graph, conv4__weight=weight, bn2__running_var=variance)
    result = post_training_quantize(changed, np.zeros_like(IMAGES))
    scales = [form.scale for form in result.params.activations.values()]
    assert np.isfinite(scales).all()
    assert min(scales) > 0
    assert result.params.activations["x"].scale == 1 / 255
    assert result.params.rows["conv4"].scales.array[2] == 1.0
    assert result.layers[0].sqnr_db == np.inf
    assert result.layers[0].cosine == 1.0
    lower(quantize(result.graph, result.params))


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (IMAGES[:0], r"have shape \[0, 3, 9, 7\], the network takes \[N, 3, 9, 7\]"),
        (IMAGES[0], r"have shape \[3, 9, 7\]"),
        (IMAGES.transpose(0, 2, 3, 1), r"have shape \[24, 9, 7, 3\]"),
        (IMAGES.astype(str), "not an array of real numbers"),
        (IMAGES.astype(complex), "not an array of real numbers"),
        ([1, 2], "are list"),
        (np.where(np.arange(24).reshape(-1, 1, 1, 1) < 2, np.nan, IMAGES), "in 2 of 24 images"),
        (IMAGES.astype(np.float64) * 1e300, "NaN or infinity in 24 of 24 images"),
    ],
)
def test_wrong_images_are_refused(images: np.ndarray, what: str) -> None:
    """Shape, type, NaN and infinity, with what the network takes."""
    with pytest.raises(QuantizationError, match=what):
        post_training_quantize(residual_network(), images)


def test_an_overflow_in_the_network_is_refused() -> None:
    """Finite images that make infinity."""
    with pytest.raises(QuantizationError, match="activations are NaN or infinite"):
        post_training_quantize(residual_network(), np.full((2, 3, 9, 7), 3e38, dtype=np.float32))


@pytest.mark.parametrize(
    "options",
    [
        {"codebook": "Fixed-4"}, {"codebook": "SP3"}, {"ratio": "1:2"}, {"ratio": "0:0:0"},
        {"activation_bits": 9}, {"input_bits": 1}, {"method": "max"},
        {"method": "percentile", "percentile": 10.0},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(options: dict[str, object]) -> None:
    """As in `prepare` and `calibrate`."""
    with pytest.raises(ConfigError):
        post_training_quantize(residual_network(), IMAGES, **options)  # type: ignore[arg-type]


def test_what_cannot_be_placed_is_refused() -> None:
    """Single features of a flattened image."""
    net = NetworkBuilder((2, 4, 4))
    net.conv(3, Window())
    net.flatten()
    net.batchnorm()
    net.linear(2)
    with pytest.raises(LoweringError, match="single features"):
        post_training_quantize(net.graph(), np.zeros((1, 2, 4, 4)))


def test_batches_do_not_change_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images one by one or all at once: the same scales and figures."""
    graph = residual_network()
    settings = {"bias_correction": False, "equalize": "off"}
    whole = post_training_quantize(graph, IMAGES, **settings)
    monkeypatch.setattr("rmsmp_hls.train.evaluate._BATCH", 1)
    steps: list[tuple[str, int, int]] = []
    single = post_training_quantize(
        graph, IMAGES, **settings, progress=lambda *step: steps.append(step)
    )
    assert single.params.rows == whole.params.rows
    for name, form in whole.params.activations.items():
        assert single.params.activations[name].scale == pytest.approx(form.scale, rel=1e-3)
    assert single.output.sqnr_db == pytest.approx(whole.output.sqnr_db, abs=0.1)
    assert steps[-1] == ("comparison", 24, 24)
    assert [text for text, *_ in steps].count("calibration") == 24
    layers = len(whole.params.rows)
    assert steps[layers - 1] == ("row scales", layers, layers)


def channels_of_many_ranges() -> FloatGraph:
    """Two convolutions; the channels between them differ a hundredfold."""
    net = NetworkBuilder((3, 9, 7))
    net.conv(8, Window(kernel=(3, 3)))
    net.clamp()
    net.conv(5, Window(kernel=(7, 5)))
    graph = net.graph()
    gain = np.geomspace(0.1, 10, 8).reshape(-1, 1, 1, 1)
    first, last = (np.array(graph.constants[f"conv{i}.weight"].array) for i in (1, 3))
    return with_constants(
        graph, conv1__weight=first * gain, conv1__bias=np.zeros(8),
        conv3__weight=last / gain.reshape(1, -1, 1, 1),
    )  # fmt: skip


def test_equalization_is_used_where_it_helps() -> None:
    """It is tried, both figures are told, and the result is that of the better way."""
    graph = channels_of_many_ranges()
    results = {
        way: post_training_quantize(graph, IMAGES, equalize=way, bias_correction=False)
        for way in WAYS
    }
    found = results["auto"].equalization
    assert (found.used, found.tensors, found.images) == (True, 1, 24)
    assert found.without_db == results["off"].output.sqnr_db
    assert found.with_db == results["on"].output.sqnr_db == results["auto"].output.sqnr_db
    assert found.with_db > found.without_db + 3
    assert results["auto"].params == results["on"].params
    assert (results["on"].equalization.used, results["off"].equalization.used) == (True, False)


WAYS = ("auto", "on", "off")


def test_equalization_is_decided_on_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the choice then is quantized with all images."""
    monkeypatch.setattr("rmsmp_hls.train.evaluate._BATCH", 8)
    steps: list[str] = []
    graph = channels_of_many_ranges()
    found = post_training_quantize(graph, IMAGES, progress=lambda text, *_: steps.append(text))
    assert (found.images, found.equalization.images) == (24, 8)
    assert steps.count("as it is: calibration") == steps.count("equalized: calibration") == 1
    assert steps.count("calibration") == 3
    assert found.params == post_training_quantize(graph, IMAGES, equalize="on").params


def test_equalization_that_does_not_help_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is made to do harm: the network stays as it is."""
    graph = channels_of_many_ranges()
    monkeypatch.setattr("rmsmp_hls.train.equalize.channel_factors", lambda r: 1 / r)
    found = post_training_quantize(graph, IMAGES, bias_correction=False)
    assert found.equalization.with_db < found.equalization.without_db
    assert not found.equalization.used
    assert found.graph is graph


def test_an_unknown_equalization_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match="choose auto, on or off"):
        post_training_quantize(residual_network(), IMAGES, equalize="maybe")  # type: ignore[arg-type]


def test_members_of_a_scale_group_are_listed_with_their_format() -> None:
    """Concatenation, its operands and the network's input in it: codes, none of them sums."""
    net = NetworkBuilder((3, 6, 6))
    net.conv(4, Window((1, 1)), "x")
    first = net.clamp()
    net.conv(4, Window((1, 1)), "x")
    net.concat(first, net.activation("leaky_relu", 0.1), "x")
    graph = net.graph()
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    result = post_training_quantize(graph, images)
    outputs = {op.name: op.output for op in quantize(result.graph, result.params)}
    assert {item.tensor for item in result.layers} == outputs.keys()
    assert all(item.form == outputs[item.tensor] for item in result.layers)
    assert result.output.form == outputs[graph.output]
    cost = quantization_cost(result, "images")
    assert len({(item.name, item.op) for item in cost.layers}) == len(result.layers)
    assert not [item for item in (*cost.layers, cost.output) if item.codes == "sums"]


def test_images_of_one_line_may_come_without_it() -> None:
    """[N, C, L] quantizes a network of (C, 1, L) as [N, C, 1, L] does."""
    net = NetworkBuilder((3, 1, 9))
    net.conv(4, Window((1, 3)), one_dimensional=True)
    net.clamp()
    images = np.random.default_rng(0).normal(size=(2, 3, 9)).astype(np.float32)
    found = [post_training_quantize(net.graph(), x) for x in (images, images[:, :, None])]
    assert found[0].params == found[1].params
    assert found[0].output == found[1].output


def test_tensors_of_one_module_keep_apart() -> None:
    """Two concatenations in one module are called by their own names; all else by the module's."""
    net = NetworkBuilder((3, 6, 6))
    net.conv(4, Window((1, 1)), "x")
    first = net.clamp()
    net.conv(4, Window((1, 1)), "x")
    second = net.concat(first, net.clamp())
    net.conv(4, Window((1, 1)))
    net.concat(net.clamp(), second)
    net.ops = [replace(op, module="block") if isinstance(op, Concat) else op for op in net.ops]
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    cost = quantization_cost(post_training_quantize(net.graph(), images), "images")
    found = [item.name for item in cost.layers if item.op == "Concat"]
    assert found == [op.name for op in net.ops if isinstance(op, Concat)]
    assert "block" not in found
