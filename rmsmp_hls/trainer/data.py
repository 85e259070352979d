"""Data sets, and batches whose order depends on seed and epoch only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from rmsmp_hls.config.training import DataSource
from rmsmp_hls.errors import ConfigError, RmsmpError
from rmsmp_hls.images.arrays import fit_images, read_named
from rmsmp_hls.trainer.factories import call_factory
from rmsmp_hls.trainer.seeds import Place, derive, seeded

Batch = tuple[Tensor, Tensor]


class Items(Protocol):
    """A data set of known length; items are (image, class)."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Any:
        """One of them."""


@dataclass(frozen=True)
class Data:
    """The training data and, if there are any, the validation data."""

    training: Items
    validation: Items | None


class SeededItems(Dataset[Batch]):
    """Items whose random augmentation depends on (seed, epoch, index), not on who loads them."""

    def __init__(self, items: Items, what: str, *place: Place) -> None:
        self.items, self.what, self.place = items, what, place

    def __getitem__(self, index: int) -> Batch:
        try:
            with seeded(*self.place, index):
                image, label = self.items[index]
            return torch.as_tensor(image), torch.as_tensor(label, dtype=torch.int64)
        except Exception as error:
            raise ConfigError(
                f"item {index} cannot be had: {type(error).__name__}: {error}",
                where=f"{self.what} data",
                fix="give pairs (image, class); --debug shows where it fails",
            ) from error


def load_data(source: DataSource, folder: Path) -> Data:
    """Return the data sets that a configuration names.

    Args:
        source: a factory or `.npz` files.
        folder: of the configuration.

    Raises:
        ConfigError: they cannot be had, are empty, or are no data sets of known length.
    """
    if source.factory is not None:
        made = call_factory(source.factory, source.arguments, folder, "data.factory")
        if not isinstance(made, tuple) or len(made) != 2:
            raise ConfigError(
                "the factory does not return a pair",
                where="data.factory",
                fix="return (training data, validation data or None)",
            )
        training, validation = made
    else:
        assert source.train is not None
        training = _arrays(source.train)
        validation = None if source.validation is None else _arrays(source.validation)
    for what, items in (("training", training), ("validation", validation)):
        if items is None and what == "validation":
            continue
        if not hasattr(items, "__len__") or not hasattr(items, "__getitem__") or not len(items):
            raise ConfigError(
                f"the {what} data are no data set of at least one item",
                where="data",
                fix="give what has len(data) >= 1 and data[index] -> (image, class)",
            )
    return Data(training, validation)


def _arrays(path: Path) -> Items:
    inputs, labels = read_named(path)
    if labels is None or labels.shape != (len(inputs),) or labels.dtype.kind not in "iu":
        raise ConfigError("needs whole-number `labels` [N] beside `inputs`", where=str(path))
    inputs = fit_images(inputs, inputs.shape[1:], str(path))
    images = torch.from_numpy(np.asarray(inputs, dtype=np.float32))
    return TensorDataset(images, torch.from_numpy(labels.astype(np.int64)))


def check_item(data: Data) -> Tensor:
    """Return the first training image, [...], without batch.

    Raises:
        ConfigError: it is no float tensor, or its class is no single number.
    """
    image, label = SeededItems(data.training, "training", "first")[0]
    if not image.is_floating_point() or label.dim() != 0:
        raise ConfigError(
            f"an item is an image of {image.dtype} and a class of shape {list(label.shape)}",
            where="training data",
            fix="give pairs (float tensor, whole number)",
        )
    return image.float()


def training_order(count: int, batch_size: int, *place: Place) -> list[list[int]]:
    """Return the batches of one epoch as indices: all items in random order, each at most once;
    what does not fill a last batch is left out."""
    generator = torch.Generator().manual_seed(derive(*place, "order"))
    order = torch.randperm(count, generator=generator).tolist()
    whole = count - count % batch_size
    return [order[start : start + batch_size] for start in range(0, whole, batch_size)]


def in_turn(indices: Sequence[int], batch_size: int) -> list[list[int]]:
    """Return the indices in batches, the last one maybe smaller."""
    return [list(indices[i : i + batch_size]) for i in range(0, len(indices), batch_size)]


def batches(items: SeededItems, order: list[list[int]], workers: int) -> Iterator[Batch]:
    """Yield (images float32 [B, ...], classes [B]) in the given order.

    Raises:
        ConfigError: an item cannot be had.
    """
    loader = DataLoader(
        items, batch_sampler=order, num_workers=workers, pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    try:
        for images, labels in loader:
            yield images.float(), labels
    except RmsmpError:
        raise
    except (RuntimeError, TypeError) as error:
        raise ConfigError(
            f"items do not make a batch: {error}",
            where=f"{items.what} data",
            fix="give images of one shape",
        ) from error


def check_labels(labels: Tensor, classes: int) -> None:
    """Refuse classes that the network has no answer for.

    Raises:
        ConfigError: one is not in 0..classes-1.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ConfigError(
            f"class {low if low < 0 else high} for a network of {classes} classes",
            where="data",
            fix=f"number the classes 0..{classes - 1}",
        )
