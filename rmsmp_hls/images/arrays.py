"""Arrays of images: `.npz` and `.npy` files. No pickled object is loaded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError

Array = npt.NDArray[Any]
_HOW_TO_SAVE = "save it with numpy.savez(path, inputs=..., labels=...)"


def read_named(path: Path) -> tuple[Array, Array | None]:
    """Return the arrays `inputs` and `labels` (or None) of an `.npz` file.

    Raises:
        ConfigError: the file cannot be read, is something else, or has no `inputs`.
    """
    arrays = _read(path)
    if "" in arrays:
        raise _no_npz(path)
    if "inputs" not in arrays:
        raise _no_inputs(path, arrays)
    return arrays["inputs"], arrays.get("labels")


def read_inputs(path: Path, name: str = "") -> Array:
    """Return the array of a `.npy` file, or of an `.npz` file the one for the network's input.

    That is `inputs`, else the one called as the network's input, else the only one there is.

    Args:
        path: the file.
        name: of the network's input.

    Raises:
        ConfigError: the file cannot be read, is something else, or holds several arrays and none
            of these names.
    """
    arrays = _read(path)
    for known in ("inputs", name):
        if known in arrays:
            return arrays[known]
    if len(arrays) != 1:
        raise _no_inputs(path, arrays, name)
    return next(iter(arrays.values()))


def _read(path: Path) -> dict[str, Array]:
    """Return name -> array; the array of a `.npy` file is called ""."""
    try:
        with path.open("rb") as file:
            data = np.load(file, allow_pickle=False)
            if isinstance(data, np.ndarray):
                return {"": data}
            # A member that is no array comes as its bytes.
            found = {name: item for name, item in data.items() if isinstance(item, np.ndarray)}
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror or error}", where=str(path), fix=_HOW_TO_SAVE
        ) from error
    except (
        ValueError, zipfile.BadZipFile, zlib.error, EOFError, AttributeError, TypeError, KeyError,
        NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        raise _no_npz(path) from error
    if not found:
        raise _no_npz(path)
    return found


def _no_npz(path: Path) -> ConfigError:
    return ConfigError("is not an .npz file of plain arrays", where=str(path), fix=_HOW_TO_SAVE)


def _no_inputs(path: Path, arrays: dict[str, Array], name: str = "") -> ConfigError:
    found = ", ".join(key[:40] for key in list(arrays)[:8]) or "nothing"
    wanted = f"`inputs` or `{name[:40]}`" if name and name != "inputs" else "`inputs`"
    return ConfigError(f"holds no array {wanted}, but {found}", where=str(path), fix=_HOW_TO_SAVE)


def as_images(inputs: Array, shape: tuple[int, ...], where: str) -> Array:
    """Return [N, *shape] of the images for a network that takes `shape`, (C, H, W) or (F,).

    Images of one line, (C, 1, L), may be [N, C, L], as 1-D networks in PyTorch take them.

    Raises:
        ConfigError: wrong shape or type, none at all, NaN or infinity (also as float32).
    """
    if inputs.ndim == 3 and len(shape) == 3 and shape[1] == 1:
        inputs = inputs[:, :, np.newaxis]
    if inputs.ndim != len(shape) + 1 or inputs.shape[1:] != shape or len(inputs) == 0:
        raise ConfigError(
            f"`inputs` has shape {list(inputs.shape)}, the network takes [N, "
            f"{', '.join(map(str, shape))}] with N >= 1",
            where=where,
        )
    if inputs.dtype.kind not in "fiub" or not _all_finite(inputs):
        raise ConfigError("`inputs` must hold finite numbers", where=where)
    return inputs


def _all_finite(inputs: Array) -> bool:
    if inputs.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):  # image by image: memory stays small
        return all(bool(np.isfinite(image.astype(np.float32)).all()) for image in inputs)
