"""Which row gets which format: RMSMP's assignment and its alternatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.numerics.codebooks import mix_formats
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.network import Network, place
from rmsmp_hls.train.output_curvature import Loss
from rmsmp_hls.train.ratio import Ratio, parse_ratio
from rmsmp_hls.train.scores import (
    HessianScore,
    OutputErrorScore,
    Scorer,
    VarianceScore,
    WeightErrorScore,
    formats_by_score,
)
from rmsmp_hls.train.table import Table, checked_table, load_table, table_of

Method = Literal["hessian", "variance", "output-error", "weight-error"]
_SHOWN = 6
METHODS = ("hessian", "variance", "output-error", "weight-error")


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an assignment did.

    Attributes:
        realized: layer name -> {codebook name: rows}.
        changed: layer name -> rows whose format changed, layers without any left out.
        missing: layer name -> formats with a share in the ratio that get no row there: a layer
            of few rows cannot hold them. Empty after a table.
        pinned: layers that are Fixed-8 whatever the ratio, by the policy `first_last`.
        refreshed: whether rows were assigned at all.
    """

    realized: dict[str, dict[str, int]]
    changed: dict[str, int]
    missing: dict[str, tuple[str, ...]]
    pinned: tuple[str, ...] = ()
    refreshed: bool = True

    @property
    def rows_changed(self) -> int:
        """How many rows of all layers got another format."""
        return sum(self.changed.values())

    def text(self) -> str:
        """Return it in words: one line, and one per layer that lacks a format or
        is kept in 8 bits."""
        rows = sum(sum(counts.values()) for counts in self.realized.values())
        lines = [f"{self.rows_changed} of {rows} rows changed their format"]
        lines += [_lacks(name, self.realized[name], found) for name, found in self.missing.items()]
        lines += [f"layer {name!r}: all rows are Fixed-8, as first or last layer"
                  for name in self.pinned]  # fmt: skip
        return "\n".join(lines)


def assign(
    model: RmsmpModel,
    how: Scorer | Table | str | Path,
    ratio: Ratio | None = None,
    *,
    shift_add_by: Scorer | None = None,
) -> Assigned:
    """Give every row a format; rows whose format stays keep their trained scale.

    Where scales are not learned (`weight_scale="refit"`) all are fitted to the weights as they are.

    Shares are realized layer by layer in whole rows, each less than one row from the exact share:
    rounded down, the rows that are left go to the largest remainders, to the earlier format
    (shift-add, Fixed-4, Fixed-8) at a tie. Under the policy "fixed8" (`first_last` of `prepare`)
    the rows of first and last layers are Fixed-8 whatever the ratio.

    Args:
        model: a prepared model.
        how: a scorer of `train.scores` or your own; a table of formats by layer, or the path of a
            YAML or JSON file with one, where layers that are not named stay as they are.
        ratio: shares shift-add : Fixed-4 : Fixed-8 of every layer; default: as it is.
        shift_add_by: of the rows that are not Fixed-8, those of least score get shift-add;
            default: the variance of their weights. `ShiftAddLossScore` suits APoT-4, for whose
            error low variance says little. Without meaning for a table.

    Raises:
        ConfigError: impossible ratio, a file that cannot be read, what the scorer needs.
        QuantizationError: the table does not fit the model or its policy, scores or weights are
            not finite (all findings); the model then is as before.
    """
    shares = model.rmsmp.ratio if ratio is None else parse_ratio(ratio)
    network, before = Network.of(model), table_of(model)
    if isinstance(how, (str, Path)):
        how = load_table(how)
    scored, pinned = not isinstance(how, Mapping), model.pinned()
    if isinstance(how, Mapping):
        formats = checked_table(model, how)
    else:
        formats = formats_by_score(network, how, shares, model.codebook, pinned, shift_add_by)
    layers = [op for op in model.layers() if op.name in formats]
    bad = [place(op) for op in layers if not bool(torch.isfinite(model.weight(op)).all())]
    if bad:
        raise QuantizationError.gather(
            [QuantizationError("the weights hold NaN or infinity", where=where) for where in bad]
        )
    for op in layers:
        model.rmsmp.row(op.name).assign(formats[op.name], model.weight(op))
    model.rmsmp.ratio = shares
    counts = realized(model)
    mixed = {name: mine for name, mine in counts.items() if name not in pinned}
    missing = lacking_formats(mixed, shares, model.codebook)
    moved = {
        name: sum(a != b for a, b in zip(before[name], after, strict=True))
        for name, after in formats.items()
    }
    return Assigned(
        realized=counts,
        changed={name: rows for name, rows in moved.items() if rows},
        missing=missing if scored else {},
        pinned=tuple(op.name for op in model.layers() if op.name in pinned),
    )


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
    """As `assign`, with the measure by name.

    Args:
        model: a prepared model.
        ratio: shares shift-add : Fixed-4 : Fixed-8 of every layer; default: as it is.
        method: what makes a row sensitive, hence Fixed-8: "hessian", the largest
            eigenvalue of the loss (needs `loss_fn` and `batch`); "output-error", the squared
            error that it makes as Fixed-4 in its layer's output (needs `batch`); "variance" of its
            weights; "weight-error", its squared error as Fixed-4. Or a table.
        loss_fn, batch: (outputs, targets) -> scalar, and (inputs, targets).
        iterations, seed: of the power iteration.

    Returns:
        Layer name -> {codebook name: rows}, as realized.

    Raises:
        ConfigError: impossible ratio, unknown method, missing loss or batch.
        QuantizationError: the table does not fit the model (all findings), scores not finite.
    """
    if isinstance(method, str):
        how: Scorer | Table = scorer(method, loss_fn, batch, iterations=iterations, seed=seed)
    else:
        how = method
    return assign(model, how, ratio).realized


def scorer(
    method: str,
    loss_fn: Loss | None = None,
    batch: tuple[Tensor, Tensor] | None = None,
    *,
    iterations: int = 10,
    seed: int = 0,
) -> Scorer:
    """Return the measure of that name; arguments as of `assign_rows`.

    Raises:
        ConfigError: unknown method, missing loss or batch.
    """
    if method not in METHODS:
        raise ConfigError(
            f"unknown assignment {method!r}",
            where="method",
            fix=f"choose one of {', '.join(METHODS)}, or give a table of formats",
        )
    if method == "variance":
        return VarianceScore()
    if method == "weight-error":
        return WeightErrorScore()
    if batch is None or (method == "hessian" and loss_fn is None):
        what = "a loss and a batch" if method == "hessian" else "a batch"
        give = "loss_fn=... and " if method == "hessian" else ""
        raise ConfigError(
            f"the measure needs {what}",
            where=f"method {method!r}",
            fix=f"pass {give}batch=(inputs, targets), or choose 'weight-error'",
        )
    if method == "output-error":
        return OutputErrorScore(batch[0])
    assert loss_fn is not None
    return HessianScore(loss_fn, batch, iterations, seed=seed)


def lacking_formats(
    rows: Mapping[str, Mapping[str, int]], ratio: tuple[float, float, float], shift_add: str
) -> dict[str, tuple[str, ...]]:
    """Return layer name -> formats with a share in the ratio that none of its rows has.

    Args:
        rows: layer name -> {codebook name: rows}.
        ratio: shares shift-add : Fixed-4 : Fixed-8.
        shift_add: name of the shift-add codebook.
    """
    shares = zip(mix_formats(shift_add), ratio, strict=True)
    wanted = [name for name, share in shares if share > 0]
    lacking = {layer: tuple(n for n in wanted if not mine.get(n)) for layer, mine in rows.items()}
    return {layer: names for layer, names in lacking.items() if names}


def lacking_text(
    rows: Mapping[str, Mapping[str, int]], ratio: tuple[float, float, float], shift_add: str
) -> tuple[str, ...]:
    """Return `lacking_formats` in words: a sentence, or none."""
    lacking = lacking_formats(rows, ratio, shift_add)
    if not lacking:
        return ()
    some = [_lacks(name, rows[name], lacking[name]) for name in list(lacking)[:_SHOWN]]
    more = f"; and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return (f"Layers of few rows cannot hold every format of the ratio: {'; '.join(some)}{more}",)


def _lacks(layer: str, rows: Mapping[str, int], formats: tuple[str, ...]) -> str:
    return f"layer {layer!r}: no row of {sum(rows.values())} is {', '.join(formats)}"


def realized(model: RmsmpModel) -> dict[str, dict[str, int]]:
    """Return layer name -> {codebook name: number of rows}."""
    return {name: dict(Counter(formats)) for name, formats in table_of(model).items()}
