"""Parameter groups for an optimizer: scales must not decay."""

from __future__ import annotations

from typing import Any

from rmsmp_hls.train.model import PREFIX, RmsmpModel


def parameter_groups(
    model: RmsmpModel, *, weight_decay: float = 0.0, scale_lr: float | None = None
) -> list[dict[str, Any]]:
    """Return two groups for a torch optimizer: the network's parameters, and the scales.

    Args:
        model: a prepared model.
        weight_decay: of the network's weights; scales, biases and batch norm get none.
        scale_lr: learning rate of the scales; default: the optimizer's.
    """
    named = list(model.named_parameters())
    # Scales that are not learned have no gradient, and torch leaves them alone.
    scales = [p for name, p in named if name.startswith(f"{PREFIX}.")]
    plain = [p for name, p in named if not name.startswith(f"{PREFIX}.")]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in plain if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in plain if p.dim() <= 1], "weight_decay": 0.0},
        {"params": scales, "weight_decay": 0.0},
    ]
    if scale_lr is not None:
        groups[-1]["lr"] = scale_lr
    return groups
