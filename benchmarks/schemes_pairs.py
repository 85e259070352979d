"""Pairs of runs from the same float network: what they show of one scheme against another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from paired import holm, sign_flip_p

Figures = dict[str, Any]
BASE = "fixed"
"""What every scheme is compared with: all rows Fixed-4."""
FURTHER = (
    ("rmsmp-pot", "pot"),
    ("rmsmp-sp2", "sp2"),
    ("rmsmp-apot", "apot"),
    ("apot-by-loss", "rmsmp-apot"),
    ("best", "apot"),
    ("best", "rmsmp-apot"),
    ("best", "rmsmp-pot"),
    ("pot3", "fixed3"),
    ("sp23", "fixed3"),
    ("rmsmp-pot3", "fixed3"),
    ("rmsmp-sp23", "fixed3"),
    ("rmsmp-pot3", "pot3"),
    ("ternary-mix", "ternary"),
)
"""What else is asked: a scheme, and which other one it is held against."""
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """A scheme against another over the pairs of network and seed that both have.

    Attributes:
        scheme, base: their keys.
        pairs: how many.
        accuracy, loss: mean difference, scheme less base.
        accuracy_error: standard error of `accuracy`; 0 with one pair.
        accuracy_p, loss_p: of the sign-flip test.
        of: so many comparisons are made together.
        accuracy_holm, loss_holm: the p-values corrected for that.
    """

    scheme: str
    base: str
    pairs: int
    accuracy: float
    loss: float
    accuracy_error: float
    accuracy_p: float
    loss_p: float
    of: int = 1
    accuracy_holm: float = 1.0
    loss_holm: float = 1.0

    @property
    def too_few(self) -> bool:
        """Whether so few pairs, among so many comparisons, could not show any difference."""
        return self.of * 2 / 2**self.pairs >= ALPHA

    @property
    def accuracy_sign(self) -> int:
        """1 if the accuracy is shown to be better, -1 if worse, 0 if neither is shown."""
        return _sign(self.accuracy) if self.accuracy_holm < ALPHA else 0

    @property
    def loss_sign(self) -> int:
        """1 if the cross-entropy is shown to be better (lower), -1 if worse, else 0."""
        return -_sign(self.loss) if self.loss_holm < ALPHA else 0


def values(figures: Figures, case: str, scheme: str, when: str, what: str) -> dict[int, float]:
    """Return seed -> figure; `when` is calibrated or trained, `what` accuracy or loss."""
    return {
        run["seed"]: run[when][what]
        for run in figures["runs"]
        if run["network"] == case and run["scheme"] == scheme
    }


def cases(figures: Figures) -> list[str]:
    """Return the cases that were run, in order."""
    return list(dict.fromkeys(run["network"] for run in figures["runs"]))


def schemes(figures: Figures) -> list[str]:
    """Return the schemes that were run, in the order of the benchmark."""
    run = {run["scheme"] for run in figures["runs"]}
    return [name for name in figures["schemes"] if name in run]


def differences(figures: Figures, scheme: str, base: str, what: str) -> list[float]:
    """Return scheme less base after training, for each pair of the cases that are compared."""
    found = []
    for case in cases(figures):
        if figures["cases"][case]["compared"]:
            mine = values(figures, case, scheme, "trained", what)
            other = values(figures, case, base, "trained", what)
            found += [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]
    return found


def compare(figures: Figures, pairs: Sequence[tuple[str, str]] | None = None) -> list[Comparison]:
    """Return the comparisons (scheme, base) that share a pair; default: every scheme with `BASE`.

    The p-values are corrected for how many there are.
    """
    if pairs is None:
        pairs = [(name, BASE) for name in schemes(figures) if name != BASE]
    found = []
    for scheme, base in pairs:
        accuracy, loss = (differences(figures, scheme, base, what) for what in ("accuracy", "loss"))
        if accuracy:
            spread = statistics.stdev(accuracy) if len(accuracy) > 1 else 0.0
            found.append(
                Comparison(
                    scheme, base, len(accuracy), statistics.fmean(accuracy), statistics.fmean(loss),
                    spread / len(accuracy) ** 0.5, sign_flip_p(accuracy), sign_flip_p(loss),
                )
            )  # fmt: skip
    of_accuracy = holm([row.accuracy_p for row in found])
    of_loss = holm([row.loss_p for row in found])
    return [
        replace(row, of=len(found), accuracy_holm=a, loss_holm=b)
        for row, a, b in zip(found, of_accuracy, of_loss, strict=True)
    ]


def verdict(row: Comparison) -> str:
    """Return what the pairs show: better, worse, or no difference."""
    if row.too_few:
        return "too few pairs"
    told = [
        f"{'better' if sign > 0 else '**worse**'} {name}"
        for name, sign in (("accuracy", row.accuracy_sign), ("cross-entropy", row.loss_sign))
        if sign
    ]
    return ", ".join(told) or "no difference shown"


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
