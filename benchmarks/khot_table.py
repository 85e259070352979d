"""The section about requantization by shifts and adds in docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from page import computer, markdown

Figures = dict[str, Any]
_HEAD = """## Requantization by shifts and adds

`make bench-schemes` (`benchmarks/khot.py`): multipliers of at most K signed powers of two
([numerics.md](numerics.md#multipliers-of-few-terms)) on scikit-learn's digits, residual CNN,
65:30:5 with SP2-4, rows by variance; {epochs} epochs in float, then {qat_epochs} with quantizers.
*calibrated*: restricted, not trained with quantizers. *afterwards*: trained with exact multipliers,
then restricted. *trained*: trained with the restriction. *po2 scales*: activation scales are
powers of two; without them adds and average pools take what a few terms leave of their multipliers.
Accuracy on the 360 test images, mean ± standard deviation over {seeds} seeds; one image is
0.28 points, and {seeds} seeds cannot tell differences of an image or two from chance.
"""
_HARDWARE = """
*Modelled* cost of the array that a build takes for this network on {board}: {drain_lanes} drain
lanes with {acc_bits}-bit sums and {vector_lanes} vector lanes. K = 0 multiplies in DSPs. The DSPs
that are left outside of the fixed lanes make addresses and loop lengths.
"""
_WHEN = ("calibrated", "restricted", "trained")


def khot_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    titles = ("multipliers", "calibrated", "afterwards", "trained", "cross-entropy, trained")
    seeds = len({run["seed"] for run in figures["runs"]})
    return "\n".join(
        [
            _HEAD.format(**figures["settings"], seeds=seeds),
            markdown(titles, list(_accuracies(figures))),
            _HARDWARE.strip("\n").format(**figures["hardware"]) + "\n",
            markdown(
                ("K", "drain: LUT", "DSP", "vector unit: LUT", "DSP", "array: LUT", "FF", "DSP"),
                list(_costs(figures["hardware"])),
            ),
            f"Measured on: {computer(result['machine'])}. Accuracy does not depend on its load.\n",
        ]
    )


def summary(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the lines that the benchmark prints."""
    for name, *cells in (*_accuracies(figures), *_costs(figures["hardware"])):
        yield (f"{name:<18}", *cells)


def _accuracies(figures: Figures) -> Iterator[list[str]]:
    for variant in dict.fromkeys(run["variant"] for run in figures["runs"]):
        mine = [run for run in figures["runs"] if run["variant"] == variant]
        cells = [_mean([100 * run[when]["accuracy"] for run in mine], 2) + "%" for when in _WHEN]
        yield [variant, *cells, _mean([run["trained"]["loss"] for run in mine], 4)]


def _costs(hardware: Figures) -> Iterator[list[str]]:
    for terms, parts in hardware["terms"].items():
        drain, vector, whole = (
            parts[unit] for unit in ("drain lanes", "vector unit", "whole array")
        )
        cells = (drain["lut"], drain["dsp"], vector["lut"], vector["dsp"])
        whole_cells = (whole["lut"], whole["ff"], whole["dsp"])
        yield [terms, *(f"{number:,}" for number in (*cells, *whole_cells))]


def _mean(numbers: Sequence[float], digits: int) -> str:
    spread = f"{statistics.stdev(numbers):.{digits}f}" if len(numbers) > 1 else "–"
    return f"{statistics.fmean(numbers):.{digits}f} ± {spread}"
