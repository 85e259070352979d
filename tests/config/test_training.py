"""The settings of a training, and the file that holds them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from rmsmp_hls.config.training import (
    ACTIVATION_SCALES,
    ASSIGNMENTS,
    WEIGHT_FITS,
    WEIGHT_SCALES,
    LossSettings,
    TrainConfig,
)
from rmsmp_hls.config.training_file import load_train_config
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.assign import METHODS
from rmsmp_hls.train.settings import ActivationScale, WeightFit, WeightScale

MINIMAL = """
model: {factory: "mine:network"}
data: {factory: "mine:data"}
"""


@pytest.fixture
def read(tmp_path: Path):
    def call(text: str, **more: object) -> TrainConfig:
        path = tmp_path / "train.yaml"
        path.write_text(text)
        return load_train_config(path, **more)

    return call


def test_defaults_are_those_of_the_classes(read, tmp_path: Path) -> None:
    """Two lines are enough; the folder lies beside the file."""
    found = read(MINIMAL)
    assert found.quantization.ratio == (65, 30, 5)
    assert found.float_training.epochs == 0
    assert found.quantized_training.epochs == 10
    assert found.out == tmp_path / "training"


def test_values_are_read(read, tmp_path: Path) -> None:
    """Sections, ratios unquoted, flags, arguments, and paths relative to the file."""
    found = read(
        """
model: {checkpoint: nets/a.pt2}
data: {train: a.npz, validation: b.npz, batch_size: 8}
quantization: {ratio: 60:35:5, codebook: PoT-4}
quantized_training: {optimizer: sgd, nesterov: yes, lr: 5e-3}
tensorboard: on
out: there
"""
    )
    assert found.model.checkpoint == tmp_path / "nets" / "a.pt2"
    assert found.data.validation == tmp_path / "b.npz"
    assert found.quantization.ratio == (60, 35, 5)
    assert (found.quantized_training.nesterov, found.quantized_training.lr) == (True, 0.005)
    assert found.quantized_training.epochs == 10
    assert found.tensorboard
    assert found.out == tmp_path / "there"


def test_arguments_reach_the_factory_as_text(read) -> None:
    """Numbers stay text."""
    text = 'model: {factory: "a:b"}\ndata: {factory: "a:c", arguments: {root: x, size: 3}}\n'
    assert read(text).data.arguments == {"root": "x", "size": "3"}


def test_the_command_line_wins(read) -> None:
    """-o replaces the folder."""
    assert read(MINIMAL + "out: there\n", out=Path("here")).out == Path("here")


def test_all_problems_are_listed_with_their_lines(read) -> None:
    """Unknown and doubled keys, wrong kinds and values out of range, in one error."""
    with pytest.raises(ConfigError) as caught:
        read(
            """model: {factory: "a:b"}
data: {factory: "a:c", batchsize: 8}
seed: 1
seed: 2
quantized_training:
  epochs: many
  momentum: 1.5
  optimizer: adam
quantization: 4
loss: {label_smoothing: 1}
precision: [float16]
"""
        )
    found = [(finding.where.rpartition(":")[2], finding.what) for finding in caught.value.findings]
    assert found == [
        ("2", "data.batchsize: unknown key 'batchsize'"),
        ("4", "seed: given twice"),
        ("6", "quantized_training.epochs: 'many' is not a whole number"),
        ("7", "quantized_training.momentum: must be at least 0 and below 1, not 1.5"),
        ("8", "quantized_training.optimizer: unknown optimizer 'adam'"),
        ("9", "quantization: write one `key: value` line per setting"),
        ("10", "loss.label_smoothing: must be at least 0 and below 1, not 1"),
        ("11", "precision: one value is expected, not a list"),
    ]
    assert "did you mean 'batch_size'?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "either `factory` or `checkpoint`"),
        (MINIMAL + "quantized_training: {epochs: 2, warmup_epochs: 2}", "warm-up of 2 epochs in 2"),
        (MINIMAL + "quantized_training: {lr: 1, final_lr: 2}", "above lr"),
        (MINIMAL + "quantized_training: {nesterov: yes}", "needs sgd"),
        ("model: {factory: net}\ndata: {train: a.npz}", "names no function"),
        ("model: {checkpoint: a, weights: b}\ndata: {train: a.npz}", "belong to a factory"),
        ('model: {checkpoint: a}\ndata: {factory: "a:b", validation: c}', "its own validation"),
        (MINIMAL + "assignment: {table: a.yaml, refresh_epochs: 2}", "same rows every time"),
        (MINIMAL + "admm: {rho: -1}", "rho: must be at least 0"),
        (MINIMAL + "quantization: {first_last: 8bit}", "unknown first_last '8bit'"),
        ("- a", "write one `key: value` line"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(read, text: str, message: str) -> None:
    """What each alone could be, but not with the others."""
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_the_page_shows_settings_that_can_be_read(read) -> None:
    """The example of docs/cli.md, as it stands."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
    block = page.partition("\n## train\n")[2].partition("```yaml\n")[2].partition("```")[0]
    found = read(block)
    assert found.model.weights is not None
    assert found.loss.distillation == 0.5
    assert found.quantization.ratio == (65, 30, 5)


def test_the_page_lists_every_setting() -> None:
    """Each key of the file, with its section, is in the table of docs/cli.md."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
    table = page.partition("\n## train\n")[2].partition("\n## ")[0]
    for section in fields(TrainConfig):
        default = section.default_factory
        inner = fields(default()) if callable(default) else ()
        for name in [f"{section.name}.{part.name}" for part in inner] or [section.name]:
            assert f"`{name}`" in table or f"`*.{name.partition('.')[2]}`" in table, name


def test_limits_hold_without_a_file_too() -> None:
    """The classes check themselves when they come together."""
    with pytest.raises(ConfigError, match=r"loss\.temperature: must be above 0"):
        TrainConfig(loss=LossSettings(temperature=0))


def test_ways_to_scale_are_those_of_training() -> None:
    """The lists for users are those of `prepare`."""
    assert get_args(ActivationScale) == ACTIVATION_SCALES
    assert get_args(WeightScale) == WEIGHT_SCALES
    assert get_args(WeightFit) == WEIGHT_FITS


def test_assignments_are_those_of_training() -> None:
    """The list for users is the list of `assign_rows`."""
    assert ASSIGNMENTS == METHODS
