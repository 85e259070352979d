"""Another ratio, codebook or other multipliers for a saved model, without training."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES, codebook, mix_formats
from rmsmp_hls.numerics.multipliers import parse_multipliers
from rmsmp_hls.quant.ends import PINNED_FORMAT, pinned_layers
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.rows import assign_formats, check_ratio, row_scales_mse, weight_error


def reassign(
    graph: FloatGraph,
    params: QuantParams,
    ratio: tuple[float, float, float] | None,
    shift_add: str | None,
) -> QuantParams:
    """Return parameters with the asked ratio and shift-add codebook.

    What is asked and already so stays untouched, with its trained scales. A new
    codebook alone keeps the assignment and fits new scales to the rows that change with it: the
    shift-add rows, and of another width also the fixed ones. A new ratio assigns all rows again,
    but for layers that `params.first_last` keeps in 8 bits: sensitivity is the row's Fixed-4
    weight error, then variance, as no data is at hand here.

    Raises:
        ConfigError: an unknown codebook, one that is not shift-add, or an impossible ratio.
    """
    book = codebook(shift_add).name if shift_add else params.codebook
    if book not in SHIFT_ADD_NAMES:
        raise ConfigError(
            f"{book} is not a codebook of shift-add rows",
            where="codebook",
            fix=f"choose one of {', '.join(SHIFT_ADD_NAMES)}; the fixed rows come with the ratio",
        )
    if ratio is not None:
        check_ratio(ratio)
    if ratio is None or _same(ratio, params.ratio):
        if book == params.codebook:
            return params
        ratio, keep = params.ratio, True
    else:
        keep = False
    pinned = pinned_layers(graph, params.first_last)
    renamed = dict(zip(mix_formats(params.codebook), mix_formats(book), strict=True))
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        assert isinstance(op, (Conv2d, Linear))
        old = params.rows[op.name]
        weight = np.asarray(graph.constants[op.weight].array, dtype=np.float64)
        flat = weight.reshape(len(weight), -1)
        if keep:
            formats = tuple(renamed.get(name, name) for name in old.formats)
        elif op.name in pinned:
            formats = (PINNED_FORMAT,) * len(flat)
        else:
            formats = assign_formats(weight_error(flat), flat.var(axis=1), ratio, book)
        rows[op.name] = _refit(flat, old, formats)
    return dataclasses.replace(params, rows=rows, ratio=ratio, codebook=book)


def restricted(params: QuantParams, multipliers: str | None) -> QuantParams:
    """Return parameters with the asked multipliers (`numerics.multipliers.MULTIPLIERS`), without
    training; None keeps them as they are.

    Raises:
        ConfigError: there are no such multipliers.
    """
    if multipliers is None or parse_multipliers(multipliers) == params.multiplier_terms:
        return params
    return dataclasses.replace(params, multiplier_terms=parse_multipliers(multipliers))


def _same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return bool(np.allclose(np.array(a) / sum(a), np.array(b) / sum(b)))


def _refit(flat: npt.NDArray[np.float64], old: RowParams, formats: tuple[str, ...]) -> RowParams:
    """Keep the scales of rows whose format stays; fit the others."""
    scales = np.array(old.scales.array, dtype=np.float64)
    changed = np.array([a != b for a, b in zip(old.formats, formats, strict=True)])
    for name in sorted({n for n, c in zip(formats, changed, strict=True) if c}):
        pick = changed & np.array([n == name for n in formats])
        scales[pick] = row_scales_mse(flat[pick], codebook(name))
    return RowParams(formats, ConstTensor(scales))
