"""Every measure of sensitivity against a slow obvious computation, and rows that are odd."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.rows import quantize_row, realize_ratio, row_scale_mse
from rmsmp_hls.train.save import export_graph
from rmsmp_hls.train.scores import layer_formats
from tests.train.conftest import SHAPE

FOUR = codebook("Fixed-4")


def in_four_bits(row: np.ndarray) -> np.ndarray:
    scale = row_scale_mse(row, FOUR)
    return quantize_row(row, scale, FOUR) * scale


def test_variance_is_numpys(model: rt.RmsmpModel) -> None:
    """MSQ's measure, row by row."""
    found = rt.VarianceScore()(rt.Network.of(model))
    for op in model.layers():
        rows = model.weight(op).detach().double().numpy()
        assert found[op.name] == pytest.approx([np.var(row) for row in rows])


def test_weight_error_is_that_of_the_quantized_row(model: rt.RmsmpModel) -> None:
    """The squared difference of each row and its Fixed-4 version."""
    found = rt.WeightErrorScore()(rt.Network.of(model))
    for op in model.layers():
        rows = model.weight(op).detach().double().flatten(1).numpy()
        want = [((row - in_four_bits(row)) ** 2).sum() for row in rows]
        assert found[op.name] == pytest.approx(want, rel=1e-5)


def test_loss_by_shift_add_is_the_difference_of_the_two_errors(model: rt.RmsmpModel) -> None:
    """Squared error as APoT-4 less that as Fixed-4, of each row quantized both ways."""
    found = rt.ShiftAddLossScore("APoT-4")(rt.Network.of(model))
    book = codebook("APoT-4")
    for op in model.layers():
        want = []
        for row in model.weight(op).detach().double().flatten(1).numpy():
            scale = row_scale_mse(row, book)
            shifted = quantize_row(row, scale, book) * scale
            want.append(((row - shifted) ** 2).sum() - ((row - in_four_bits(row)) ** 2).sum())
        assert found[op.name] == pytest.approx(want, rel=1e-4, abs=1e-9)


def test_another_measure_may_choose_the_shift_add_rows(model: rt.RmsmpModel) -> None:
    """Fixed-8 goes by the scorer, shift-add to the least of the second measure among the rest."""

    def upwards(network: rt.Network) -> dict[str, np.ndarray]:
        return {op.name: np.arange(op.shape[0], dtype=float) for op in network.layers()}

    def downwards(network: rt.Network) -> dict[str, np.ndarray]:
        return {name: -numbers for name, numbers in upwards(network).items()}

    rt.assign(model, upwards, "1:1:1", shift_add_by=downwards)
    for name, formats in rt.table_of(model).items():
        low, four, eight = realize_ratio((1, 1, 1), len(formats))
        want = ("Fixed-4",) * four + (model.codebook,) * low + ("Fixed-8",) * eight
        assert formats == want, name
    with pytest.raises(QuantizationError, match="leave it out"):
        rt.assign(model, upwards, shift_add_by=lambda network: {})


def test_output_error_is_that_of_the_layer_with_one_row_replaced() -> None:
    """FILM-QNN's measure: the change of a channel, behind its batch norm, when its row is
    quantized and the layer's input is not; from a model and from a graph alike."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    norm.running_var.uniform_(0.2, 3.0)
    net = nn.Sequential(conv, norm, nn.ReLU(), nn.Flatten(), nn.Linear(80, 3)).eval()
    x = torch.rand(70, 2, 4, 4)
    model = rt.prepare(net, x[:1])
    with torch.no_grad():
        plain, hidden = norm(conv(x)).double(), net[:4](x)
        want = []
        for row in range(5):
            changed = conv.weight.clone()
            changed[row] = torch.from_numpy(in_four_bits(conv.weight[row].double().numpy()))
            made = norm(F.conv2d(x, changed, conv.bias, padding=1)).double()
            want.append(float(((made - plain) ** 2).sum()))
    for source in (model, export_graph(model)):
        network = rt.Network.of(source)
        found = rt.OutputErrorScore(x)(network)
        first, last = (op.name for op in network.layers())
        assert found[first] == pytest.approx(want, rel=1e-3)
        weight = net[4].weight.detach().double().numpy()
        wrong = np.stack([row - in_four_bits(row) for row in weight])
        sums = ((hidden.double().numpy() @ wrong.T) ** 2).sum(0)
        assert found[last] == pytest.approx(sums, rel=1e-3)


def test_the_users_own_measure_is_one_more(model: rt.RmsmpModel) -> None:
    """Any callable with numbers for all rows will do; what does not fit is listed by layer."""

    def last_rows(network: rt.Network) -> dict[str, np.ndarray]:
        return {op.name: np.arange(op.shape[0], dtype=float) for op in network.layers()}

    rt.assign(model, last_rows, "0:3:1")
    for name, formats in rt.table_of(model).items():
        eight = realize_ratio((0, 3, 1), len(formats))[2]
        assert formats == ("Fixed-4",) * (len(formats) - eight) + ("Fixed-8",) * eight, name

    def wrong(network: rt.Network) -> dict[str, np.ndarray]:
        scores = last_rows(network)
        scores["conv1"][2] = np.nan
        scores["conv2"] = scores["conv2"][1:]
        del scores["fc"]
        return scores

    before = rt.table_of(model)
    with pytest.raises(QuantizationError) as caught:
        rt.assign(model, wrong)
    message = str(caught.value)
    assert all(f"layer {name!r}" in message for name in ("conv1", "conv2", "fc"))
    assert len(caught.value.findings) == 3 and rt.table_of(model) == before


def test_rows_of_zeros_come_last() -> None:
    """They are exact in every format: Fixed-8 goes to others, whatever their score."""
    weight = np.random.default_rng(0).normal(size=(6, 4))
    weight[[0, 3]] = 0.0
    scores = np.array([9.0, 1, 2, 8, 3, 4])
    formats = layer_formats(weight, scores, (50, 25, 25), "SP2-4")
    assert [i for i, name in enumerate(formats) if name == "Fixed-8"] == [5]
    assert formats[0] == formats[3] == "SP2-4"
    assert layer_formats(weight * 0, scores, (0, 0, 1), "SP2-4") == ("Fixed-8",) * 6


@pytest.mark.parametrize("method", ["hessian", "variance", "output-error", "weight-error"])
def test_rows_of_one_element_and_of_zeros(method: str) -> None:
    """Every measure gives finite scales and the exact shares."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 4, 1, groups=4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3)
    )
    with torch.no_grad():
        net[4].weight[1] = 0.0
    model = rt.prepare(net, torch.zeros(1, 4, 2, 2), ratio="2:1:1")
    batch = (torch.rand(8, 4, 2, 2), torch.randint(0, 3, (8,)))
    how = rt.scorer(method, F.cross_entropy, batch)
    done = rt.assign(model, how)
    assert done.realized["0"] == {"SP2-4": 2, "Fixed-4": 1, "Fixed-8": 1}
    assert rt.table_of(model)["4"][1] == "SP2-4"
    for op in model.layers():
        scales = model.rmsmp.row(op.name).scales()
        assert bool((torch.isfinite(scales) & (scales > 0)).all())


def test_ties_go_to_the_lower_row() -> None:
    """Equal scores and variances: Fixed-8 first, then shift-add, then Fixed-4."""
    found = layer_formats(np.ones((5, 1)), np.ones(5), (2, 2, 1), "PoT-4")
    assert found == ("Fixed-8", "PoT-4", "PoT-4", "Fixed-4", "Fixed-4")


@pytest.mark.parametrize("curvature", ["auto", "hessian"])
def test_nan_gradients_name_the_layer(curvature: str) -> None:
    """The gradient that a layer gets is NaN, though what it makes is not."""

    torch.manual_seed(0)
    net = nn.Sequential(OrderedDict(a=nn.Linear(3, 3), relu=nn.ReLU(), fc=nn.Linear(3, 2)))
    model = rt.prepare(net, torch.zeros(1, 3))
    with torch.no_grad():
        net.a.weight.abs_()
        net.a.bias.zero_()
        net.fc.weight.fill_(3e38)  # the sum of two overflows, on the way back
    batch = (torch.rand(4, 3) * 1e-30, torch.zeros(4))

    def loss(outputs: Tensor, _: Tensor) -> Tensor:
        return outputs.sum(1).pow(2).sum()

    assert bool(torch.isfinite(loss(model.quantize_enabled(False)(batch[0]), batch[1])))
    with pytest.raises(QuantizationError, match=r"layer 'a': the .* is NaN or infinite"):
        rt.row_eigenvalues(model, loss, batch, curvature=curvature)  # type: ignore[arg-type]


def test_nan_weights_name_the_first_layer(model: rt.RmsmpModel) -> None:
    """Where the first NaN arises, for all measures that run the network, and the others."""
    batch = (torch.rand(2, *SHAPE), torch.tensor([0, 1]))
    before = rt.table_of(model)
    with torch.no_grad():
        dict(model.named_parameters())["conv2.weight"][3] = torch.nan
    for method in ("hessian", "output-error", "variance", "weight-error"):
        with pytest.raises(QuantizationError, match="layer 'conv2'"):
            rt.assign(model, rt.scorer(method, F.cross_entropy, batch))
    with pytest.raises(QuantizationError, match="layer 'conv2'"):
        rt.assign(model, {"conv2": "Fixed-8"})
    assert rt.table_of(model) == before


def test_what_a_measure_needs_is_said(model: rt.RmsmpModel) -> None:
    """No batch, no loss, no such name, no such curvature."""
    with pytest.raises(ConfigError, match="a batch"):
        rt.scorer("output-error")
    with pytest.raises(ConfigError, match="loss_fn"):
        rt.scorer("hessian", None, (torch.zeros(1), torch.zeros(1)))
    with pytest.raises(ConfigError, match="unknown assignment"):
        rt.scorer("msq")
    batch = (torch.rand(2, *SHAPE), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match="gauss-newton"):
        rt.row_eigenvalues(model, F.cross_entropy, batch, curvature="exact")  # type: ignore[arg-type]
