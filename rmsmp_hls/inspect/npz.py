"""Read the arrays of an .npz file without trusting it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ArtefactError


def read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return {name: array}.

    Raises:
        ArtefactError: the file cannot be read, is damaged, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
        raise ArtefactError(
            "is damaged, or holds objects instead of numbers", where=str(path)
        ) from None
