"""Accuracy, and the images that calibration, assignment and the model file need."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rmsmp_hls.train.evaluate import images_at_once
from rmsmp_hls.train.model import RmsmpModel, evaluating
from rmsmp_hls.trainer.data import Batch, SeededItems, batches, check_labels, in_turn
from rmsmp_hls.trainer.processes import Processes

_READ_AT_ONCE = 256


def spread(count: int, wanted: int) -> list[int]:
    """Return `wanted` indices (at most `count`), evenly spread over 0..count-1."""
    some = min(count, wanted)
    return [number * count // some for number in range(some)]


def some_batches(
    items: SeededItems, count: int, wanted: int, size: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield the images of evenly spread items, in batches on the device."""
    for images, _ in batches(items, in_turn(spread(count, wanted), size), 0):
        yield images.to(device)


def first_batch(items: SeededItems, indices: list[int], classes: int) -> Batch:
    """Return these items as one batch, on the CPU."""
    found = list(batches(items, in_turn(indices, _READ_AT_ONCE), 0))
    labels = torch.cat([part[1] for part in found])
    check_labels(labels, classes)
    return torch.cat([part[0] for part in found]), labels


@torch.no_grad()
def accuracy(
    model: RmsmpModel,
    items: SeededItems,
    count: int,
    classes: int,
    who: Processes,
    workers: int,
    *,
    quantized: bool,
) -> float:
    """Return the share of right answers, 0..1, in evaluation mode; all processes help."""
    right = seen = 0
    mine = in_turn(who.share(list(range(count))), images_at_once(model.graph))
    with evaluating(model, quantized=quantized):
        for images, labels in batches(items, mine, workers):
            check_labels(labels, classes)
            answers = model(images.to(who.device)).flatten(1).argmax(1).cpu()
            right += int((answers == labels).sum())
            seen += len(labels)
    right_in_all, seen_in_all = who.sum(right, seen)
    return right_in_all / seen_in_all
