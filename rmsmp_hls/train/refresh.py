"""When rows are assigned again during training, and when no more."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.assign import Assigned, assign, realized
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.scores import Scorer


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
        return self.epochs - int(self.epochs * self.frozen + 1e-9)

    def due(self, epoch: int) -> bool:
        """Return whether epoch 0, 1, ... begins with an assignment."""
        return epoch == 0 or (epoch < self.frozen_from and epoch % self.every == 0)

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
        if epoch < 0:
            raise ConfigError(f"epoch {epoch}", fix="count epochs from 0")
        if not self.due(epoch):
            return Assigned(realized(self.model), {}, {}, refreshed=False)
        return assign(self.model, scorer or self.scorer, self.ratio)
