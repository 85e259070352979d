"""Row assignment, and the Hessian against the explicit second derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.quant.rows import realize_ratio
from tests.train.conftest import SHAPE


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(6, *SHAPE, generator=generator), torch.tensor([0, 1, 2, 3, 4, 0])


def test_eigenvalues_are_those_of_the_explicit_blocks() -> None:
    """Power iteration equals the eigenvalue of largest magnitude of each row's Hessian block."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(12, 4),
    ).double()  # fmt: skip
    model = rt.prepare(net, torch.zeros(1, 1, 5, 5).double())
    x = torch.randn(9, 1, 5, 5).double()
    y = torch.randint(0, 4, (9,))
    found = rt.row_eigenvalues(model, F.cross_entropy, (x, y), iterations=300, tolerance=1e-10)
    model.quantize_enabled(False).eval()
    for name in ("0", "5"):
        layer = net[int(name)]

        def loss(weight: Tensor, name: str = name) -> Tensor:
            swapped = {f"{name}.weight": weight}
            return F.cross_entropy(torch.func.functional_call(model, swapped, (x,)), y)

        hessian = torch.autograd.functional.hessian(loss, layer.weight.detach())
        cols = layer.weight[0].numel()
        for row in range(len(layer.weight)):
            block = hessian[row, ..., row, :] if name == "5" else hessian[row, :, :, :, row]
            values = torch.linalg.eigvalsh(block.reshape(cols, cols))
            top = values[values.abs().argmax()]
            assert float(found[name][row]) == pytest.approx(float(top), rel=1e-3), (name, row)
        assert float(found[name].abs().min()) > 0


def test_the_hessian_run_leaves_no_trace(model: rt.RmsmpModel) -> None:
    """Flags, gradients and statistics stay; the same seed gives the same numbers."""
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first = rt.row_eigenvalues(model, F.cross_entropy, batch(), iterations=2)
    second = rt.row_eigenvalues(model, F.cross_entropy, batch(), iterations=2)
    assert model.training and model.rmsmp.quantized
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", ["hessian", "variance", "weight-error"])
def test_shares_are_realized_in_whole_rows(model: rt.RmsmpModel, method: str) -> None:
    """Each layer gets the rows that realize_ratio says, whatever the method."""
    counts = rt.assign_rows(
        model, "50:30:20", method, loss_fn=F.cross_entropy, batch=batch(), iterations=2  # type: ignore[arg-type]
    )  # fmt: skip
    for op in model.layers():
        wanted = realize_ratio((50, 30, 20), op.shape[0])
        found = tuple(counts[op.name].get(name, 0) for name in ("SP2-4", "Fixed-4", "Fixed-8"))
        assert found == wanted
    assert rt.export_params(model).ratio == (50, 30, 20)


def test_the_most_sensitive_rows_get_eight_bits(model: rt.RmsmpModel) -> None:
    """The rows of largest curvature are the Fixed-8 rows; of the rest the calm ones shift-add."""
    values = rt.row_eigenvalues(model, F.cross_entropy, batch())
    rt.assign_rows(model, "50:25:25", loss_fn=F.cross_entropy, batch=batch())
    names = np.array(model.rmsmp.row("conv1").names)
    score = values["conv1"].abs().numpy()
    assert set(np.argsort(-score)[:2]) == set(np.flatnonzero(names == "Fixed-8"))
    variance = model.state_dict()["conv1.weight"].flatten(1).var(1).numpy()
    assert variance[names == "SP2-4"].max() <= variance[names == "Fixed-4"].min()


def test_rows_that_keep_their_format_keep_their_scale(model: rt.RmsmpModel) -> None:
    """A second assignment refits only the rows that change."""
    row = model.rmsmp.row("conv1")
    with torch.no_grad():
        row.log_factor.add_(0.25)
    before, names = row.scales().detach(), row.names
    table = list(names)
    table[3] = "Fixed-8" if names[3] != "Fixed-8" else "Fixed-4"
    rt.assign_rows(model, method={"conv1": table})
    after = row.scales().detach()
    changed = torch.tensor([a != b for a, b in zip(names, table, strict=True)])
    assert torch.equal(before[~changed], after[~changed])
    assert not torch.equal(before[changed], after[changed])
    assert row.names == tuple(table)


def test_wrong_tables_are_refused_whole(model: rt.RmsmpModel) -> None:
    """All findings come at once, with a suggestion, and nothing changes."""
    before = {op.name: model.rmsmp.row(op.name).names for op in model.layers()}
    table = {
        "conv9": ["Fixed-4"],
        "fc": ["Fixed-4"],
        "conv1": ["PoT-4"] * 8,
        "conv2": ["Fixed-8"] * 8,
    }
    with pytest.raises(QuantizationError) as caught:
        rt.assign_rows(model, method=table)
    message = str(caught.value)
    assert "did you mean 'conv" in message and "5 rows" in message and "PoT-4" in message
    assert before == {op.name: model.rmsmp.row(op.name).names for op in model.layers()}


def test_missing_loss_and_unknown_method_are_refused(model: rt.RmsmpModel) -> None:
    """The message says what to pass."""
    with pytest.raises(ConfigError, match="loss_fn"):
        rt.assign_rows(model)
    with pytest.raises(ConfigError, match="unknown assignment"):
        rt.assign_rows(model, method="random")  # type: ignore[arg-type]
