"""Images that have what natural ones have: a 1/f spectrum, flat objects, edges, related colours.

Source: Field, "Relations between the statistics of natural images and the response properties of
cortical cells", 1987 (amplitude falls as 1/f); Lee, Mumford, Huang, "Occlusion models for natural
images", 2001 (objects of all sizes that hide each other).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, with which networks for it are commonly trained."""
OBJECTS = 24


def natural_images(count: int, shape: tuple[int, int, int], seed: int = 0) -> FloatArray:
    """Return `count` images [count, 3, H, W], normalized as (x - MEAN) / STD with x in 0..1.

    Image n is the same whatever `count` is.

    Args:
        count: how many.
        shape: (3, H, W).
        seed: of all randomness.
    """
    if shape[0] != 3:
        raise ValueError(f"images have 3 colours, not {shape[0]}")
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (MEAN, STD))
    images = np.empty((count, *shape), np.float32)
    for number in range(count):
        generator = np.random.default_rng((seed, number))
        images[number] = (_image(shape[1], shape[2], generator) - mean) / std
    return images


def _image(height: int, width: int, generator: np.random.Generator) -> FloatArray:
    """Return one image [3, height, width], 0..1."""
    image = _coloured_noise(height, width, generator)
    rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(generator.integers(OBJECTS // 2, OBJECTS + 1))):
        inside = _object(rows, cols, generator)
        colour = generator.normal(0, 1, (3, 1)) * 0.4 + generator.normal(0, 1.2)
        image[:, inside] = colour + generator.uniform(0.1, 0.6) * image[:, inside]
    contrast, light = generator.uniform(0.8, 1.6), generator.normal(-0.2, 0.5)
    return (1 / (1 + np.exp(-(contrast * image + light)))).astype(np.float32)


def _object(
    rows: FloatArray, cols: FloatArray, generator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return where a turned ellipse or box lies; sizes are spread as 1 / size."""
    height, width = rows.shape
    size = min(height, width) * np.exp(generator.uniform(np.log(0.03), np.log(0.5)))
    angle, shape = generator.uniform(0, np.pi), generator.uniform(0.4, 1.0)
    y = rows - generator.uniform(0, height)
    x = cols - generator.uniform(0, width)
    across = (np.cos(angle) * x + np.sin(angle) * y) / size
    along = (np.cos(angle) * y - np.sin(angle) * x) / (size * shape)
    if generator.random() < 0.5:
        return across**2 + along**2 < 1
    return np.maximum(abs(across), abs(along)) < 1


def _coloured_noise(height: int, width: int, generator: np.random.Generator) -> FloatArray:
    """Return noise [3, height, width] with amplitude 1/f, mean 0 and deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf  # no mean
    planes = []
    for _ in range(2):
        spectrum = np.fft.rfft2(generator.normal(size=(height, width))) / frequency
        plane = np.fft.irfft2(spectrum, s=(height, width))
        planes.append(plane / plane.std())
    mix = generator.normal(0, 0.3, (3, 1, 1))
    return ((planes[0] + mix * planes[1]) / np.sqrt(1 + mix**2)).astype(np.float32)
