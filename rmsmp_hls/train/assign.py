"""Which row gets which format: RMSMP's assignment and its alternatives."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError, RmsmpError
from rmsmp_hls.quant.rows import assign_formats, weight_error
from rmsmp_hls.train.hessian import Loss, row_eigenvalues
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.ratio import Ratio, parse_ratio

Method = Literal["hessian", "variance", "weight-error"]
Table = Mapping[str, Sequence[str]]
"""Layer name -> codebook name of every row."""
Scores = dict[str, npt.NDArray[np.float64]]

_METHODS = ("hessian", "variance", "weight-error")


def assign_rows(
    model: RmsmpModel,
    ratio: Ratio | None = None,
    method: Method | Table = "hessian",
    *,
    loss_fn: Loss | None = None,
    batch: tuple[Tensor, Tensor] | None = None,
    iterations: int = 10,
    seed: int = 0,
) -> dict[str, dict[str, int]]:
    """Give every row a format; may be called again during training (papers: every 10 epochs).

    Rows whose format stays keep their trained scale, the others get one fitted to them.

    Args:
        model: a prepared model.
        ratio: shares shift-add : Fixed-4 : Fixed-8 of every layer; default: as it is.
        method: what makes a row sensitive, hence Fixed-8: "hessian", the largest
            eigenvalue of the loss (needs `loss_fn` and `batch`); "variance" of its weights;
            "weight-error", its squared error as Fixed-4. Or a table of formats by layer,
            where layers that are not named stay as they are.
        loss_fn, batch: (outputs, targets) -> scalar, and (inputs, targets).
        iterations, seed: of the power iteration.

    Returns:
        Layer name -> {codebook name: rows}, as realized.

    Raises:
        ConfigError: impossible ratio, unknown method, missing loss or batch.
        QuantizationError: the table does not fit the model (all findings), scores not finite.
    """
    shares = model.rmsmp.ratio if ratio is None else parse_ratio(ratio)
    if isinstance(method, str):
        scores = _scores(model, method, loss_fn, batch, iterations, seed)
        table: Table = {
            op.name: assign_formats(
                scores[op.name], _rows(model.weight(op)).var(axis=1), shares, model.codebook
            )
            for op in model.layers()
        }
    else:
        table = method
        _check_table(model, table)
    for op in model.layers():
        if op.name in table:
            model.rmsmp.row(op.name).assign(tuple(table[op.name]), model.weight(op))
    model.rmsmp.ratio = shares
    return realized(model)


def realized(model: RmsmpModel) -> dict[str, dict[str, int]]:
    """Return layer name -> {codebook name: number of rows}."""
    return {op.name: dict(Counter(model.rmsmp.row(op.name).names)) for op in model.layers()}


def _scores(
    model: RmsmpModel,
    method: str,
    loss_fn: Loss | None,
    batch: tuple[Tensor, Tensor] | None,
    iterations: int,
    seed: int,
) -> Scores:
    if method == "variance":
        return {op.name: _rows(model.weight(op)).var(axis=1) for op in model.layers()}
    if method == "weight-error":
        return {op.name: weight_error(_rows(model.weight(op))) for op in model.layers()}
    if method != "hessian":
        raise ConfigError(
            f"unknown assignment {method!r}",
            where="method",
            fix=f"choose one of {', '.join(_METHODS)}, or give a table of formats",
        )
    if loss_fn is None or batch is None:
        raise ConfigError(
            "the Hessian needs a loss and a batch",
            where="method 'hessian'",
            fix="pass loss_fn=... and batch=(inputs, targets), or choose 'weight-error'",
        )
    found = row_eigenvalues(model, loss_fn, batch, iterations=iterations, seed=seed)
    return {name: np.abs(values.numpy()) for name, values in found.items()}


def _rows(weight: Tensor) -> npt.NDArray[np.float64]:
    rows: npt.NDArray[np.float64] = weight.detach().flatten(1).to(torch.float64).cpu().numpy()
    return rows


def _check_table(model: RmsmpModel, table: Table) -> None:
    layers = {op.name: op.shape[0] for op in model.layers()}
    allowed = (model.codebook, "Fixed-4", "Fixed-8")
    findings: list[RmsmpError] = []
    for name, formats in table.items():
        where = f"layer {name!r}"
        if name not in layers:
            near = difflib.get_close_matches(name, layers, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            fix = f"{hint}layers: {', '.join(layers)}"
            findings.append(QuantizationError("there is no such layer", where=where, fix=fix))
        elif isinstance(formats, str) or len(formats) != layers[name]:
            text = f"has {layers[name]} rows, the table gives {len(formats)} formats"
            findings.append(QuantizationError(text, where=where))
        elif not set(formats) <= set(allowed):
            text = f"formats {sorted(set(formats) - set(allowed))} are not available"
            fix = f"choose from {', '.join(allowed)}"
            findings.append(QuantizationError(text, where=where, fix=fix))
    if findings:
        raise QuantizationError.gather(findings)
