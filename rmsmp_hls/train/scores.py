"""How sensitive rows are, by several measures behind one interface, and formats from that.

A scorer is any callable (`Network`) -> layer name -> one number per row, the larger the more
sensitive. `layer_formats` turns one layer's numbers and the ratio into formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError, RmsmpError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.numerics.codebooks import codebook, mix_formats
from rmsmp_hls.quant.ends import PINNED_FORMAT
from rmsmp_hls.quant.rows import assign_formats, row_scales_mse, weight_error
from rmsmp_hls.train.hessian import PROBES, Kind, row_eigenvalues
from rmsmp_hls.train.network import Network, place
from rmsmp_hls.train.output_curvature import Loss
from rmsmp_hls.train.sensitivity import FOUR_BITS, RowErrors

Scores = Mapping[str, npt.NDArray[np.float64]]
"""Layer name -> [rows]."""

_IMAGES = 64  # run at once


class Scorer(Protocol):
    """Says how sensitive every row of every convolution and linear layer is."""

    def __call__(self, network: Network) -> Scores:
        """Return layer name -> [rows], finite; larger is more sensitive."""
        ...


@dataclass(frozen=True, eq=False)
class HessianScore:
    """RMSMP (arXiv 2111.00153): magnitude of the loss's largest eigenvalue over the row's weights.

    Attributes: as the arguments of `row_eigenvalues`.
    """

    loss_fn: Loss
    batch: tuple[Tensor, Tensor]
    iterations: int = 10
    tolerance: float = 0.02
    seed: int = 0
    curvature: Kind = "auto"
    probes: int = PROBES

    def __call__(self, network: Network) -> Scores:
        """As `Scorer`."""
        found = row_eigenvalues(
            network, self.loss_fn, self.batch, iterations=self.iterations,
            tolerance=self.tolerance, seed=self.seed, curvature=self.curvature, probes=self.probes,
        )  # fmt: skip
        return {name: np.abs(values.numpy()) for name, values in found.items()}


@dataclass(frozen=True)
class VarianceScore:
    """MSQ (arXiv 2012.04240): the variance of the row's weights.

    MSQ has no Fixed-8 rows (ratio x:y:0); with some, the rows of largest variance are those.
    """

    def __call__(self, network: Network) -> Scores:
        """As `Scorer`."""
        return {op.name: row_variance(_array(network.weight(op))) for op in network.layers()}


@dataclass(frozen=True)
class WeightErrorScore:
    """The squared error of the row's weights as Fixed-4, at the scale of least error."""

    def __call__(self, network: Network) -> Scores:
        """As `Scorer`."""
        return {op.name: weight_error(_finite_rows(network, op)) for op in network.layers()}


@dataclass(frozen=True)
class ShiftAddLossScore:
    """What the row's weights lose by shift-add: squared error so less that as a fixed row.

    Both at their scales of least error. For the second step of an assignment (`assign`'s
    `shift_add_by`): the rows that lose least, or gain most, get the shift-add format.

    Attributes:
        shift_add: codebook of the shift-add rows.
    """

    shift_add: str

    def __call__(self, network: Network) -> Scores:
        """As `Scorer`."""
        shifted, fixed, _ = (codebook(name) for name in mix_formats(self.shift_add))
        scores = {}
        for op in network.layers():
            rows = _finite_rows(network, op)
            scores[op.name] = weight_error(rows, shifted) - weight_error(rows, fixed)
        return scores


@dataclass(frozen=True, eq=False)
class OutputErrorScore:
    """FILM-QNN (FPGA 2022): the squared error that the row as Fixed-4 makes in its layer's output.

    Behind the layer's batch norm, on the float network's own inputs; see `train.sensitivity`.

    Attributes:
        inputs: one batch [N, ...]; FILM-QNN takes each epoch's first.
    """

    inputs: Tensor

    def __call__(self, network: Network) -> Scores:
        """As `Scorer`."""
        book = codebook(FOUR_BITS)
        scales = {}
        for op in network.layers():
            scales[op.name] = torch.from_numpy(row_scales_mse(_finite_rows(network, op), book))
        errors = RowErrors(network, scales)
        with torch.no_grad():
            for batch in torch.split(self.inputs, _IMAGES):
                network.run(batch, errors.see)
        return {name: values.cpu().numpy() for name, values in errors.sums.items()}


def layer_formats(
    weight: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    ratio: tuple[float, float, float],
    shift_add: str,
    order: npt.NDArray[np.floating] | None = None,
) -> tuple[str, ...]:
    """Return the format of every row of a layer; as `quant.rows.assign_formats`.

    A row of zeros is exact in every format: it ranks last, whatever its score. Rows of one element
    have variance 0; ties go to the lower row number.

    Args:
        weight: [O, ...].
        scores: [O].
        ratio: shares shift-add : Fixed-4 : Fixed-8, realized to the row by `realize_ratio`.
        shift_add: name of the shift-add codebook.
        order: [O], the rows of least get shift-add; default: the variance of their weights.

    Raises:
        QuantizationError: a weight or score is NaN or infinite, or there is not one per row.
    """
    scores = np.asarray(scores, dtype=np.float64)
    by = row_variance(weight) if order is None else np.asarray(order, dtype=np.float64)
    for numbers in (scores, by):
        if numbers.shape != (len(weight),):
            raise QuantizationError(f"scores {list(numbers.shape)} for {len(weight)} rows")
    if len(scores) and np.isfinite(scores).all():
        zero = np.array([not row.any() for row in weight])
        scores = np.where(zero, min(0.0, float(scores.min())), scores)
    return assign_formats(scores, by, ratio, shift_add)


def row_variance(weight: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the variance of every row [O, ...], row by row: copies of large layers cost memory."""
    return np.array([row.var(dtype=np.float64) for row in weight])


def formats_by_score(
    network: Network,
    scorer: Scorer,
    ratio: tuple[float, float, float],
    shift_add: str,
    pinned: frozenset[str] = frozenset(),
    shift_add_by: Scorer | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return layer name -> the format of every row; `pinned` layers are Fixed-8, unscored.
    `shift_add_by` as of `assign`.

    Raises:
        QuantizationError: scores that do not fit or are not finite (all layers are listed).
    """
    scores = scorer(network)
    order = shift_add_by(network) if shift_add_by else None
    formats: dict[str, tuple[str, ...]] = {}
    findings: list[RmsmpError] = []
    for op in network.layers():
        if op.name in pinned:
            formats[op.name] = (PINNED_FORMAT,) * op.shape[0]
            continue
        try:
            if op.name not in scores or (order is not None and op.name not in order):
                raise QuantizationError("the scores leave it out")
            formats[op.name] = layer_formats(
                _array(network.weight(op)), scores[op.name], ratio, shift_add,
                None if order is None else order[op.name],
            )  # fmt: skip
        except QuantizationError as error:
            findings.append(error.within(place(op)))
    if findings:
        raise QuantizationError.gather(findings)
    return formats


def _array(weight: Tensor) -> npt.NDArray[np.floating]:
    whole = weight.detach().cpu()
    array: npt.NDArray[np.floating] = (
        whole if whole.dtype == torch.float32 else whole.double()
    ).numpy()
    return array


def _finite_rows(network: Network, layer: Conv2d | Linear) -> npt.NDArray[np.floating]:
    """Return the layer's weights [O, cols]; refuse NaN and infinity."""
    weight = _array(network.weight(layer))
    if not np.isfinite(weight).all():
        raise QuantizationError(
            "the weights hold NaN or infinity",
            where=place(layer),
            fix="lower the learning rate, train again",
        )
    return weight.reshape(len(weight), -1)
