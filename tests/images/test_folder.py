"""Calibration images from folders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.images import Normalization, read_images

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    image = pytest.importorskip("PIL.Image").fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if mode is None else image.convert(mode)).save(path)


def test_without_pillow_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays need nothing."""
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match="pip install pillow"):
        read_images(tmp_path, (3, 4, 5))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    """Before Pillow is needed."""
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ConfigError, match="holds no images"):
        read_images(tmp_path, (3, 4, 5))


def test_only_grey_and_rgb_networks_read_image_files(tmp_path: Path) -> None:
    """Four channels, or vectors, come from arrays."""
    for shape in ((4, 4, 5), (7,)):
        with pytest.raises(ConfigError, match=r"give an \.npz file"):
            read_images(tmp_path, shape)


def test_images_are_scaled_and_ordered(tmp_path: Path) -> None:
    """By path, sub-folders included, channels first, 0..1; other files are passed over."""
    names = ["b/2.png", "a/1.PNG", "b/1.png", "a/0.png"]
    for name, pixels in zip(names, PIXELS, strict=False):
        save(tmp_path / name, pixels)
    (tmp_path / "a" / "notes.txt").write_text("hello")
    found = read_images(tmp_path, (3, 4, 5))
    order = [names.index(name) for name in sorted(names)]
    assert found.dtype == np.float32
    assert np.allclose(found, PIXELS[order].transpose(0, 3, 1, 2) / 255)
    two = read_images(tmp_path, (3, 4, 5), images=2)
    assert np.array_equal(two, found[[0, 2]])


def test_grey_images(tmp_path: Path) -> None:
    """One channel; for an RGB network the grey is repeated, which loses nothing."""
    save(tmp_path / "a.png", PIXELS[0, :, :, 0])
    grey = read_images(tmp_path, (1, 4, 5))
    assert np.allclose(grey[0, 0], PIXELS[0, :, :, 0] / 255)
    assert np.array_equal(read_images(tmp_path, (3, 4, 5)), np.repeat(grey, 3, axis=1))


def test_image_files_are_normalized(tmp_path: Path) -> None:
    """After scaling to 0..1."""
    save(tmp_path / "a.png", PIXELS[0])
    plain = read_images(tmp_path, (3, 4, 5))
    found = read_images(tmp_path, (3, 4, 5), normalization=Normalization((0.5,), (0.25,)))
    assert np.allclose(found, (plain - 0.5) / 0.25)


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    """Size, colours in a grey network's images, transparency, damage: nothing is bent to fit."""
    save(tmp_path / "a.png", PIXELS[0, :3])
    save(tmp_path / "b.png", PIXELS[0], "RGBA")
    (tmp_path / "c.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    (tmp_path / "d.jpg").write_text("hello")
    with pytest.raises(ConfigError) as caught:
        read_images(tmp_path, (3, 4, 5))
    text = str(caught.value)
    assert text.startswith("4 problems:")
    assert "a.png: is 5 x 3 pixels, the network takes 5 x 4" in text
    assert "b.png: is of mode RGBA" in text
    assert "c.png: cannot be read as an image" in text
    assert "d.jpg: cannot be read as an image" in text
    with pytest.raises(ConfigError, match="mode RGB"):
        save(tmp_path / "only" / "e.png", PIXELS[1])
        read_images(tmp_path / "only", (1, 4, 5))


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    """The first ten files and how many more."""
    for number in range(13):
        (tmp_path / f"{number:02}.png").write_text("hello")
    pytest.importorskip("PIL")
    with pytest.raises(ConfigError, match="and 3 more"):
        read_images(tmp_path, (3, 4, 5))
