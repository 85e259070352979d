"""The section about the schemes' accuracy on digits in docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from page import computer, markdown
from paired import holm, sign_flip_p

Figures = dict[str, Any]
BASE = "fixed"
"""What every scheme is compared with: all rows Fixed-4."""
ALPHA = 0.05
DASH = "–"
_HEAD = """## Schemes on real data: digits

`make bench-schemes` (`benchmarks/digits_schemes.py`): scikit-learn's digits, 1437 images to train,
360 to test, with the augmentation and settings of `examples/digits.py`: {epochs} epochs in float,
then {qat_epochs} with quantizers. Weights have 4 bits but for the Fixed-8 rows, activations 4,
residual tensors and the input 8; first and last layers are like the others. The schemes of one seed
start from the same float network; *float* trains on for {qat_epochs} epochs without quantizers.
Scales are per row and learned, for all schemes: these are the papers' row mixes with this project's
quantizers, not the papers' programs. *MSQ*: half of the rows SP2-4, by variance. *MSP*: 90% SP2-4
and the 10% of rows of most variance Fixed-8, as in a co-author's code of that time; the paper's
own mix may be another. *RMSMP*: 65:30:5, Fixed-8 by the Hessian, then by variance, assigned once,
before the training with quantizers. *Fixed-4 and Fixed-8* are RMSMP's 5% of Fixed-8 rows alone.
There are no codebooks of 2 or 3 bits, so the table has no such rows.

Mean ± standard deviation over the seeds; in brackets, how many were run. The split into training
and test images is always the same: the spread is that of training, not of the choice of images.
"""
_MEANING = """
Differences to Fixed-W4A4, seed by seed, of both networks together: *accuracy* in percentage points
(more is better), *cross-entropy* on the test images (less is better). *p*: exact two-sided
sign-flip permutation test; *Holm*: corrected for the number of schemes. {pairs} pairs cannot give
a p below {least:.2g}. One of the 360 test images is {image:.2f} points.
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A scheme against `BASE` over the pairs of network and seed that both have.

    Attributes:
        scheme: its key.
        pairs: how many.
        accuracy, loss: mean difference, scheme less base.
        accuracy_p, loss_p: of the sign-flip test.
        loss_holm: `loss_p`, corrected for all schemes; `accuracy_holm` likewise.
    """

    scheme: str
    pairs: int
    accuracy: float
    loss: float
    accuracy_p: float
    loss_p: float
    accuracy_holm: float = 1.0
    loss_holm: float = 1.0


def values(figures: Figures, network: str, scheme: str, when: str, what: str) -> dict[int, float]:
    """Return seed -> figure; `when` is calibrated or trained, `what` accuracy or loss."""
    return {
        run["seed"]: run[when][what]
        for run in figures["runs"]
        if run["network"] == network and run["scheme"] == scheme
    }


def networks(figures: Figures) -> list[str]:
    """Return the networks that were run, in order."""
    return list(dict.fromkeys(run["network"] for run in figures["runs"]))


def schemes(figures: Figures) -> list[str]:
    """Return the schemes that were run, in the order of the benchmark."""
    run = {run["scheme"] for run in figures["runs"]}
    return [name for name in figures["schemes"] if name in run]


def differences(figures: Figures, scheme: str, what: str) -> list[float]:
    """Return scheme less base after training, for each network and seed that have both."""
    found = []
    for network in networks(figures):
        mine = values(figures, network, scheme, "trained", what)
        base = values(figures, network, BASE, "trained", what)
        found += [mine[seed] - base[seed] for seed in sorted(mine.keys() & base.keys())]
    return found


def compare(figures: Figures) -> list[Comparison]:
    """Return the comparison of every scheme that shares a pair with the base."""
    found = []
    for name in schemes(figures):
        accuracy, loss = (differences(figures, name, what) for what in ("accuracy", "loss"))
        if name != BASE and accuracy:
            found.append(
                Comparison(
                    name, len(accuracy), statistics.fmean(accuracy), statistics.fmean(loss),
                    sign_flip_p(accuracy), sign_flip_p(loss),
                )
            )  # fmt: skip
    of_accuracy = holm([row.accuracy_p for row in found])
    of_loss = holm([row.loss_p for row in found])
    return [
        Comparison(
            row.scheme, row.pairs, row.accuracy, row.loss, row.accuracy_p, row.loss_p, a, b
        )
        for row, a, b in zip(found, of_accuracy, of_loss, strict=True)
    ]  # fmt: skip


def verdict(row: Comparison, schemes: int) -> str:
    """Return what the pairs show, of so many schemes: better, worse, or no difference."""
    if too_few(row, schemes):
        return "too few pairs"
    told = []
    for name, mean, p, up in (
        ("accuracy", row.accuracy, row.accuracy_holm, 1),
        ("cross-entropy", row.loss, row.loss_holm, -1),
    ):
        if p < ALPHA:
            told.append(f"{'better' if mean * up > 0 else '**worse**'} {name}")
    return ", ".join(told) or "no difference shown"


def too_few(row: Comparison, schemes: int) -> bool:
    """Return whether so few pairs, among so many schemes, could not show any difference."""
    return schemes * 2 / 2**row.pairs >= ALPHA


def summary(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the lines that the benchmark prints."""
    for network in networks(figures):
        for name in schemes(figures):
            row = _row(figures, network, name)
            if row is not None:
                yield (f"{network:<13}", f"{figures['schemes'][name]['words']:<30}", *row)
    compared = compare(figures)
    for one in compared:
        words = figures["schemes"][one.scheme]["words"]
        yield (f"{'difference':<13}", f"{words:<30}", *_comparison(one, len(compared)))


def schemes_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    text = [_HEAD.format(**figures["settings"])]
    titles = ("scheme", "accuracy, calibrated only", "accuracy, trained", "cross-entropy, trained")
    for network in networks(figures):
        rows = [
            [figures["schemes"][name]["words"], *row]
            for name in schemes(figures)
            if (row := _row(figures, network, name)) is not None
        ]
        text += [f"**{network}**\n", markdown(titles, rows)]
    compared = compare(figures)
    if compared:
        pairs = max(row.pairs for row in compared)
        text.append(
            _MEANING.strip("\n").format(pairs=pairs, least=2 / 2**pairs, image=100 / 360) + "\n"
        )
        titles = ("scheme", "pairs", "accuracy", "p", "Holm", "cross-entropy", "p", "Holm", "shown")
        rows = [
            [figures["schemes"][r.scheme]["words"], *_comparison(r, len(compared))]
            for r in compared
        ]
        text += [markdown(titles, rows), _plainly(figures, compared)]
    machine = result["machine"]
    text.append(f"Measured on: {computer(machine)}. Accuracy does not depend on its load.\n")
    return "\n".join(text)


def _plainly(figures: Figures, compared: Sequence[Comparison]) -> str:
    """Return the sentence that says where mixing did not help."""
    mixes = [row for row in compared if _is_mix(figures["schemes"][row.scheme]["ratio"])]

    def named(rows: Sequence[Comparison]) -> str:
        return ", ".join(figures["schemes"][row.scheme]["words"] for row in rows) or "none"

    few = [row for row in mixes if too_few(row, len(compared))]
    better = [row for row in mixes if row.accuracy > 0 and row.accuracy_holm < ALPHA]
    worse = [row for row in mixes if row.accuracy < 0 and row.accuracy_holm < ALPHA]
    rest = [row for row in mixes if row not in (*few, *better, *worse)]
    lower = [row for row in mixes if row.loss < 0 and row.loss_holm < ALPHA]
    higher = [row for row in mixes if row.loss > 0 and row.loss_holm < ALPHA]
    return (
        f"Plainly, does mixing row formats help against all rows Fixed-4? Accuracy better: "
        f"{named(better)}; worse: {named(worse)}; **no difference shown**: {named(rest)}; too few "
        f"pairs to tell: {named(few)}. Cross-entropy lower (better): {named(lower)}; higher: "
        f"{named(higher)}. No difference shown is not the same as none: what is below about one "
        "image in 360 cannot be seen here.\n"
    )


def _is_mix(ratio: str) -> bool:
    return sum(float(share) > 0 for share in ratio.split(":") if share) > 1


def _row(figures: Figures, network: str, scheme: str) -> list[str] | None:
    asked = (("calibrated", "accuracy"), ("trained", "accuracy"), ("trained", "loss"))
    cells = []
    for when, what in asked:
        found = list(values(figures, network, scheme, when, what).values())
        if not found:
            return None
        cells.append(_mean(found, percent=what == "accuracy"))
    cells[-1] += f" ({len(found)})"
    return cells


def _mean(numbers: Sequence[float], percent: bool) -> str:
    factor, digits, unit = (100.0, 2, "%") if percent else (1.0, 4, "")
    mean = f"{factor * statistics.fmean(numbers):.{digits}f}"
    spread = f"{factor * statistics.stdev(numbers):.{digits}f}" if len(numbers) > 1 else DASH
    return f"{mean} ± {spread}{unit}"


def _comparison(row: Comparison, schemes: int) -> list[str]:
    return [
        str(row.pairs),
        f"{100 * row.accuracy:+.2f}", f"{row.accuracy_p:.3f}", f"{row.accuracy_holm:.3f}",
        f"{row.loss:+.4f}", f"{row.loss_p:.3f}", f"{row.loss_holm:.3f}",
        verdict(row, schemes),
    ]  # fmt: skip
