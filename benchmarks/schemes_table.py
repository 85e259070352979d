"""The section about the schemes' accuracy on digits in docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from page import computer, markdown
from schemes_pairs import (
    FURTHER,
    Comparison,
    Figures,
    cases,
    compare,
    schemes,
    values,
    verdict,
)

PICTURE = "schemes.svg"
DASH = "–"
_HEAD = """## Schemes on real data: digits

`make bench-schemes` (`benchmarks/digits_schemes.py`): scikit-learn's digits, 1797 images of 8 x 8
pixels, moved by up to a pixel in training. First a float network, then training with quantizers,
in which all schemes of one seed start from the same float network; *float* trains on for as many
epochs without quantizers. Activations have 4 bits, residual tensors and the input 8; first and last
layers are like the others. Scales are per row and learned, for all schemes: these are the papers'
row mixes with this project's quantizers, not the papers' programs.

*MSQ*: half of the rows SP2-4, by variance. *MSP*: 90% SP2-4 and the 10% of rows of most variance
Fixed-8, as in a co-author's code of that time; the paper's own mix may be another. *RMSMP*:
65:30:5, Fixed-8 by the Hessian, then by variance, assigned once, before the training with
quantizers; *at W3* the same with rows of 3 bits. *Fixed-4 and Fixed-8* are RMSMP's 5% of Fixed-8
rows alone, *FILM-QNN* the same by the error of the layer's output (its activations had 5 bits, here
4). *APoT by loss*: the shift-add rows are those that lose least squared error of their weights by
it, instead of those of least variance. *ours-best*: {best}.
It was chosen with other seeds, and so other splits, than these. With 2 bits all schemes are one.

The networks:

{cases}

The large network answers nearly every test image rightly, whatever its weights are: there schemes
cannot be told apart. The small ones have nothing to spare, are trained on one half of the images
and tested with the other (five splits, each half once).

![Test accuracy of every scheme, run by run]({picture})

Mean ± standard deviation over the seeds; in brackets, how many were run.
"""
_MEANING = """
### What the pairs show

Differences, seed by seed, of {which} together: *accuracy* in percentage
points (more is better), *cross-entropy* on the test images (less is better). *p*: exact two-sided
sign-flip permutation test; *Holm*: corrected for the number of rows of the table. {pairs} pairs
cannot give a p below {least:.2g}. First, against all rows Fixed-4:
"""
_FURTHER = """
Further questions, asked together: what the mix does for its own shift-add codebook, what the choice
of rows does, and the same at 3 and 2 bits:
"""


def summary(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the lines that the benchmark prints."""
    for case in cases(figures):
        for name in schemes(figures):
            row = _row(figures, case, name)
            if row is not None:
                yield (
                    f"{figures['cases'][case]['words']:<13}",
                    f"{_words(figures, name):<20}",
                    *row,
                )
    for one in (*compare(figures), *compare(figures, FURTHER)):
        words = f"{_words(figures, one.scheme)} - {_words(figures, one.base)}"
        yield (f"{words:<36}", *_comparison(one))


def schemes_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    text = [
        _HEAD.format(cases=_cases(figures), best=_mix(figures["schemes"]["best"]), picture=PICTURE)
    ]
    titles = ("scheme", "accuracy, calibrated only", "accuracy, trained", "cross-entropy, trained")
    for case in cases(figures):
        rows = [
            [_words(figures, name), *row]
            for name in schemes(figures)
            if (row := _row(figures, case, name)) is not None
        ]
        text += [f"**{figures['cases'][case]['words']}**\n", markdown(titles, rows)]
    compared = compare(figures)
    if compared:
        further = compare(figures, FURTHER)
        pairs = max(row.pairs for row in compared)
        which = " and ".join(
            figures["cases"][name]["words"]
            for name in cases(figures)
            if figures["cases"][name]["compared"]
        )
        text.append(
            _MEANING.strip("\n").format(which=which, pairs=pairs, least=2 / 2**pairs) + "\n"
        )
        columns = ("pairs", "accuracy", "p", "Holm", "cross-entropy", "p", "Holm", "shown")
        text.append(
            markdown(
                ("scheme", *columns),
                [[_words(figures, r.scheme), *_comparison(r)] for r in compared],
            )
        )
        if further:
            rows = [
                [f"{_words(figures, r.scheme)} less {_words(figures, r.base)}", *_comparison(r)]
                for r in further
            ]
            text += [_FURTHER.strip("\n") + "\n", markdown(("scheme", *columns), rows)]
        text.append(_plainly(figures, compared, further))
    machine = result["machine"]
    text.append(f"Measured on: {computer(machine)}. Accuracy does not depend on its load.\n")
    return "\n".join(text)


def _cases(figures: Figures) -> str:
    run = cases(figures)
    return "\n".join(
        f"- **{case['words']}**: {case['about']}; {case['weights']:,} weights, "
        f"{case['training_images']} images to train, {case['test_images']} to test; "
        f"{case['epochs']} epochs in float, {case['qat_epochs']} with quantizers."
        + ("" if name in run else " Not run yet.")
        for name, case in figures["cases"].items()
    )


def _mix(scheme: dict[str, Any]) -> str:
    """Return a mix in words."""
    by = {"hessian": "the Hessian", "weight-error": "squared error of the weights as Fixed-4",
          "output-error": "error of the layer's output", "variance": "variance"}  # fmt: skip
    return (
        f"{scheme['codebook']} at shift-add : Fixed-4 : Fixed-8 {scheme['ratio']}, the Fixed-8 "
        f"rows by {by[scheme['method']]}"
    )


def _plainly(
    figures: Figures, compared: Sequence[Comparison], further: Sequence[Comparison]
) -> str:
    """Return the paragraphs that say where mixing helps, where not, and where schemes break."""
    kinds = figures["schemes"]
    mixes = [r for r in compared if _is_mix(kinds[r.scheme]["ratio"]) and _bits(kinds, r) == 4]
    pure = [r for r in compared if _is_pure(kinds[r.scheme]["ratio"]) and _bits(kinds, r) == 4]
    narrow = [r for r in compared if kinds[r.scheme]["ratio"] and _bits(kinds, r) < 4]
    told = [
        _before(figures),
        f"Plainly, of the mixes against all rows Fixed-4: {_told(figures, mixes)}{_seen(mixes)}",
        f"One shift-add codebook for all rows, against Fixed-4: {_told(figures, pure)}",
        f"Fewer bits, against Fixed-4: {_told(figures, narrow)}{_worst(figures, narrow)}",
    ]
    if further:
        told.append(f"The further questions: {_told(figures, further, bases=True)}")
    return "\n\n".join(told) + "\n"


def _before(figures: Figures) -> str:
    """Return how far apart the schemes of 4 bits are before and after training."""
    four = [
        name
        for name in schemes(figures)
        if (kind := figures["schemes"][name])["ratio"] and kind["codebook"].endswith("-4")
    ]
    told = []
    for case in cases(figures):
        ranges = []
        for when in ("calibrated", "trained"):
            found = (values(figures, case, name, when, "accuracy") for name in four)
            means = [100 * statistics.fmean(one.values()) for one in found if one]
            ranges.append(f"{min(means):.1f} .. {max(means):.1f}%" if means else DASH)
        told.append(f"{figures['cases'][case]['words']} {ranges[0]}, then {ranges[1]}")
    return (
        "Mean accuracies of the schemes of 4 bits, least .. most, by calibration only, and after "
        f"training with quantizers: {'; '.join(told)}."
    )


def _told(figures: Figures, rows: Sequence[Comparison], bases: bool = False) -> str:
    def named(chosen: list[Comparison]) -> str:
        names = [
            _words(figures, r.scheme) + (f" less {_words(figures, r.base)}" if bases else "")
            for r in chosen
        ]
        return ", ".join(names) or "none"

    few = [r for r in rows if r.too_few]
    rest = [r for r in rows if not r.too_few]
    if not rest:
        return f"too few pairs to tell: {named(few)}."
    text = (
        f"accuracy better: {named([r for r in rest if r.accuracy_sign > 0])}; worse: "
        f"{named([r for r in rest if r.accuracy_sign < 0])}; **no difference shown**: "
        f"{named([r for r in rest if not r.accuracy_sign])}. Cross-entropy lower (better): "
        f"{named([r for r in rest if r.loss_sign > 0])}; higher: "
        f"{named([r for r in rest if r.loss_sign < 0])}."
    )
    return text + (f" Too few pairs to tell: {named(few)}." if few else "")


def _seen(rows: Sequence[Comparison]) -> str:
    """Return how small a difference the pairs could show."""
    errors = [row.accuracy_error for row in rows if not row.too_few]
    if not errors:
        return ""
    return (
        " No difference shown is not the same as none: what is below about "
        f"{200 * statistics.median(errors):.2f} points (two standard errors) cannot be seen here."
    )


def _worst(figures: Figures, rows: Sequence[Comparison]) -> str:
    shown = sorted((r for r in rows if r.accuracy_sign < 0), key=lambda r: r.accuracy)
    if not shown:
        return ""
    listed = ", ".join(f"{_words(figures, r.scheme)} {100 * r.accuracy:+.1f}" for r in shown)
    return f" In points, from the worst: {listed}."


def _words(figures: Figures, scheme: str) -> str:
    words: str = figures["schemes"][scheme]["words"]
    return words


def _bits(kinds: dict[str, Any], row: Comparison) -> int:
    return int(kinds[row.scheme]["codebook"].rpartition("-")[2])


def _is_mix(ratio: str) -> bool:
    return sum(float(share) > 0 for share in ratio.split(":") if share) > 1


def _is_pure(ratio: str) -> bool:
    return bool(ratio) and not _is_mix(ratio)


def _row(figures: Figures, case: str, scheme: str) -> list[str] | None:
    asked = (("calibrated", "accuracy"), ("trained", "accuracy"), ("trained", "loss"))
    cells = []
    for when, what in asked:
        found = list(values(figures, case, scheme, when, what).values())
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


def _comparison(row: Comparison) -> list[str]:
    return [
        str(row.pairs),
        f"{100 * row.accuracy:+.2f}", f"{row.accuracy_p:.3f}", f"{row.accuracy_holm:.3f}",
        f"{row.loss:+.4f}", f"{row.loss_p:.3f}", f"{row.loss_holm:.3f}",
        verdict(row),
    ]  # fmt: skip
