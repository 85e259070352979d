"""Networks of [N, C, L]: trained or calibrated, then built, with data in their own layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rmsmp_hls import train as rt
from tests.flow.models import build

SHAPE = (2, 32)


def network() -> nn.Module:
    """Strided, grouped and pooled."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(2, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(6, 8, 3, padding=1, groups=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()  # fmt: skip


def lines() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [N, C, L] and classes [N]."""
    return torch.rand(6, *SHAPE), torch.arange(6) % 4


@pytest.mark.slow  # compiles a testbench
@pytest.mark.parametrize("batch", [1, 4, None], ids=["one", "four", "dynamic"])
def test_an_exported_network_is_calibrated_and_built(batch: int | None, tmp_path: Path) -> None:
    """Whatever batch it was exported with; calibration and check data are [N, C, L]."""
    inputs, labels = lines()
    sizes = None if batch else ({0: torch.export.Dim("batch", min=1, max=64)},)
    exported = torch.export.export(network(), (inputs[: batch or 4],), dynamic_shapes=sizes)
    torch.export.save(exported, tmp_path / "net.pt2")
    np.savez(tmp_path / "lines.npz", inputs=inputs.numpy(), labels=labels.numpy())
    data = tmp_path / "lines.npz"
    built = build(tmp_path / "net.pt2", tmp_path / "build", calib=data, data=data)
    assert [(run.images, run.mismatches) for run in built.report.csim] == [(6, 0)]


@pytest.mark.slow  # compiles a testbench
def test_a_trained_network_is_built(tmp_path: Path) -> None:
    """prepare, calibrate, a step of training, save with validation data, build."""
    inputs, labels = lines()
    model = rt.prepare(network(), inputs[:1])
    rt.calibrate(model, [inputs])
    model.train()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    torch.optim.SGD(model.parameters(), 0.01).step()
    rt.save(model.eval(), tmp_path / "net.pt", validation=(inputs, labels))
    built = build(tmp_path / "net.pt", tmp_path / "build")
    assert [(run.images, run.mismatches) for run in built.report.csim] == [(6, 0)]
    with torch.no_grad():
        right = int((model(inputs).argmax(1) == labels).sum())
    assert right in [item.correct for item in built.report.accuracies]
