"""Calibration images from arrays."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.images import Normalization, range_warnings, read_images, read_named
from rmsmp_hls.images.spread import evenly

SHAPE = (2, 3, 4)
IMAGES = np.random.default_rng(0).normal(size=(7, *SHAPE))


@pytest.mark.parametrize("kind", ["npy", "inputs", "other"])
def test_arrays_are_taken_as_they_are(tmp_path: Path, kind: str) -> None:
    """`.npy`, `.npz` with `inputs` beside others, `.npz` with one array of any name."""
    path = tmp_path / ("a.npy" if kind == "npy" else "a.npz")
    if kind == "npy":
        np.save(path, IMAGES)
    elif kind == "inputs":
        np.savez(path, inputs=IMAGES, labels=np.arange(7), more=np.zeros(3))
    else:
        np.savez_compressed(path, pictures=IMAGES)
    found = read_images(path, SHAPE)
    assert found.dtype == np.float32
    assert np.array_equal(found, IMAGES.astype(np.float32))


def test_the_array_may_be_called_as_the_input(tmp_path: Path) -> None:
    """`inputs` comes first; without either name, several arrays are refused with both."""
    np.savez(tmp_path / "a.npz", x=IMAGES, y=IMAGES[:3])
    assert len(read_images(tmp_path / "a.npz", SHAPE, name="y")) == 3
    np.savez(tmp_path / "b.npz", x=IMAGES, inputs=IMAGES[:3])
    assert len(read_images(tmp_path / "b.npz", SHAPE, name="x")) == 3
    with pytest.raises(ConfigError, match="holds no array `inputs` or `image`, but x, y"):
        read_images(tmp_path / "a.npz", SHAPE, name="image")


def test_images_of_one_line_may_lack_their_height(tmp_path: Path) -> None:
    """[N, C, L] for a network that takes (C, 1, L); for no other."""
    np.save(tmp_path / "a.npy", IMAGES[:, :, 1])
    assert np.array_equal(
        read_images(tmp_path / "a.npy", (2, 1, 4)), IMAGES[:, :, 1:2].astype(np.float32)
    )
    with pytest.raises(ConfigError, match="the network takes"):
        read_images(tmp_path / "a.npy", (2, 3, 4))


def test_one_image_is_enough(tmp_path: Path) -> None:
    """N is 1."""
    np.save(tmp_path / "a.npy", IMAGES[:1])
    assert read_images(tmp_path / "a.npy", SHAPE).shape == (1, *SHAPE)


@pytest.mark.parametrize(("largest", "count"), [(64.0, 0), (-64.0, 0), (65.0, 1), (-255.0, 1)])
def test_numbers_of_an_unusual_range_are_pointed_out(largest: float, count: int) -> None:
    """Bytes look like that; what the network was trained with nobody here knows."""
    images = np.zeros((2, 1, 2, 2), dtype=np.float32)
    images[1, 0, 1, 0] = largest
    found = range_warnings(images)
    assert len(found) == count
    assert all(f"up to {abs(largest):g} in magnitude" in text for text in found)


def test_integers_are_images_too(tmp_path: Path) -> None:
    """Bytes are not scaled: only the network's author knows what they mean."""
    np.save(tmp_path / "a.npy", np.full((2, 5), 255, dtype=np.uint8))
    assert (read_images(tmp_path / "a.npy", (5,)) == 255).all()


def test_some_images_are_spread_evenly(tmp_path: Path) -> None:
    """Not the first ones: those may all be of one class."""
    np.save(tmp_path / "a.npy", IMAGES)
    found = read_images(tmp_path / "a.npy", SHAPE, images=3)
    assert np.array_equal(found, IMAGES[[0, 2, 4]].astype(np.float32))
    assert evenly(5, None) == evenly(5, 9) == [0, 1, 2, 3, 4]
    assert all(len(set(evenly(10, n))) == n for n in range(1, 11))


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), data)  # of 1980: names of tests hold the bytes
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is not an .npz file"),
        (b"hello", "is not an .npz file"),
        (pickled(), "is not an .npz file"),
        (zipped("inputs.npy", pickled()), "is not an .npz file"),
        (zipped("inputs.npy", b"\x93NUMPY")[:30], "is not an .npz file"),
        (zipped("readme.txt", b"hello"), "is not an .npz file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    """And pickled objects are not loaded."""
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=what):
        read_images(path, SHAPE)


def test_several_arrays_need_a_name(tmp_path: Path) -> None:
    """What the file holds is said."""
    np.savez(tmp_path / "a.npz", x=IMAGES, y=IMAGES)
    with pytest.raises(ConfigError, match="holds no array `inputs`, but x, y"):
        read_images(tmp_path / "a.npz", SHAPE)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_images(tmp_path / "b.npz", SHAPE)


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (IMAGES[:0], "has shape"), (IMAGES[0], "has shape"), (IMAGES[:, :1], "has shape"),
        (IMAGES.astype(str), "finite numbers"), (IMAGES * np.nan, "finite numbers"),
        (IMAGES.astype(complex), "finite numbers"), (IMAGES[..., 0], "has shape"),
        (IMAGES.astype("S8"), "finite numbers"),
        (np.where(IMAGES > 1, -np.inf, IMAGES), "finite numbers"),
        (IMAGES.astype("M8[s]"), "finite numbers"), (IMAGES * 1e300, "finite numbers"),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_are_refused(tmp_path: Path, array: np.ndarray, what: str) -> None:
    """Shape, type, NaN, and numbers that are infinite in float32."""
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ConfigError, match=what):
        read_images(tmp_path / "a.npy", SHAPE)


def test_labels_come_along(tmp_path: Path) -> None:
    """For the images of a build; they must be named."""
    np.savez(tmp_path / "a.npz", inputs=IMAGES, labels=np.arange(7))
    inputs, labels = read_named(tmp_path / "a.npz")
    assert labels is not None
    assert (inputs.shape, labels.tolist()) == (IMAGES.shape, list(range(7)))
    np.savez(tmp_path / "b.npz", pictures=IMAGES)
    with pytest.raises(ConfigError, match="holds no array `inputs`"):
        read_named(tmp_path / "b.npz")


def test_normalization_is_per_channel() -> None:
    """(x - mean) / std, one number or one per channel; nothing else."""
    images = np.ones((1, 3, 2, 2), dtype=np.float32)
    found = Normalization((0.5, 0.0, 1.0), (0.5,)).apply(images)
    assert found[0, :, 0, 0].tolist() == [1.0, 2.0, 0.0]
    with pytest.raises(ConfigError, match="2 numbers for 3 channels"):
        Normalization((0.0, 0.0)).apply(images)
    for mean, std in (((0.0,), (0.0,)), ((float("nan"),), (1.0,)), ((), (1.0,))):
        with pytest.raises(ConfigError, match="cannot normalize"):
            Normalization(mean, std)


def test_images_of_one_line_may_come_without_it(tmp_path: Path) -> None:
    """A 1-D network takes [N, C, L], which lie as [N, C, 1, L]; other shapes stay refused."""
    images = IMAGES[:, :, 0]
    np.save(tmp_path / "a.npy", images)
    found = read_images(tmp_path / "a.npy", (2, 1, 4))
    assert np.array_equal(found, images[:, :, None].astype(np.float32))
    for shape in ((2, 3, 4), (2, 1, 3), (4, 1, 2)):
        with pytest.raises(ConfigError, match="has shape"):
            read_images(tmp_path / "a.npy", shape)
