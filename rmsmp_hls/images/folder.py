"""A folder of image files. Needs Pillow; nothing is resized, cropped or dropped silently."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError, RmsmpError
from rmsmp_hls.images.spread import evenly

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
_LOSSLESS = {1: ("L", "1"), 3: ("RGB", "P", "L", "1")}  # channels -> modes that lose nothing
_MODES = {1: "L", 3: "RGB"}
_SHOWN = 10


def read_folder(
    folder: Path, shape: tuple[int, ...], images: int | None
) -> npt.NDArray[np.float32]:
    """Return the images of a folder and its sub-folders, by path, as [N, C, H, W] in 0..1.

    Args:
        folder: files that do not end like an image are passed over.
        shape: (C, H, W) of the network's input; C is 1 (grey) or 3 (RGB).
        images: so many of them, evenly spread over the sorted paths; None for all.

    Raises:
        ConfigError: Pillow is missing, there are no images, or some do not fit (the first ten
            are listed) or are damaged.
    """
    where = str(folder)
    if len(shape) != 3 or shape[0] not in _MODES:
        raise ConfigError(
            f"the network takes {list(shape)}; image files are read as [1, H, W] or [3, H, W]",
            where=where,
            fix="give an .npz file with an array `inputs` instead",
        )
    paths = image_files(folder)
    if not paths:
        raise ConfigError(
            "holds no images", where=where, fix=f"files must end in {', '.join(_ENDINGS)}"
        )
    pillow = _pillow(where)
    chosen = [paths[index] for index in evenly(len(paths), images)]
    result = np.empty((len(chosen), *shape), dtype=np.float32)
    findings: list[RmsmpError] = []
    for number, path in enumerate(chosen):
        problem = _read_one(pillow, path, result[number])
        if problem:
            findings.append(ConfigError(problem, where=str(path)))
    if findings:
        left = len(findings) - _SHOWN
        shown = findings[:_SHOWN]
        if left > 0:
            shown.append(ConfigError(f"and {left} more", where=where))
        raise ConfigError.gather(shown)
    return result


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder and its sub-folders, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file())


def _pillow(where: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ConfigError(
            "reading image files needs Pillow, which is not installed",
            where=where,
            fix="pip install pillow, or give an .npz file with an array `inputs`",
        ) from error
    return Image


def _read_one(pillow: Any, path: Path, into: npt.NDArray[np.float32]) -> str:
    """Fill one image [C, H, W]; return what is wrong with the file, "" if nothing is."""
    channels, height, width = into.shape
    try:
        with warnings.catch_warnings(), pillow.open(path) as image:
            warnings.simplefilter("ignore")  # of sizes that are refused below
            if image.size != (width, height):
                return (
                    f"is {image.size[0]} x {image.size[1]} pixels, the network takes "
                    f"{width} x {height}; resize it as in training"
                )
            if image.mode not in _LOSSLESS[channels]:
                return (
                    f"is of mode {image.mode}, which does not become {_MODES[channels]} without "
                    "loss; convert it as in training"
                )
            pixels = np.asarray(image.convert(_MODES[channels]), dtype=np.float32) / 255
    except Exception as error:  # whatever a damaged file makes Pillow raise
        return f"cannot be read as an image ({type(error).__name__}: {str(error)[:100]})"
    into[...] = pixels.reshape(height, width, channels).transpose(2, 0, 1)
    return ""
