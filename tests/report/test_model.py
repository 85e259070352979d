"""Derived figures of the report."""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.report.model import Accuracy, CsimRun, Report, ResourceUse, RowCounts
from rmsmp_hls.report.origin import Origin


def test_totals_are_sums_over_the_layers(sample_report: Report) -> None:
    """Rows, multiply-accumulates and bytes add up."""
    layers = sample_report.layers
    assert sample_report.rows.total == 16 + 32 + 32 + 10
    assert sample_report.macs == sum(layer.macs for layer in layers)
    assert sample_report.weight_bytes == 72 * 90


def test_percents_of_rows_sum_to_100() -> None:
    """Realized shares are in percent; no rows give zeros, not a division by zero."""
    assert sum(RowCounts(7, 2, 1).percents) == 100
    assert RowCounts().percents == (0, 0, 0)


def test_a_figure_without_its_parts_is_none() -> None:
    """No labels, no time, no such resource: nothing is made up."""
    assert Accuracy("float", None, None, Origin.MEASURED).percent is None
    assert Accuracy("float", 0, 0, Origin.MEASURED).percent is None
    assert CsimRun("native", 3, 5, 0).images_per_second is None
    assert CsimRun("native", 3, 5, 0, seconds=1.0).macs_per_second is None
    assert ResourceUse("URAM", 0, 0).percent is None
    assert ResourceUse("LUT", None, 10).percent is None


def test_exact_needs_every_run_equal_and_something_compared(sample_report: Report) -> None:
    """One mismatch spoils it; a simulation that compares nothing proves nothing."""
    good = CsimRun("native", 1, 10, 0)
    empty, bad = replace(good, compared=0), replace(good, mismatches=1)
    assert replace(sample_report, csim=(good,)).exact is True
    assert replace(sample_report, csim=(good, bad)).exact is False
    assert replace(sample_report, csim=(good, empty)).exact is None
    assert replace(sample_report, csim=()).exact is None
