"""How far a training is: the file it is resumed from."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.config.training import TrainConfig
from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.frontend.whole_file import write_whole
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.trainer.network import check_names, read_tensors

STATE = Path("state", "last.pt")
"""In the folder of a training."""

SCHEMA, VERSION = "rmsmp-hls/training", 1
_FREE = (
    "out", "device", "checkpoint_steps", "log_steps", "tensorboard", "data.workers",
)  # fmt: skip
"""Settings that may change when a training goes on: they do not change its result."""


@dataclass
class Position:
    """The next step of a training, and what is known so far.

    Attributes:
        phase: float_training or quantized_training.
        epoch, step: within the phase and the epoch, from 0.
        total: steps done in both phases.
        loss_sum: sum of the losses of this epoch's steps.
        float_accuracy: before quantization, on the images kept in the model file; 0..1.
        best_accuracy, best_epoch: of the quantized phase on the validation data.
    """

    phase: str = "float_training"
    epoch: int = 0
    step: int = 0
    total: int = 0
    loss_sum: float = 0.0
    float_accuracy: float | None = None
    best_accuracy: float | None = None
    best_epoch: int = 0

    def words(self) -> str:
        """Return the place as people say it."""
        return f"{self.phase}, epoch {self.epoch + 1}, step {self.step + 1}"


@dataclass(frozen=True)
class Saved:
    """What a state file holds beside the model, which is loaded already."""

    position: Position
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    teacher: dict[str, Tensor]
    admm: dict[str, dict[str, Tensor]]


def save_state(
    path: Path,
    config: TrainConfig,
    position: Position,
    model: RmsmpModel,
    optimizer: Mapping[str, Any],
    scaler: Mapping[str, Any],
    teacher: Mapping[str, Tensor],
    admm: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Replace the state file, whole or not at all.

    Raises:
        ArtefactError: it cannot be written.
    """
    content = {
        "schema": SCHEMA, "version": VERSION, "settings": dict(_settings(config)),
        "position": asdict(position), "model": model.state_dict(), "optimizer": dict(optimizer),
        "scaler": dict(scaler), "teacher": dict(teacher), "admm": dict(admm),
    }  # fmt: skip
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        write_whole(path, buffer.getbuffer())
    except OSError as error:
        raise ArtefactError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            fix="make room, then run the same command again",
        ) from error


def load_state(path: Path, config: TrainConfig, model: RmsmpModel) -> Saved:
    """Load the model's state, and return the rest.

    Raises:
        ArtefactError: the file is damaged, something else, of a newer version, or of another
            architecture (with the names).
        ConfigError: it belongs to other settings (all are listed).
    """
    content = read_tensors(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ArtefactError("is no state of a training", where=str(path))
    if content.get("version") != VERSION:
        raise ArtefactError(
            f"is of version {content.get('version')!r}, this program knows {VERSION}",
            where=str(path),
            fix="update rmsmp-hls",
        )
    try:
        tensors, position = content["model"], Position(**content["position"])
        rest = content["optimizer"], content["scaler"], content["teacher"], content["admm"]
        before = dict(content["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            "is damaged", where=str(path), fix="remove it and start anew"
        ) from error
    check_names(model.state_dict(), tensors, str(path))
    _check_settings(before, config, path)
    model.load_state_dict(tensors)
    return Saved(position, *rest)


def _check_settings(before: Mapping[str, str], config: TrainConfig, path: Path) -> None:
    now = dict(_settings(config))
    changed = [
        f"{key} was {before.get(key, 'not there')}, is {now.get(key, 'not there')}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise ConfigError(
            f"the training in this folder has other settings: {'; '.join(changed)}",
            where=str(path.parent),
            fix="put them back to go on, or give another folder with -o",
        )


def _settings(section: Any, place: str = "") -> Iterator[tuple[str, str]]:
    for setting in fields(section):
        name, value = f"{place}{setting.name}", getattr(section, setting.name)
        if is_dataclass(value):
            yield from _settings(value, f"{name}.")
        elif name not in _FREE:
            yield name, str(dict(value)) if isinstance(value, Mapping) else str(value)
