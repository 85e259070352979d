"""The trainings that are shipped as configurations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rmsmp_hls.config.training_file import load_train_config

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def test_imagenet_has_the_published_settings() -> None:
    """FILM-QNN, section 4.1: 150 epochs, 50 of them frozen, and the figures of its SGD."""
    config = load_train_config(FOLDER / "imagenet_train.yaml")
    phase = config.quantized_training
    assert (phase.epochs, phase.warmup_epochs, phase.optimizer) == (150, 8, "sgd")
    assert (phase.lr, phase.momentum, phase.weight_decay) == (0.512, 0.875, 1 / 32768)
    assert (config.assignment.refresh_epochs, config.assignment.frozen_epochs) == (1, 50)
    assert (config.data.batch_size, config.loss.label_smoothing) == (512, 0.1)
    assert config.quantization.activation_bits == 5


@pytest.mark.slow
def test_digits_train(tmp_path: Path) -> None:
    """A few epochs of the configuration learn the digits; the file is what `build` reads."""
    from rmsmp_hls.frontend.checkpoint import load_checkpoint
    from rmsmp_hls.trainer import train

    config = load_train_config(FOLDER / "digits_train.yaml", tmp_path / "out")
    short = replace(
        config,
        float_training=replace(config.float_training, epochs=4),
        quantized_training=replace(config.quantized_training, epochs=1),
        assignment=replace(config.assignment, method="weight-error"),
        device="cpu",
    )
    outcome = train(short, FOLDER)
    assert outcome.quantized_accuracy is not None
    assert outcome.quantized_accuracy > 0.9
    checkpoint = load_checkpoint(outcome.model)
    assert checkpoint.validation is not None
    assert len(checkpoint.validation.labels.array) == 360
