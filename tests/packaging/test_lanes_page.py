"""The tables of docs/lanes.md are the stored figures; `python -m tests.packaging.test_lanes_page`
prints them."""

from __future__ import annotations

from rmsmp_hls.hw.lane_figures import FAMILIES, fitted_lanes, lane_cost, stored_figures
from tests.packaging.readme import rows_of

Rows = list[list[str]]


def lanes() -> Rows:
    """Lanes of 32 inputs, per multiply-accumulate."""
    return [
        [f.kind, f.codebook, family, f"{f.lut / f.macs:.2f}", f"{f.lutram / f.macs:.2f}",
         f"{f.ff / f.macs:.2f}", f"{f.dsp / f.macs:g}", str(f.latency), version]
        for family in FAMILIES
        for f, version in stored_figures(family)
        if f.inputs == 32
    ]  # fmt: skip


def shared() -> Rows:
    """Modules that lanes share."""
    return [
        [f.kind, f.codebook or "-", family, str(f.lut), str(f.ff), str(f.dsp)]
        for family in FAMILIES
        for f, _ in stored_figures(family)
        if f.inputs == 1
    ]


def lines() -> Rows:
    """Lines of the LUT counts and their errors."""
    rows = []
    for family in FAMILIES:
        figures = {f.key: f for f, _ in stored_figures(family)}
        for kind, book in fitted_lanes(family):
            cost = lane_cost(kind, family, book)
            sizes = {f.inputs: f.lut for f in figures.values() if f.key[:2] == (kind, book)}
            errors = [f"{100 * (cost.lut.at(n) / sizes[n] - 1):+.1f} %" for n in (8, 128)]
            rows.append(
                [kind, book, family, f"{cost.lut.per_input:.2f} N + {cost.lut.constant:.1f}",
                 *errors]
            )  # fmt: skip
    return rows


def test_page_shows_the_stored_figures() -> None:
    """Every row of the three tables."""
    assert rows_of("docs/lanes.md", "lane") == lanes()
    assert rows_of("docs/lanes.md", "module") == shared()
    assert rows_of("docs/lanes.md", "kind") == lines()


if __name__ == "__main__":
    for table in (lanes(), shared(), lines()):
        print("\n".join("| " + " | ".join(row) + " |" for row in table), end="\n\n")
