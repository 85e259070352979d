"""Images in batches that fit the memory, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.train.evaluate import images_at_once, images_per_batch

Progress = Callable[[str, int, int], None]


class Batches:
    """The images in batches that fit the memory, in the network's type."""

    def __init__(
        self, graph: FloatGraph, inputs: npt.NDArray[np.generic], progress: Progress | None
    ) -> None:
        self.inputs, self.progress = inputs, progress
        self.size = images_per_batch(graph)
        self.few = min(len(inputs), images_at_once(graph))
        types = [c.array.dtype for c in graph.constants.values()]
        self.dtype = types[0] if types else np.dtype(np.float32)
        self.prefix = ""

    def trial(self, prefix: str) -> Batches:
        """Return the first few images; `prefix` stands before what is said of the progress."""
        few = copy(self)
        few.inputs, few.prefix = self.inputs[: self.few], prefix
        return few

    def tell(self, text: str, done: int, total: int) -> None:
        """Say how far a step is."""
        if self.progress is not None:
            self.progress(self.prefix + text, done, total)

    def first(self) -> Tensor:
        """Return the first few images: as many as can be run at once."""
        return torch.from_numpy(np.array(self.inputs[: self.few], dtype=self.dtype))

    def walk(self, text: str) -> Iterator[Tensor]:
        """Yield all batches; `text` says what they are for."""
        for start in range(0, len(self.inputs), self.size):
            stop = min(start + self.size, len(self.inputs))
            yield torch.from_numpy(np.array(self.inputs[start:stop], dtype=self.dtype))
            self.tell(text, stop, len(self.inputs))


def check_inputs(inputs: npt.NDArray[np.generic], shape: tuple[int, ...]) -> None:
    """Refuse what are no images of `shape`; those of a shape (C, 1, L) may be [N, C, L].

    Raises:
        QuantizationError: none at all, wrong shape or type, NaN or infinity (also as float32).
    """
    wanted = f"[N, {', '.join(map(str, shape))}] with N >= 1"
    if not isinstance(inputs, np.ndarray) or inputs.dtype.kind not in "fiub":
        found = inputs.dtype if isinstance(inputs, np.ndarray) else type(inputs).__name__
        what = f"are {found}, not an array of real numbers"
    elif inputs.ndim == 0 or inputs.shape[1:] not in _shapes(shape) or len(inputs) == 0:
        what = f"have shape {list(inputs.shape)}, the network takes {wanted}"
    elif inputs.dtype.kind == "f" and (bad := _not_finite(inputs)):
        what = f"hold NaN or infinity in {bad} of {len(inputs)} images"
    else:
        return
    raise QuantizationError(
        what, where="calibration images", fix=f"give finite numbers {wanted}, as in training"
    )


def _shapes(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    one_line = len(shape) == 3 and shape[1] == 1
    return (shape, (shape[0], shape[2])) if one_line else (shape,)


def _not_finite(inputs: npt.NDArray[np.generic]) -> int:
    """Return how many images are not finite in float32, the type they are computed in."""
    with np.errstate(over="ignore"):
        return sum(not np.isfinite(image.astype(np.float32)).all() for image in inputs)
