"""Synthetic images have the statistics they are made for."""

from __future__ import annotations

import numpy as np
import pytest

SHAPE = (3, 96, 128)


def test_images_are_repeatable_and_differ() -> None:
    """Image n depends on the seed alone, not on how many are made."""
    from networks.images import natural_images

    images = natural_images(3, SHAPE, seed=5)
    assert images.shape == (3, *SHAPE) and images.dtype == np.float32
    assert (natural_images(2, SHAPE, seed=5) == images[:2]).all()
    assert np.abs(images[0] - images[1]).mean() > 0.2
    assert np.abs(natural_images(1, SHAPE, seed=6)[0] - images[0]).mean() > 0.2


def test_values_are_normalized() -> None:
    """Within what pixels 0..1 become, using much of it, mean near 0 and deviation near 1."""
    from networks.images import MEAN, STD, natural_images

    images = natural_images(16, SHAPE)
    mean, std = (np.array(v)[:, None, None] for v in (MEAN, STD))
    pixels = images * std + mean
    assert pixels.min() >= -1e-6 and pixels.max() <= 1 + 1e-6
    assert pixels.max() - pixels.min() > 0.9
    assert abs(images.mean()) < 0.4 and 0.8 < images.std() < 1.4


def test_the_spectrum_falls_with_frequency() -> None:
    """Amplitude falls about as 1 / f: its slope in logarithms is between -0.6 and -1.6."""
    from networks.images import natural_images

    images = natural_images(16, (3, 128, 128)).mean(1)
    windowed = images * np.outer(np.hanning(128), np.hanning(128))
    amplitude = np.abs(np.fft.fft2(windowed)).mean(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    inside = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[inside]), np.log(amplitude[inside]), 1)[0]
    assert -1.6 < slope < -0.6


def test_neighbours_and_colours_are_related() -> None:
    """Next pixels and the colours of a pixel are alike, as in photographs."""
    from networks.images import natural_images

    images = natural_images(8, SHAPE)
    assert np.corrcoef(images[..., :-1].ravel(), images[..., 1:].ravel())[0, 1] > 0.7
    assert np.corrcoef(images[:, 0].ravel(), images[:, 1].ravel())[0, 1] > 0.5


def test_only_colour_images_are_made() -> None:
    """Mean and deviation are those of three colours."""
    from networks.images import natural_images

    with pytest.raises(ValueError, match="3 colours"):
        natural_images(1, (1, 8, 8))
