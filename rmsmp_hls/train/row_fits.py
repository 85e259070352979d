"""Row scales of least error, each fitted once however often a network is quantized."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.rows import row_scales_mse


class RowFits:
    """Remembers the scale of every row and format that was asked for."""

    def __init__(self) -> None:
        # By identity: the tensor is kept, so that its id stays its own.
        self._known: dict[tuple[int, str], tuple[ConstTensor, npt.NDArray[np.float64]]] = {}

    def scales(self, weight: ConstTensor, formats: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """Return the scale of every row, float64 [O].

        Args:
            weight: [O, ...].
            formats: codebook name of every row.

        Raises:
            QuantizationError: the weights hold NaN or infinity.
        """
        rows = np.asarray(weight.array, dtype=weight.array.dtype).reshape(weight.shape[0], -1)
        names, result = np.array(formats), np.empty(len(rows))
        for name in sorted(set(formats)):
            empty = np.full(len(rows), np.nan)
            _, known = self._known.setdefault((id(weight), name), (weight, empty))
            new = np.flatnonzero((names == name) & np.isnan(known))
            some = rows if len(new) == len(rows) else rows[new]
            if not np.isfinite(some).all():
                raise QuantizationError(
                    "the weights hold NaN or infinity", fix="train the layer again"
                )
            known[new] = row_scales_mse(some, codebook(name))
            result[names == name] = known[names == name]
        return result
