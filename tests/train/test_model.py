"""`prepare`: keys survive, float runs are the original's, evaluation is the integer model's."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls import reference
from rmsmp_hls.errors import ConfigError, LoweringError, ModelImportError, QuantizationError
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.quant.rows import quantize_row
from rmsmp_hls.train.evaluate import evaluate
from tests.frontend.models import Functional, Residual, randomized
from tests.train.conftest import SHAPE, prepared


def test_keys_of_the_float_network_survive() -> None:
    """Old keys first and unchanged; everything new lies under `rmsmp.`."""
    net = Residual()
    model = rt.prepare(net, torch.zeros(1, *SHAPE))
    keys = [key for key in model.state_dict() if not key.startswith("rmsmp.")]
    assert keys == list(net.state_dict())
    assert model.conv1 is net.conv1  # type: ignore[comparison-overlap]


def test_a_plain_state_dict_loads_strictly(model: rt.RmsmpModel) -> None:
    """A float checkpoint loads with strict=True; row scales are fitted to the new weights."""
    torch.manual_seed(7)
    other = Residual().state_dict()
    other["conv1.weight"] *= 100
    before = model.rmsmp.row("conv1").scales().detach()
    model.load_state_dict(other, strict=True)
    after = model.rmsmp.row("conv1").scales().detach()
    assert torch.equal(model.conv1.weight, other["conv1.weight"])  # type: ignore[union-attr,arg-type]
    assert bool((after > 20 * before).all())


def test_strict_still_means_strict(model: rt.RmsmpModel) -> None:
    """A missing float key, and a missing quantizer key among others, are errors."""
    state = Residual().state_dict()
    del state["fc.bias"]
    with pytest.raises(RuntimeError, match=r"fc\.bias"):
        model.load_state_dict(state)
    whole = model.state_dict()
    key = next(key for key in whole if key.endswith("conv1.base"))
    del whole[key]
    with pytest.raises(RuntimeError, match=r"rmsmp\.rows"):
        model.load_state_dict(whole)


def test_the_quantized_state_dict_restores_everything(model: rt.RmsmpModel) -> None:
    """A model with the same layers takes over formats, scales and the input's sign."""
    fresh = rt.prepare(Residual(), torch.zeros(1, *SHAPE), ratio="0:0:1")
    fresh.load_state_dict(model.state_dict())
    x = torch.rand(4, *SHAPE)
    assert torch.equal(fresh.eval()(x), model.eval()(x))
    assert rt.export_params(fresh).rows == rt.export_params(model).rows
    assert rt.export_params(fresh).activations == rt.export_params(model).activations


def test_without_quantizers_it_is_the_original() -> None:
    """Disabled, the model computes what the module computes, in training too."""
    net = randomized(Residual())
    net.dropout.p = 0.0
    twin = copy.deepcopy(net)
    model = rt.prepare(net, torch.zeros(1, *SHAPE)).quantize_enabled(False)
    x = torch.rand(6, *SHAPE)
    for mode in (True, False):
        model.train(mode)
        twin.train(mode)
        torch.testing.assert_close(model(x), twin(x), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.bn1.running_mean, twin.bn1.running_mean)
    assert int(model.bn1.num_batches_tracked) == 1


def test_train_flags_follow_the_module() -> None:
    """prepare leaves the flags as they were, and a frozen batch norm stays frozen."""
    net = Residual().train()
    net.bn1.eval()
    model = rt.prepare(net, torch.zeros(1, *SHAPE))
    assert model.training and not model.bn1.training and model.stem[1].training
    rt.calibrate(model, [torch.rand(4, *SHAPE)])
    assert model.training and not model.bn1.training
    before = model.bn1.running_mean.clone(), model.stem[1].running_mean.clone()
    model(torch.rand(4, *SHAPE))
    assert torch.equal(before[0], model.bn1.running_mean)
    assert not torch.equal(before[1], model.stem[1].running_mean)


def test_any_batch_size(model: rt.RmsmpModel) -> None:
    """In evaluation an image's result does not depend on its batch."""
    x = torch.rand(5, *SHAPE)
    whole = model.eval()(x)
    assert whole.shape == (5, 5)
    for index in range(5):
        assert torch.equal(model(x[index : index + 1])[0], whole[index])


def slow_codes(model: rt.RmsmpModel, x: Tensor) -> dict[str, np.ndarray]:
    """The codes of Residual's layers, from values in float64, with plain loops over rows."""
    params, state = rt.export_params(model), model.state_dict()
    found: dict[str, np.ndarray] = {}

    def quantized(name: str, value: np.ndarray) -> np.ndarray:
        form: ActFormat = params.activations[name]
        found[name] = np.clip(np.floor(value / form.scale + 0.5), form.low, form.high)
        return found[name] * form.scale

    def weight(name: str) -> Tensor:
        rows, raw = params.rows[name], state[f"{name}.weight"].numpy()
        whole = [
            quantize_row(row, float(scale), codebook(form)) * float(scale)
            for row, scale, form in zip(raw, rows.scales.array, rows.formats, strict=True)
        ]
        return torch.from_numpy(np.array(whole))

    def conv(name: str, value: np.ndarray, stride: int = 1, padding: int = 1) -> np.ndarray:
        bias = state.get(f"{name}.bias")
        bias = None if bias is None else bias.double()
        made = F.conv2d(torch.from_numpy(value), weight(name), bias, stride, padding)
        return made.numpy()

    def norm(name: str, value: np.ndarray) -> np.ndarray:
        part = {k: state[f"{name}.{k}"].double().numpy()[:, None, None] for k in
                ("weight", "bias", "running_mean", "running_var")}  # fmt: skip
        centred = (value - part["running_mean"]) / np.sqrt(part["running_var"] + 1e-5)
        return centred * part["weight"] + part["bias"]

    x8 = quantized("x", x.double().numpy())
    stem = quantized("stem.2", np.maximum(norm("stem.1", conv("stem.0", x8)), 0))
    narrow = quantized("stem.2.narrow", stem)
    y = quantized("relu", np.maximum(norm("bn1", conv("conv1", narrow)), 0))
    y = quantized("conv2", conv("conv2", y))
    added = quantized("relu_1", np.maximum(y + stem, 0))
    pooled = added.reshape(*added.shape[:2], 4, 2, 4, 2).max((3, 5))
    down = quantized("down", conv("down", pooled, 2))
    short = quantized("short", conv("short", pooled, 2, 0))
    relu6 = quantized("relu6", np.clip(down + short, 0, 6))
    quantized("avgpool", relu6.mean((2, 3), keepdims=True))
    return found


def test_evaluation_codes_are_the_formulas(model: rt.RmsmpModel) -> None:
    """Every code equals a slow recomputation from the exported weights, formats and scales."""
    x = torch.rand(6, *SHAPE)
    model.eval()
    codes, wanted = model.codes(x), slow_codes(model, x)
    assert set(wanted) <= set(codes)
    for name, slow in wanted.items():
        assert codes[name].dtype == torch.int64
        assert np.array_equal(codes[name].numpy(), slow), name
    assert len(np.unique(wanted["relu_1"])) > 5, "the network of this test is dead"


@pytest.mark.parametrize("book", ["SP2-4", "PoT-4", "APoT-4"])
def test_evaluation_agrees_with_the_integer_reference(book: str) -> None:
    """Codes differ in few places only: where an 18-bit multiplier rounds another way."""
    model = prepared(codebook=book).eval()
    x = torch.rand(16, *SHAPE)
    codes = model.codes(x)
    graph = lower(quantize(rt.export_graph(model), rt.export_params(model)))
    tensors = reference.run(graph, codes["x"].numpy())
    assert np.array_equal(tensors["x"], codes["x"].numpy())
    for name, found in tensors.items():
        if name != graph.output:
            assert (found != codes[name].numpy()).mean() < 0.03, name
            assert np.abs(found - codes[name].numpy()).max() <= 8, name


def test_accumulators_of_the_logits_are_exact(model: rt.RmsmpModel) -> None:
    """codes() gives the integers that a plain matrix product of codes gives."""
    x = torch.rand(3, *SHAPE)
    codes, params = model.codes(x), rt.export_params(model)
    rows = params.rows["fc"]
    integers = np.array(
        [quantize_row(row, float(s), codebook(f)) for row, s, f in
         zip(model.state_dict()["fc.weight"].numpy(), rows.scales.array, rows.formats, strict=True)]
    )  # fmt: skip
    wanted = codes["avgpool"].numpy()[:, :, 0, 0] @ integers.T
    assert np.array_equal(codes["fc"].numpy()[:, :, 0, 0], wanted)


def test_the_rebuilt_model_evaluates_the_same(model: rt.RmsmpModel) -> None:
    """From the exported graph and parameters alone come the same codes and top-1."""
    model.eval()
    x = torch.rand(70, *SHAPE)
    labels = model(x).argmax(1).numpy()
    steps: list[tuple[str, int, int]] = []
    found = evaluate(rt.export_graph(model), rt.export_params(model), x.numpy(), labels,
                     lambda *step: steps.append(step))  # fmt: skip
    codes = model.codes(x)
    assert set(found.codes) == set(codes)
    assert all(np.array_equal(found.codes[name], codes[name].numpy()) for name in codes)
    assert found.quantized_correct == 70 and found.top1 is not None
    assert np.array_equal(found.top1, labels) and [s[1:] for s in steps] == [(64, 70), (70, 70)]


def test_functional_networks_are_prepared() -> None:
    """F.relu, +, F.max_pool2d and view train like modules."""
    torch.manual_seed(0)
    model = rt.prepare(Functional(), torch.zeros(1, 1, 8, 8))
    rt.calibrate(model, [(torch.randn(16, 1, 8, 8), torch.zeros(16))])
    assert model.codes(torch.randn(2, 1, 8, 8))["x"].min() < 0  # a signed input
    model.train()(torch.randn(4, 1, 8, 8)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_awkward_names_of_layers() -> None:
    """Children may be called as members of the model or of containers are."""

    class Awkward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codes = nn.Conv2d(1, 2, 1)
            self.graph = nn.Conv2d(2, 2, 1)
            self.items = nn.Conv2d(2, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.items(F.relu(self.graph(F.relu(self.codes(x)))))

    model = rt.prepare(Awkward(), torch.zeros(1, 1, 4, 4))
    rt.calibrate(model, [torch.rand(4, 1, 4, 4)])
    assert model.eval()(torch.rand(2, 1, 4, 4)).shape == (2, 3, 4, 4)
    assert "graph.weight" in model.state_dict()


def test_dead_and_tiny_layers() -> None:
    """Rows of zeros, one-element rows and one-row layers quantize and train."""
    net = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 1, 1))
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    model = rt.prepare(net, torch.zeros(1, 1, 4, 4))
    rt.calibrate(model, [torch.zeros(2, 1, 4, 4), torch.rand(2, 1, 4, 4)])
    result = model(torch.rand(2, 1, 4, 4))
    result.sum().backward()
    assert bool(torch.isfinite(result).all())
    params = rt.export_params(model)
    assert all((rows.scales.array > 0).all() for rows in params.rows.values())
    assert all(form.scale > 0 for form in params.activations.values())
    assert sum(rt.realized(model)["2"].values()) == 1


def test_uncalibrated_is_an_error() -> None:
    """The message says what to call."""
    model = rt.prepare(Residual(), torch.zeros(1, *SHAPE))
    with pytest.raises(QuantizationError, match="calibrate"):
        model(torch.zeros(1, *SHAPE))
    with pytest.raises(QuantizationError, match="calibrate"):
        rt.export_params(model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"codebook": "SP3-4"}, "unknown codebook"),
        ({"codebook": "Fixed-4"}, "not a shift-add codebook"),
        ({"ratio": "65:30"}, "impossible ratio"),
        ({"ratio": "a:b:c"}, "impossible ratio"),
        ({"ratio": (-1, 1, 1)}, "impossible ratio"),
        ({"activation_bits": 9}, "2 to 8"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], words: str) -> None:
    """Before anything is traced."""
    with pytest.raises(ConfigError, match=words):
        rt.prepare(Residual(), torch.zeros(1, *SHAPE), **options)  # type: ignore[arg-type]


def test_networks_that_cannot_be_mapped_are_refused() -> None:
    """A batch norm over the features of a flattened image; a network that is prepared already."""
    net = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Flatten(), nn.BatchNorm1d(128), nn.Linear(128, 2))
    with pytest.raises(LoweringError, match="single features"):
        rt.prepare(net, torch.zeros(1, *SHAPE))
    with pytest.raises(ModelImportError, match="rmsmp"):
        rt.prepare(prepared(), torch.zeros(1, *SHAPE))
