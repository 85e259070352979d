"""Errors of row formats against slow formulas, and what the page says of them."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from collections import Counter
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

from rmsmp_hls.numerics.codebooks import CODEBOOKS, codebook
from rmsmp_hls.quant.rows import realize_ratio

GENERATOR = np.random.default_rng(3)
MATRICES = {
    "a": GENERATOR.normal(0, 1, (40, 24)) * np.linspace(0.5, 2, 40)[:, None],
    "b": np.concatenate([GENERATOR.laplace(0, 1, (19, 24)), np.zeros((1, 24))]),
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of two small matrices."""
    import weight_fits

    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    path.write_bytes(b"weights")
    with Progress(disable=True) as progress:
        return weight_fits.figures(path, MATRICES, progress)


@pytest.mark.parametrize("name", CODEBOOKS)
def test_the_error_is_that_of_the_nearest_level(name: str) -> None:
    """Every weight to the nearest of all levels times the scale, one by one."""
    import weight_fits

    book, rows = codebook(name), MATRICES["a"][:5]
    for rule in weight_fits.SCALES.values():
        scales = rule(rows, book)
        slow = [
            sum(min((w - scale * level) ** 2 for level in book.levels) for w in row)
            for row, scale in zip(rows, scales, strict=True)
        ]
        np.testing.assert_allclose(weight_fits.row_errors(rows, book, scales), slow, rtol=1e-9)


def test_no_scale_beats_the_searched_one(figures: dict[str, Any]) -> None:
    """Of all rules, the searched scale has the least mean error, in every codebook."""
    for name in CODEBOOKS:
        best = figures["fits"]["row MSE"][name]["mean"]
        assert all(best <= books[name]["mean"] * (1 + 1e-3) for books in figures["fits"].values())


def test_the_scale_of_a_row_takes_its_size_away() -> None:
    """A row ten times as large has the same relative error, with a scale of its own."""
    import weight_fits

    rows, book = MATRICES["a"], codebook("PoT-4")
    powers = (rows * rows).sum(axis=1)
    rule = weight_fits.SCALES["row MSE"]
    small = weight_fits.relative(weight_fits.row_errors(rows, book, rule(rows, book)), powers)
    large = weight_fits.row_errors(10 * rows, book, rule(10 * rows, book))
    np.testing.assert_allclose(weight_fits.relative(large, 100 * powers), small, rtol=1e-9)


def test_assignments_keep_the_ratio_and_follow_their_rule() -> None:
    """All rules give the same number of rows; the reversed one the others of low variance."""
    import weight_fits

    rows = MATRICES["a"]
    rule = weight_fits.SCALES["row MSE"]
    errors = {
        name: weight_fits.row_errors(rows, book, rule(rows, book))
        for name, book in CODEBOOKS.items()
    }
    variance = rows.var(axis=1)
    found = weight_fits.assignments(errors, variance, "65:30:5", "PoT-4", 0)
    low, four, eight = realize_ratio((65, 30, 5), len(rows))
    for formats in found.values():
        assert Counter(formats) == {"PoT-4": low, "Fixed-4": four, "Fixed-8": eight}

    def mean_variance(rule: str, name: str) -> float:
        return float(variance[np.array(found[rule]) == name].mean())

    assert mean_variance("variance", "PoT-4") < mean_variance("variance", "Fixed-4")
    assert mean_variance("variance, reversed", "PoT-4") > mean_variance(
        "variance, reversed", "Fixed-4"
    )
    assert (
        found["random"]
        == weight_fits.assignments(errors, variance, "65:30:5", "PoT-4", 0)["random"]
    )


def test_a_mix_lies_between_its_parts(figures: dict[str, Any]) -> None:
    """90:0:10 is better than the shift-add codebook alone, worse than Fixed-8 alone."""
    fits = figures["fits"]["row MSE"]
    for mix in figures["mixes"]:
        if mix["scale"] == "row MSE" and mix["ratio"] == "90:0:10":
            assert fits["Fixed-8"]["mean"] < mix["mean"] < fits[mix["codebook"]]["mean"]


def test_the_better_format_of_every_row_is_no_worse_than_either(figures: dict[str, Any]) -> None:
    """By a slow count on one matrix; PoT-2, whose levels are Fixed-2's, is not asked."""
    import weight_fits

    assert list(figures["free"]) == ["SP2-4", "PoT-4", "APoT-4", "SP2-3", "PoT-3"]
    fits = figures["fits"]["row MSE"]
    for name, row in figures["free"].items():
        both = min(fits[name]["mean"], fits[weight_fits.fixed_format(name)]["mean"])
        assert row["mean_with_fixed8"] < row["mean"] <= both
    rule, better = weight_fits.SCALES["row MSE"], 0
    for rows in MATRICES.values():
        for row in rows:
            one, books = row[None], (codebook("APoT-4"), codebook("Fixed-4"))
            mine, fixed = (weight_fits.row_errors(one, b, rule(one, b))[0] for b in books)
            better += mine < fixed
    assert figures["free"]["APoT-4"]["shift_add"] == pytest.approx(better / 60, abs=1e-6)


def test_heavy_tails_are_told(figures: dict[str, Any]) -> None:
    """Every layer has a correlation within -1 .. 1, and the tenths cover all rows."""
    for books in figures["variance"].values():
        for row in books.values():
            for key in ("variance_and_ratio", "kurtosis_and_ratio", "variance_and_difference"):
                one = row[key]
                assert -1 <= one["least"] <= one["mean"] <= one["most"] <= 1
                assert 0 <= one["positive"] <= len(MATRICES)
            assert len(row["ratio_by_tenth"]) == 10


def test_figures_are_the_same_every_time(figures: dict[str, Any]) -> None:
    """Nothing depends on chance."""
    import weight_fits

    with Progress(disable=True) as progress:
        errors = weight_fits.fits(MATRICES, progress)
    powers = [(rows * rows).sum(axis=1) for rows in MATRICES.values()]
    assert json.dumps(weight_fits.mix_figures(errors, powers, MATRICES)) == json.dumps(
        figures["mixes"]
    )


def test_the_picture_is_well_formed(figures: dict[str, Any]) -> None:
    """Every codebook has two boxes, every shift-add codebook two lines, nothing lies outside."""
    import weight_fits_plot

    root = ET.fromstring(weight_fits_plot.drawing(figures))
    tag = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{tag}rect")) == 1 + 2 * len(CODEBOOKS)
    assert len(root.findall(f"{tag}polyline")) == 6
    for line in root.findall(f"{tag}line"):
        assert 0 <= float(line.get("x1", "nan")) <= 1240
        assert 0 <= float(line.get("y1", "nan")) <= 440


def test_the_committed_picture_is_that_of_the_results() -> None:
    """docs/weight-fits.svg is what the committed figures draw."""
    import tables
    import weight_fits_plot

    found = tables.read_results()["weight_fits"]["figures"]
    assert weight_fits_plot.PLOT.read_text(encoding="utf-8") == weight_fits_plot.drawing(found)


@pytest.mark.parametrize(
    ("mean", "words"),
    [(0.5, "holds on average"), (0.0, "does not hold"), (-0.5, "is the reverse of what is found")],
)
def test_the_page_says_whether_the_claim_holds(mean: float, words: str) -> None:
    """The words follow the figures, whichever way they fall."""
    import tables
    import weight_fits_table

    result = copy.deepcopy(tables.read_results()["weight_fits"])
    for books in result["figures"]["variance"].values():
        for row in books.values():
            row["variance_and_ratio"]["mean"] = mean
    assert weight_fits_table.relation(mean) == words
    assert f"**{words}** for SP2-4, PoT-4, APoT-4, SP2-3, PoT-3" in weight_fits_table.fits_section(
        result
    )


def test_a_mix_that_does_not_help_is_said_not_to(figures: dict[str, Any]) -> None:
    """The sentence lists exactly the mixes with more error than Fixed-4."""
    import tables
    import weight_fits_table

    result = copy.deepcopy(tables.read_results()["weight_fits"])
    for mix in result["figures"]["mixes"]:
        mix["mean"] = 0.5
    result["figures"]["fits"]["row MSE"]["Fixed-4"]["mean"] = 0.6
    assert "does not help the fit**: none" in weight_fits_table.fits_section(result)
    result["figures"]["fits"]["row MSE"]["Fixed-4"]["mean"] = 0.4
    assert "all rows Fixed-4: none" in weight_fits_table.fits_section(result)
