"""Tensors of a graph as one .npz: keys are numbers, never names from a model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ArtefactError

_TYPES = (np.int8, np.uint8, np.int16, np.int32)


def tensor_file(names: Sequence[str], tensors: Mapping[str, npt.NDArray[np.integer]]) -> bytes:
    """Return an .npz of the tensors in the order of `names`, each in its smallest type."""
    buffer = io.BytesIO()
    arrays = {f"t{number}": smallest(tensors[name]) for number, name in enumerate(names)}
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_tensors(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[np.integer]]:
    """Return name -> array in its smallest type, from `tensor_file`."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return {n: data[f"t{i}"] for i, n in enumerate(names)}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArtefactError(
            f"cannot be read ({error})", where=str(path), fix="build again with --force"
        ) from error


def smallest(array: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return the array in the smallest type that holds it."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in _TYPES:
        info = np.iinfo(kind)
        if info.min <= low and high <= info.max:
            return array.astype(kind)
    return array
