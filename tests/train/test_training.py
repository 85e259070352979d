"""An ordinary loop trains it; calibration; saving."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, ModelImportError, QuantizationError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.train.calibrate import scale_of_least_error
from tests.train.conftest import SHAPE, prepared

ROOT = Path(__file__).resolve().parents[2]


def task() -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose class is the brightest of five blocks."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 5, (128,), generator=generator)
    images = torch.rand(128, *SHAPE, generator=generator) * 0.5
    for index, label in enumerate(labels):
        images[index, int(label) % 2, int(label) : int(label) + 3] += 0.8
    return images, labels


def trained(steps: int, optimizer: str = "adam") -> tuple[rt.RmsmpModel, list[float]]:
    model = prepared(ratio="50:40:10")
    groups = rt.parameter_groups(model, weight_decay=1e-4)
    chosen = (
        torch.optim.Adam(groups, lr=6e-3)
        if optimizer == "adam"
        else torch.optim.SGD(groups, lr=0.03, momentum=0.9)
    )
    images, labels = task()
    torch.manual_seed(3)
    losses = []
    model.train()
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels)
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        losses.append(float(loss.detach()))
    return model.eval(), losses


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_reduces_the_loss_and_moves_the_scales(optimizer: str) -> None:
    """Weights, row scales and activation scales all learn, and stay positive."""
    before = prepared(ratio="50:40:10")
    model, losses = trained(40, optimizer)
    assert losses[-1] < 0.6 * losses[0]
    old, new = rt.export_params(before), rt.export_params(model)
    moved = [old.activations[name].scale != new.activations[name].scale for name in new.activations]
    assert sum(moved) > 0.8 * len(moved)
    for name, rows in new.rows.items():
        assert rows.scales != old.rows[name].scales, name
        ratio = rows.scales.array / old.rows[name].scales.array
        assert ((ratio > 0.3) & (ratio < 3)).all(), "a scale ran away"


def test_training_is_deterministic() -> None:
    """The same seed gives the same losses and codes."""
    (first, losses), (second, again) = trained(4), trained(4)
    assert losses == again
    x = task()[0][:4]
    a, b = first.codes(x), second.codes(x)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_gradients_exist_in_evaluation_mode_too(model: rt.RmsmpModel) -> None:
    """Fine-tuning with frozen batch norm: model.eval() and backward."""
    model.eval()(torch.rand(2, *SHAPE)).sum().backward()
    assert model.conv1.weight.grad is not None


def test_calibration_learns_the_sign_of_the_input() -> None:
    """Unsigned if no input is negative, else signed."""
    model = prepared()
    assert not rt.export_params(model).activations["x"].signed
    rt.calibrate(model, [torch.randn(8, *SHAPE)])
    assert rt.export_params(model).activations["x"].signed


def test_calibration_by_percentile() -> None:
    """The percentile stands at the largest code."""
    model = prepared()
    images = torch.linspace(0, 1, 4 * 128).reshape(4, *SHAPE)
    rt.calibrate(model, [images], method="percentile", percentile=50)
    assert rt.export_params(model).activations["x"].scale == pytest.approx(0.5 / 255, rel=1e-5)


def test_calibration_without_sense_is_an_error() -> None:
    """No data, NaN, unknown method."""
    model = prepared()
    with pytest.raises(QuantizationError, match="no data"):
        rt.calibrate(model, [])
    with pytest.raises(QuantizationError, match="NaN"):
        rt.calibrate(model, [torch.full((1, *SHAPE), torch.nan)])
    with pytest.raises(ConfigError, match="unknown calibration"):
        rt.calibrate(model, [torch.rand(1, *SHAPE)], method="best")  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [4, 8])
def test_the_scale_of_least_error_beats_a_fine_search(bits: int) -> None:
    """Within 1 % of the best error that 2000 scales reach."""
    sample = torch.randn(4000, generator=torch.Generator().manual_seed(0)).double().relu()
    high = (1 << bits) - 1

    def error(scale: float) -> float:
        codes = torch.floor(sample / scale + 0.5).clamp(0, high)
        return float(((codes * scale - sample) ** 2).mean())

    largest = float(sample.max())
    found = error(scale_of_least_error(sample, largest, 0, high))
    best = min(error(largest / high * factor) for factor in np.linspace(0.1, 1.1, 2000))
    assert found <= best * 1.01
    assert scale_of_least_error(torch.zeros(3).double(), 0.0, 0, high) == 1 / high


def test_save_writes_what_the_model_is(model: rt.RmsmpModel, tmp_path: Path) -> None:
    """The file holds the exported graph, parameters, validation data and accuracies."""
    model.train()
    images, labels = task()
    written = rt.save(
        model, tmp_path / "m.pt", validation=(images, labels), meta={"float_accuracy": 0.9}
    )
    assert model.training
    loaded = load_checkpoint(tmp_path / "m.pt")
    assert loaded == written and loaded.params == rt.export_params(model)
    assert loaded.graph.constants == rt.export_graph(model).constants
    accuracy = float((model.eval()(images).argmax(1) == labels).double().mean())
    assert loaded.fake_quantized_accuracy == accuracy and loaded.float_accuracy == 0.9
    assert loaded.validation is not None
    assert np.array_equal(loaded.validation.inputs.array, images.numpy())


def test_saving_what_is_not_sound_is_an_error(model: rt.RmsmpModel, tmp_path: Path) -> None:
    """Validation data of another shape, NaN in the weights: nothing is written."""
    path = tmp_path / "m.pt"
    with pytest.raises(QuantizationError, match="no validation data"):
        rt.save(model, path, validation=(torch.zeros(2, 3, 3, 3), torch.zeros(2)))
    model.fc.bias.data[0] = torch.nan  # type: ignore[union-attr,index]
    with pytest.raises(ModelImportError, match=r"fc\.bias"):
        rt.save(model, path)
    assert not path.exists()


@pytest.mark.slow
def test_the_digits_example_trains_and_saves(tmp_path: Path) -> None:
    """The example reaches its accuracies and writes a checkpoint that loads."""
    pytest.importorskip("sklearn")
    path = tmp_path / "digits.pt"
    command = [sys.executable, str(ROOT / "examples" / "digits.py"), "--output", str(path)]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "2"})
    loaded = load_checkpoint(path)
    assert loaded.float_accuracy is not None and loaded.float_accuracy >= 0.98
    assert loaded.fake_quantized_accuracy is not None
    assert loaded.fake_quantized_accuracy >= loaded.float_accuracy - 0.01
    assert loaded.validation is not None and len(loaded.validation.labels.array) == 360


def test_validation_data_of_one_line_may_lack_their_height(tmp_path: Path) -> None:
    """[N, C, L] is kept as [N, C, 1, L], which the graph takes."""
    model = rt.prepare(nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), nn.Linear(18, 2)),
                    torch.zeros(1, 2, 8))  # fmt: skip
    lines = torch.rand(4, 2, 8)
    rt.calibrate(model, [lines])
    saved = rt.save(model, tmp_path / "net.pt", validation=(lines, torch.zeros(4)))
    assert saved.validation is not None
    assert np.array_equal(saved.validation.inputs.array, lines.unsqueeze(2).numpy())
