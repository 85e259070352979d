"""The loss: cross-entropy with label smoothing, and distillation from the float network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rmsmp_hls.config.training import LossSettings
from rmsmp_hls.train.execute import Run
from rmsmp_hls.train.model import PREFIX, RmsmpModel


@dataclass(frozen=True)
class Teacher:
    """The float network as it was when it was taken, in evaluation mode."""

    model: RmsmpModel
    tensors: Mapping[str, Tensor]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return its logits [N, classes]."""
        graph, plan = self.model.graph, self.model.plan
        run = Run(graph, plan, self.tensors.get, lambda _: None, training=False)
        return run(images).flatten(1)


def float_tensors(model: RmsmpModel) -> dict[str, Tensor]:
    """Return copies of the network's own parameters and buffers, without the quantizers'."""
    state = model.state_dict().items()
    return {k: v.detach().clone() for k, v in state if not k.startswith(f"{PREFIX}.")}


@dataclass(frozen=True)
class Loss:
    """Mean over a batch; `teacher` is None in float training and without distillation."""

    settings: LossSettings
    teacher: Teacher | None = None

    def __call__(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, computed in float32 at least.

        Args:
            outputs: logits [N, classes] or [N, classes, 1, 1].
            images: what they were made of.
            labels: classes [N].
        """
        logits = outputs.flatten(1)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        hard = F.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        if self.teacher is None:
            return hard
        share, heat = self.settings.distillation, self.settings.temperature
        theirs = F.log_softmax(self.teacher(images).to(logits.dtype) / heat, 1)
        ours = F.log_softmax(logits / heat, 1)
        soft = F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * heat**2
        return (1 - share) * hard + share * soft


def hard_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the plain cross-entropy, which rows are assigned by."""
    return F.cross_entropy(outputs.flatten(1), labels)
