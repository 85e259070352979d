"""Optimizers, and the learning rate of every step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim import SGD, AdamW, Optimizer

from rmsmp_hls.config.training import PhaseSettings
from rmsmp_hls.train.groups import parameter_groups
from rmsmp_hls.train.model import RmsmpModel


def make_optimizer(model: RmsmpModel, settings: PhaseSettings) -> Optimizer:
    """Return the phase's optimizer; each group notes its highest rate as `peak_lr`."""
    groups: list[dict[str, Any]] = parameter_groups(
        model, weight_decay=settings.weight_decay, scale_lr=settings.scale_lr
    )
    groups = [group for group in groups if group["params"]]
    for group in groups:
        group["peak_lr"] = group.get("lr", settings.lr)
    if settings.optimizer == "sgd":
        return SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov)
    return AdamW(groups, lr=settings.lr)


def lr_factor(settings: PhaseSettings, step: int, steps_per_epoch: int) -> float:
    """Return the share of the highest learning rate for a step of the phase, 0-based.

    Warm-up is linear and reaches the highest rate with its last step; the cosine ends at
    `final_lr / lr` behind the last step.
    """
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    total = settings.epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    final = settings.final_lr / settings.lr
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Set every group's rate to this share of its highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


def clip(model: RmsmpModel, largest: float | None) -> None:
    """Scale the whole gradient down to a norm of at most `largest`."""
    if largest is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), largest)
