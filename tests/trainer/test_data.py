"""Order and randomness of the data."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.config.training import DataSource
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.trainer.data import (
    Data,
    SeededItems,
    batches,
    check_item,
    check_labels,
    load_data,
    training_order,
)
from rmsmp_hls.trainer.measure import spread
from tests.trainer.samples import Blobs


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_an_epoch_sees_every_item_at_most_once(count: int, size: int, epoch: int) -> None:
    """Whole batches only, of different items; the same again for the same epoch."""
    order = training_order(count, size, 0, epoch)
    flat = [index for batch in order for index in batch]
    assert [len(batch) for batch in order] == [size] * (count // size)
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(range(count))
    assert order == training_order(count, size, 0, epoch)


@given(st.integers(1, 100), st.integers(1, 100))
def test_spread_indices_differ_and_fit(count: int, wanted: int) -> None:
    """As many as asked for or there are, ascending."""
    found = spread(count, wanted)
    assert len(found) == min(count, wanted)
    assert found == sorted(set(found))
    assert found[-1] < count


def test_augmentation_depends_on_place_and_item() -> None:
    """The same item is the same in the same epoch, in any order, and another in the next."""
    items = Blobs(8)
    first, again = SeededItems(items, "training", 0, 1), SeededItems(items, "training", 0, 1)
    found = [first[index][0] for index in range(8)]
    assert all(torch.equal(again[i][0], found[i]) for i in reversed(range(8)))
    assert not torch.equal(SeededItems(items, "training", 0, 2)[3][0], found[3])


def test_reading_an_item_leaves_the_generators_alone() -> None:
    """torch, NumPy and Python go on as if no item had been read."""
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    expected = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    SeededItems(Blobs(2), "training", 0)[1]
    assert (torch.rand(1), np.random.rand(), random.random()) == expected


def test_classes_that_the_network_lacks_are_refused() -> None:
    """Neither negative ones nor those beyond its answers."""
    check_labels(torch.tensor([0, 2]), 3)
    for labels in ([-1, 0], [1, 3]):
        with pytest.raises(ConfigError, match="network of 3 classes"):
            check_labels(torch.tensor(labels), 3)


def test_images_of_different_shapes_are_no_batch() -> None:
    """They are refused in plain words."""
    items = [(torch.zeros(1, 4, 4), 0), (torch.zeros(1, 5, 4), 0)]
    with pytest.raises(ConfigError, match="do not make a batch"):
        list(batches(SeededItems(items, "training", 0), [[0, 1]], 0))


@pytest.mark.parametrize("item", [(torch.zeros(1, 2, dtype=torch.uint8), 0), (torch.zeros(1), [0])])
def test_items_of_other_kinds_are_refused(item: object) -> None:
    """Bytes as images, lists as classes."""
    with pytest.raises(ConfigError, match="float tensor"):
        check_item(Data([item], None))


def test_an_item_that_fails_says_which() -> None:
    """The index and the error of the user's code are named."""
    with pytest.raises(ConfigError, match=r"item 4 cannot be had: IndexError"):
        SeededItems([], "training", 0)[4]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": np.zeros((2, 1, 4, 4))}, "labels"),
        ({"inputs": np.zeros((2, 1, 4, 4)), "labels": np.zeros(2)}, "whole-number"),
        ({"inputs": np.full((2, 3), np.nan), "labels": np.zeros(2, int)}, "finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    """No labels, labels of the wrong kind, NaN."""
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        load_data(DataSource(train=tmp_path / "a.npz"), tmp_path)
