"""When rows are assigned again during training, and when no more; when batch norm is frozen."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.assign import Assigned, assign, realized
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.scores import Scorer


def frozen_from(epochs: int, frozen: float) -> int:
    """Return the first epoch, 0-based, of the last part of a training.

    Args:
        epochs: of the whole training.
        frozen: the part's share of them, 0..1, rounded down to whole epochs.
    """
    return epochs - int(epochs * frozen + 1e-9)


def assignment_due(epoch: int, every: int, frozen_epoch: int) -> bool:
    """Return whether epoch 0, 1, ... begins with an assignment.

    Args:
        epoch: the epoch.
        every: epochs from one assignment to the next; 0: epoch 0 only.
        frozen_epoch: no assignment from this one on, but in epoch 0.
    """
    return epoch == 0 or (every > 0 and epoch < frozen_epoch and epoch % every == 0)


@dataclass(frozen=True, eq=False)
class AssignmentSchedule:
    """Assigns rows every few epochs and leaves them alone in the last part of the training.

    It keeps no state: what a step does depends on the epoch only, so that a resumed training goes
    on as if it had not stopped. In distributed training give every process the same batch.

    Attributes:
        model: a prepared model.
        scorer: what makes rows sensitive.
        epochs: of the whole training, >= 1.
        every: epochs from one assignment to the next, >= 1 (RMSMP: 10).
        frozen: share of the epochs at the end without assignment, 0..1; epoch 0 always has one.
        ratio: shares shift-add : Fixed-4 : Fixed-8; default: as it is.

    Raises:
        ConfigError: any of them is out of range.
    """

    model: RmsmpModel
    scorer: Scorer
    epochs: int
    every: int = 10
    frozen: float = 1 / 3
    ratio: Ratio | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.every < 1 or not 0 <= self.frozen <= 1:
            raise ConfigError(
                f"{self.epochs} epochs, an assignment every {self.every}, {self.frozen:g} frozen",
                where="assignment schedule",
                fix="give at least one epoch, every >= 1 and a frozen share of 0..1",
            )

    @property
    def frozen_from(self) -> int:
        """First epoch of the last part; no assignment from there on (but epoch 0)."""
        return frozen_from(self.epochs, self.frozen)

    def due(self, epoch: int) -> bool:
        """Return whether epoch 0, 1, ... begins with an assignment."""
        return assignment_due(epoch, self.every, self.frozen_from)

    def step(self, epoch: int, scorer: Scorer | None = None) -> Assigned:
        """Assign rows if it is time; call it before each epoch.

        Args:
            epoch: 0, 1, ...
            scorer: instead of the schedule's own, e.g. with this epoch's first batch.

        Returns:
            What changed; `refreshed` is False, and nothing has changed, between assignments.

        Raises:
            ConfigError: a negative epoch.
            QuantizationError: as `assign`.
        """
        _check_epoch(epoch)
        if not self.due(epoch):
            return Assigned(realized(self.model), {}, {}, refreshed=False)
        return assign(self.model, scorer or self.scorer, self.ratio)


@dataclass(frozen=True, eq=False)
class BatchNormSchedule:
    """Freezes batch norm's running statistics in the last part of the training.

    From then on batch norm computes in training what it does in evaluation and in hardware: a
    fixed factor and offset per channel, which fold into multiplier and bias. Weight and bias of
    the batch norms, and all else, are trained on. Like `AssignmentSchedule` it keeps no state.

    Attributes:
        model: a prepared model.
        epochs: of the whole training, >= 1.
        frozen: share of the epochs at the end with frozen statistics, 0..1.

    Raises:
        ConfigError: any of them is out of range.
    """

    model: RmsmpModel
    epochs: int
    frozen: float = 1 / 3

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 <= self.frozen <= 1:
            raise ConfigError(
                f"{self.epochs} epochs, {self.frozen:g} of them with frozen statistics",
                where="batch norm schedule",
                fix="give at least one epoch and a frozen share of 0..1",
            )

    @property
    def frozen_from(self) -> int:
        """First epoch with frozen statistics."""
        return frozen_from(self.epochs, self.frozen)

    def step(self, epoch: int) -> bool:
        """Freeze the statistics, or let them follow the batches; call it before each epoch.

        Args:
            epoch: 0, 1, ...

        Returns:
            Whether they are frozen now.

        Raises:
            ConfigError: a negative epoch.
        """
        _check_epoch(epoch)
        frozen = epoch >= self.frozen_from
        self.model.freeze_batch_norm(frozen)
        return frozen


def _check_epoch(epoch: int) -> None:
    if epoch < 0:
        raise ConfigError(f"epoch {epoch}", fix="count epochs from 0")
