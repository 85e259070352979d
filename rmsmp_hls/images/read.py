"""Calibration images from wherever the user keeps them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.images.arrays import fit_images, read_inputs
from rmsmp_hls.images.folder import read_folder
from rmsmp_hls.images.spread import evenly

LARGEST_USUAL = 64.0
"""Normalized images stay far below; bytes 0..255 do not."""


@dataclass(frozen=True, slots=True)
class Normalization:
    """What image files go through after scaling to 0..1: (x - mean) / std, per channel.

    Attributes:
        mean, std: one number for all channels or one per channel; std > 0.

    Raises:
        ConfigError: a number is not finite, or a std not positive.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        sound = all(math.isfinite(number) for number in (*self.mean, *self.std))
        if not sound or not self.mean or not self.std or min(self.std) <= 0:
            raise ConfigError(
                f"cannot normalize with mean {self.mean} and std {self.std}",
                where="--mean, --std",
                fix="give finite numbers, std above 0, e.g. --mean 0.485,0.456,0.406",
            )

    def apply(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Normalize [N, C, H, W]; ConfigError if the channels do not fit."""
        channels = images.shape[1]
        for option, numbers in (("--mean", self.mean), ("--std", self.std)):
            if len(numbers) not in (1, channels):
                raise ConfigError(
                    f"{len(numbers)} numbers for {channels} channels",
                    where=option,
                    fix="give one number, or one per channel",
                )
        mean = np.array(self.mean, dtype=np.float32).reshape(-1, 1, 1)
        std = np.array(self.std, dtype=np.float32).reshape(-1, 1, 1)
        return np.asarray((images - mean) / std, dtype=np.float32)


def range_warnings(images: npt.NDArray[np.float32]) -> tuple[str, ...]:
    """Return what looks wrong with the numbers of calibration images; nothing is sure."""
    largest = max(abs(float(images.min())), abs(float(images.max())))
    if largest <= LARGEST_USUAL:
        return ()
    return (
        f"the calibration images hold numbers up to {largest:g} in magnitude; if the network was "
        "trained on normalized images (0..1, or about -3..3), give it the same here",
    )


def read_images(
    path: Path,
    shape: tuple[int, ...],
    *,
    name: str = "",
    images: int | None = None,
    normalization: Normalization | None = None,
) -> npt.NDArray[np.float32]:
    """Return images as the network takes them.

    Args:
        path: `.npz`, `.npy` (taken as they are), or a folder of image files (scaled to 0..1,
            then normalized).
        shape: the network's input, (C, H, W) or (F,); arrays for (C, 1, L) may be [N, C, L].
        name: of the network's input; the array of an `.npz` file may be called so.
        images: use so many, evenly spread; None for all.
        normalization: of image files only.

    Returns:
        float32 [N, *shape], N >= 1, finite.

    Raises:
        ConfigError: nothing there, unreadable, or it does not fit the network.
    """
    where = str(path)
    if images is not None and images < 1:
        raise ConfigError(f"at least one image is needed, not {images}", where="images")
    if path.is_dir():
        found = read_folder(path, shape, images)
        return found if normalization is None else normalization.apply(found)
    if normalization is not None:
        raise ConfigError(
            "--mean and --std are for folders of image files; arrays are taken as they are",
            where=where,
            fix="leave them out, or normalize the array before it is saved",
        )
    inputs = fit_images(read_inputs(path, name), shape, where)
    chosen = inputs if images is None else inputs[evenly(len(inputs), images)]
    return np.ascontiguousarray(chosen, dtype=np.float32)
