"""The training itself: phases, epochs, steps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from rmsmp_hls.config.training import PhaseSettings, TrainConfig
from rmsmp_hls.frontend.parameters import parameter_readings
from rmsmp_hls.train.admm import Admm
from rmsmp_hls.train.assign import assign, scorer
from rmsmp_hls.train.calibrate import calibrate
from rmsmp_hls.train.evaluate import images_at_once
from rmsmp_hls.train.execute import lookup
from rmsmp_hls.train.finite import first_bad_parameter, first_not_finite, not_finite
from rmsmp_hls.train.model import PREFIX, RmsmpModel, evaluating
from rmsmp_hls.train.refresh import assignment_due
from rmsmp_hls.train.save import save
from rmsmp_hls.trainer.data import (
    Batch,
    Data,
    SeededItems,
    batches,
    check_labels,
    training_order,
)
from rmsmp_hls.trainer.log import Log
from rmsmp_hls.trainer.loss import Loss, Teacher, float_tensors, hard_loss
from rmsmp_hls.trainer.measure import accuracy, first_batch, some_batches, spread
from rmsmp_hls.trainer.processes import Processes
from rmsmp_hls.trainer.schedule import clip, lr_factor, make_optimizer, set_lr
from rmsmp_hls.trainer.seeds import seed_all
from rmsmp_hls.trainer.state import STATE, Position, Saved, save_state

FLOAT, QUANTIZED = "float_training", "quantized_training"
BEST = "best.pt"
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Progress(Protocol):
    """What is told how far a training is."""

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """A stage begins ("run") or is "done"."""

    def step(self, text: str, done: int, total: int) -> None:
        """How far the running stage is."""


@dataclass
class Session:
    """A training under way.

    Attributes:
        config, data, model, who: what is trained, and where.
        folder: of model, state and log.
        progress: is told how far it is, of the first process.
        log: of the first process; None elsewhere.
        position: the next step.
        kept: validation images that go into the model file, or None.
    """

    config: TrainConfig
    data: Data
    model: RmsmpModel
    who: Processes
    folder: Path
    progress: Progress
    log: Log | None
    position: Position
    saved: Saved | None = None
    kept: Batch | None = None
    teacher: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find what is derived from the data and the network."""
        self.count = len(self.data.training)
        self.steps = self.count // self.config.data.batch_size
        self.classes = math.prod(self.model.graph.op(self.model.graph.output).shape)
        if self.saved is not None:
            self.teacher = {k: t.to(self.who.device) for k, t in self.saved.teacher.items()}
        parameter, _ = lookup(self.model)
        used = {id(parameter(reading.key)) for reading in parameter_readings(self.model.graph)}
        for name, tensor in self.model.named_parameters():
            if id(tensor) not in used and not name.startswith(f"{PREFIX}."):
                tensor.requires_grad_(False)  # processes wait for every gradient there may be

    def run(self) -> None:
        """Train from the position to the end."""
        if self.position.phase == FLOAT:
            if self.config.float_training.epochs:
                self._phase(FLOAT, self.config.float_training)
            self._quantize()
        self._phase(QUANTIZED, self.config.quantized_training)

    def _items(self, *place: int | str) -> SeededItems:
        return SeededItems(self.data.training, "training", self.config.seed, *place)

    def _quantize(self) -> None:
        """Calibrate, assign rows, take the float network as the teacher."""
        began = time.monotonic()
        self.progress.stage("calibrate", "run", None, "")
        settings, model = self.config.quantization, self.model
        if self.kept is not None:
            self.position.float_accuracy = self._kept_accuracy(self.kept)
        if self.config.loss.distillation:
            self.teacher = float_tensors(model)
        model.quantize_enabled(True)
        calibrate(
            model,
            some_batches(self._items("calibration"), self.count, settings.calibration_images,
                         images_at_once(model.graph), self.who.device),
            method=settings.method,  # type: ignore[arg-type]
            percentile=settings.percentile,
        )  # fmt: skip
        self._assign()
        self.position.phase, self.position.epoch, self.position.step = QUANTIZED, 0, 0
        self.saved = None
        self.progress.stage("calibrate", "done", time.monotonic() - began, "and rows assigned")

    @torch.no_grad()
    def _kept_accuracy(self, kept: Batch) -> float:
        with evaluating(self.model, quantized=False):
            parts = torch.split(kept[0].to(self.who.device), images_at_once(self.model.graph))
            answers = [self.model(part).flatten(1).argmax(1).cpu() for part in parts]
        return float((torch.cat(answers) == kept[1]).double().mean())

    def _assign(self) -> None:
        settings, device = self.config.assignment, self.who.device
        if settings.table is not None:
            assign(self.model, settings.table)
        else:
            indices = spread(self.count, settings.images)
            images, labels = first_batch(self._items("assignment"), indices, self.classes)
            batch = (images.to(device), labels.to(device))
            assign(self.model, scorer(settings.method, hard_loss, batch, seed=self.config.seed))
        self.who.same(iter(self.model.state_dict().values()))
        self.model.rmsmp.refresh()

    def _phase(self, name: str, settings: PhaseSettings) -> None:
        began = time.monotonic()
        self.progress.stage(name, "run", None, "")
        model, quantized = self.model, name == QUANTIZED
        model.quantize_enabled(quantized)
        model.rmsmp.requires_grad_(quantized)
        optimizer = make_optimizer(model, settings)
        half = _AUTOCAST.get(self.config.precision)
        if quantized and half == torch.float16:
            half = None  # sums of products of codes pass its largest number, 65504
        scaler = torch.amp.GradScaler(self.who.device.type, enabled=half == torch.float16)
        admm = Admm(model, self.config.admm.rho) if quantized and self.config.admm.rho else None
        if self.saved is not None:
            optimizer.load_state_dict(self.saved.optimizer)
            scaler.load_state_dict(self.saved.scaler)
            if admm is not None:
                admm.load_state_dict(self.saved.admm)
            self.saved = None
        teacher = Teacher(model, self.teacher) if quantized and self.teacher else None
        phase = _Phase(
            name, settings, optimizer, scaler, half, Loss(self.config.loss, teacher), admm,
            self.who.wrap(model),
        )  # fmt: skip
        model.rmsmp.refresh()  # several processes: the first one's formats came with `wrap`
        if self.position.epoch == self.position.step == 0:
            self._save(phase)
        while self.position.epoch < settings.epochs:
            self._epoch(phase)
        self.progress.stage(name, "done", time.monotonic() - began, f"{settings.epochs} epochs")

    def _epoch(self, phase: _Phase) -> None:
        position, began = self.position, time.monotonic()
        if phase.name == QUANTIZED and position.step == 0 and self._assignment_due(phase.settings):
            self._assign()
        first_frozen = phase.settings.epochs - self.config.batch_norm.frozen_epochs
        self.model.freeze_batch_norm(phase.name == QUANTIZED and position.epoch >= first_frozen)
        place = (phase.name, position.epoch)
        order = training_order(self.count, self.config.data.batch_size, self.config.seed, *place)
        mine = [self.who.share(batch) for batch in order[position.step :]]
        self.model.train()
        for images, labels in batches(self._items(*place), mine, self.config.data.workers):
            self._step(phase, images, labels)
            every = self.config.checkpoint_steps
            if every and position.step % every == 0 and position.step < self.steps:
                self._save(phase)
        loss = position.loss_sum / self.steps
        self.who.same(iter(self.model.buffers()))  # batch norm's, of the first process
        share = self._validated(phase)
        position.epoch, position.step, position.loss_sum = position.epoch + 1, 0, 0.0
        if self.log is not None:
            self.log.write(
                position.total, phase.name, epoch=position.epoch, loss=loss, accuracy=share,
                lr=phase.optimizer.param_groups[0]["lr"], seconds=time.monotonic() - began,
            )  # fmt: skip
        self._save(phase)

    def _assignment_due(self, settings: PhaseSettings) -> bool:
        """Whether the epoch begins with another assignment; epoch 0 has that of `_quantize`."""
        again, epoch = self.config.assignment, self.position.epoch
        last = settings.epochs - again.frozen_epochs
        return epoch > 0 and assignment_due(epoch, again.refresh_epochs, last)

    def _step(self, phase: _Phase, images: Tensor, labels: Tensor) -> None:
        position, device = self.position, self.who.device
        check_labels(labels, self.classes)
        images, labels = images.to(device), labels.to(device)
        seed_all(self.config.seed, phase.name, position.epoch, position.step, self.who.rank)
        done = position.epoch * self.steps + position.step
        set_lr(phase.optimizer, lr_factor(phase.settings, done, self.steps))
        moved = self.config.admm.update_steps or self.steps
        if phase.admm is not None and done and done % moved == 0:
            phase.admm.update()
        with phase.autocast(device):
            outputs = phase.called(images)
        loss = phase.loss(outputs, images, labels)
        if phase.admm is not None:
            loss = loss + phase.admm.penalty()
        mean = self.who.sum(float(loss.detach()))[0] / self.who.size
        if not math.isfinite(mean):
            with phase.autocast(device):
                self._stop(phase, first_not_finite(self.model, images))
        phase.optimizer.zero_grad(set_to_none=True)
        phase.scaler.scale(loss).backward()
        phase.scaler.unscale_(phase.optimizer)
        clip(self.model, phase.settings.clip_norm)
        phase.scaler.step(phase.optimizer)
        phase.scaler.update()
        position.step, position.total = position.step + 1, position.total + 1
        position.loss_sum += mean
        every = self.config.log_steps
        if self.log is not None and every and position.total % every == 0:
            rate = phase.optimizer.param_groups[0]["lr"]
            self.log.write(position.total, phase.name, step_loss=mean, step_lr=rate)
        text = f"epoch {position.epoch + 1} of {phase.settings.epochs}, loss {mean:.4f}, step"
        self.progress.step(text, position.step, self.steps)

    def _stop(self, phase: _Phase, place: str) -> None:
        place = self.who.first_text(place)
        kept = f"the state before is kept in {self.folder}"
        raise not_finite(phase.name, self.position.epoch + 1, self.position.step + 1, place, kept)

    def _validated(self, phase: _Phase) -> float | None:
        """Return the accuracy on the validation data; keep the best quantized network."""
        items = self.data.validation
        if items is None:
            return None
        quantized = phase.name == QUANTIZED
        share = accuracy(
            self.model, SeededItems(items, "validation", self.config.seed, "validation"),
            len(items), self.classes, self.who,
            self.config.data.workers, quantized=quantized,
        )  # fmt: skip
        best = self.position.best_accuracy
        if quantized and (best is None or share > best):
            self.position.best_accuracy, self.position.best_epoch = share, self.position.epoch + 1
            self.write_model(BEST)
        return share

    def write_model(self, name: str) -> None:
        """Write the model as it is, for `build`; the first process does."""
        if not self.who.first:
            return
        meta: dict[str, float | int | str] = {"seed": self.config.seed}
        if self.position.float_accuracy is not None:
            meta["float_accuracy"] = self.position.float_accuracy
        save(self.model, self.folder / name, validation=self.kept, meta=meta)

    def _save(self, phase: _Phase) -> None:
        """Keep the state, unless it is not finite; then stop."""
        bad = first_bad_parameter(self.model)
        if bad:
            self._stop(phase, f"parameter {bad!r}, behind the step before")
        if self.who.first:
            save_state(
                self.folder / STATE, self.config, self.position, self.model,
                phase.optimizer.state_dict(), phase.scaler.state_dict(), self.teacher,
                phase.admm.state_dict() if phase.admm is not None else {},
            )  # fmt: skip


@dataclass(frozen=True)
class _Phase:
    """What a phase works with; `called` is the model, or what averages over processes."""

    name: str
    settings: PhaseSettings
    optimizer: Optimizer
    scaler: Any
    half: torch.dtype | None
    loss: Loss
    admm: Admm | None
    called: nn.Module

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the context of a forward pass."""
        return torch.autocast(device.type, self.half or torch.bfloat16, self.half is not None)
