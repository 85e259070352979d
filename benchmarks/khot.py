"""Accuracy on digits and modelled cost of requantization by shifts and adds.

    python benchmarks/khot.py [--seeds 3]

The residual CNN of examples/digits.py at 65:30:5 with SP2-4, rows by variance. All variants of one
seed start from the same float network; the accuracy does not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

import rmsmp_hls.train as rt
from digits_cases import CASES, Case
from digits_schemes import figures, float_network, scaled, train_on
from khot_table import summary
from machine import Others, write_result
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.hw.cost import Resources, array_cost, unit_costs
from rmsmp_hls.numerics.multipliers import MOST_TERMS, parse_multipliers
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.schedule.choose import choose_array

BOARD, CASE = "zcu102", "residual"
UNITS = ("drain lanes", "vector unit")
VARIANTS = {
    "exact": ("exact", "free"),
    "k-hot:3": ("k-hot:3", "free"),
    "k-hot:2": ("k-hot:2", "free"),
    "k-hot:1": ("k-hot:1", "free"),
    "exact, po2 scales": ("exact", "po2"),
    "po2, po2 scales": ("po2", "po2"),
}
"""Variant -> (multipliers, scale_values) of `rmsmp_hls.train.prepare`."""


def calibrated_model(net: nn.Module, variant: str, training: Any) -> rt.RmsmpModel:
    """Return a copy of a float network with the variant's quantizers, calibrated."""
    multipliers, scales = VARIANTS[variant]
    model = rt.prepare(
        copy.deepcopy(net), training[0][:1], multipliers=multipliers, scale_values=scales
    )
    rt.calibrate(model, training[0].split(256))
    rt.assign_rows(model, method="variance")
    return model


def restricted_figures(model: rt.RmsmpModel, test: Any) -> dict[str, dict[str, float]]:
    """Return variant -> figures of a model that was trained without any restriction."""
    found = {}
    for name, (multipliers, scales) in VARIANTS.items():
        model.rmsmp.restrict(parse_multipliers(multipliers), scales == "po2")
        found[name] = figures(model, test)
    model.rmsmp.restrict(0, False)
    return found


def run_seed(seed: int, case: Case, progress: Progress) -> list[dict[str, Any]]:
    """Return a run for every variant: calibrated only, restricted after training, trained so."""
    training, test = case.data(seed)
    net = float_network(case, seed)
    task = progress.add_task(f"seed {seed}", total=len(VARIANTS))
    runs, restricted = [], {}
    for name in VARIANTS:
        model = calibrated_model(net, name, training)
        calibrated = figures(model, test)
        adam = torch.optim.AdamW(rt.parameter_groups(model, weight_decay=1e-4), lr=case.qat_lr)
        train_on(model, training, case.qat_epochs, adam, seed + 1000)
        if name == "exact":
            restricted = restricted_figures(model, test)
        runs.append(
            {"variant": name, "seed": seed, "calibrated": calibrated,
             "restricted": restricted[name], "trained": figures(model, test)}
        )  # fmt: skip
        progress.advance(task)
    return runs


def chosen_array() -> ArrayShape:
    """Return the array that a build takes for the network, with DSP multipliers."""
    torch.manual_seed(0)
    training = CASES[CASE].data(0)[0]
    model = calibrated_model(CASES[CASE].build(), "exact", training)
    graph = lower(quantize(rt.export_graph(model), rt.export_params(model)))
    return choose_array(graph, load_board(BOARD), (65.0, 30.0, 5.0))


def hardware_figures(array: ArrayShape) -> dict[str, Any]:
    """Return the modelled LUTs, flip-flops and DSPs of an array for 0 .. 3 terms."""
    variants = {}
    for terms in range(MOST_TERMS + 1):
        shape = replace(array, multiplier_terms=terms)
        parts = {unit.unit: unit.resources for unit in unit_costs(shape) if unit.unit in UNITS}
        whole = array_cost(shape)
        variants[str(terms)] = {
            **{unit: _resources(cost) for unit, cost in parts.items()},
            "whole array": _resources(whole),
        }
    return {
        "board": BOARD, "drain_lanes": array.drain_rows * array.pixels,
        "vector_lanes": array.vector_lanes, "acc_bits": array.acc_bits, "terms": variants,
    }  # fmt: skip


def _resources(cost: Resources) -> dict[str, int]:
    return {"lut": cost.lut, "ff": cost.ff, "dsp": cost.dsp}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 .. N - 1")
    parser.add_argument("--epochs-times", type=float, default=1.0, help="times all epochs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    case, others = scaled(CASE, options.epochs_times), Others()
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    console = Console()
    with Progress(*columns, console=console) as progress:
        runs = [r for seed in range(options.seeds) for r in run_seed(seed, case, progress)]
    found = {
        "settings": case.settings(),
        "hardware": hardware_figures(chosen_array()),
        "runs": runs,
    }
    for row in summary(found):
        console.print(*row, sep="  ")
    print(f"written: {write_result('khot', others.share(), found)}")


if __name__ == "__main__":
    main()
