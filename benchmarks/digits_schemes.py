"""Accuracy of every scheme on scikit-learn's digits: three networks, several seeds.

    python benchmarks/digits_schemes.py [--seeds 10] [--scheme fixed ...] [--case mlp] [--workers 2]

Every run starts from the float network of its network and seed, so that schemes are compared in
pairs. A run is kept in a file of its own as soon as it ends: a benchmark that was stopped goes on
where it was, and only runs with other settings are made again. Processes share the work, each
with one thread. The accuracy does not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

import rmsmp_hls.train as rt
from digits_cases import CASES, DIGITS, Case
from digits_runs import read_run, run_path, write_run
from machine import Others, write_result
from schemes_plot import write_plot
from schemes_table import summary

RUNS = Path(__file__).resolve().parent / "runs" / "digits_schemes"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Scheme:
    """How rows get their formats.

    Attributes:
        words: as the page calls it.
        codebook: of the shift-add rows; its width is that of the fixed rows.
        ratio: shift-add : fixed : Fixed-8; "" is the float network.
        method: what makes a row Fixed-8, of `rmsmp_hls.train.assign_rows`.
        by_loss: whether shift-add rows are those that lose least by it, not of least variance.
    """

    words: str
    codebook: str = "SP2-4"
    ratio: str = ""
    method: str = "variance"
    by_loss: bool = False


SCHEMES = {
    "float": Scheme("float"),
    "fixed": Scheme("Fixed-W4A4", ratio="0:100:0"),
    "pot": Scheme("PoT-W4A4", "PoT-4", "100:0:0"),
    "sp2": Scheme("SP2-W4A4", "SP2-4", "100:0:0"),
    "apot": Scheme("APoT-W4A4", "APoT-4", "100:0:0"),
    "msq": Scheme("MSQ", "SP2-4", "50:50:0"),
    "msp": Scheme("MSP (see above)", "SP2-4", "90:0:10"),
    "film": Scheme("FILM-QNN", ratio="0:95:5", method="output-error"),
    "fixed-mix": Scheme("Fixed-4 and Fixed-8", ratio="0:95:5", method="hessian"),
    "rmsmp-pot": Scheme("RMSMP with PoT", "PoT-4", "65:30:5", "hessian"),
    "rmsmp-sp2": Scheme("RMSMP with SP2", "SP2-4", "65:30:5", "hessian"),
    "rmsmp-apot": Scheme("RMSMP with APoT", "APoT-4", "65:30:5", "hessian"),
    "apot-by-loss": Scheme("RMSMP, APoT by loss", "APoT-4", "65:30:5", "hessian", by_loss=True),
    "best": Scheme("ours-best", "APoT-4", "95:0:5", "weight-error"),
    "fixed3": Scheme("Fixed-W3A4", "PoT-3", "0:100:0"),
    "pot3": Scheme("PoT-W3A4", "PoT-3", "100:0:0"),
    "sp23": Scheme("SP2-W3A4", "SP2-3", "100:0:0"),
    "rmsmp-pot3": Scheme("RMSMP at W3, PoT", "PoT-3", "65:30:5", "hessian"),
    "rmsmp-sp23": Scheme("RMSMP at W3, SP2", "SP2-3", "65:30:5", "hessian"),
    "ternary": Scheme("ternary W2A4", "PoT-2", "100:0:0"),
    "ternary-mix": Scheme("ternary and Fixed-8", "PoT-2", "95:0:5", "hessian"),
}


def run_settings(case: Case, scheme: Scheme) -> dict[str, Any]:
    """Return all that decides a run's result beside network and seed, as JSON."""
    return {
        **case.settings(), "codebook": scheme.codebook, "ratio": scheme.ratio,
        "method": scheme.method, "by_loss": scheme.by_loss,
    }  # fmt: skip


def float_network(case: Case, seed: int) -> nn.Module:
    """Return the case's network trained in float."""
    torch.manual_seed(seed)
    net = case.build()
    adam = torch.optim.AdamW(net.parameters(), lr=case.float_lr, weight_decay=1e-3)
    train_on(net, case.data(seed)[0], case.epochs, adam, seed)
    return net


def run_scheme(net: nn.Module, scheme: Scheme, seed: int, case: Case) -> dict[str, Any]:
    """Quantize a copy of a float network and train it on; return its figures.

    The float "scheme" trains on for as many epochs, so that none has seen more data.
    """
    training, test = case.data(seed)
    ratio = scheme.ratio or "0:0:100"
    model = rt.prepare(copy.deepcopy(net), training[0][:1], codebook=scheme.codebook, ratio=ratio)
    rows: dict[str, int] = {}
    if scheme.ratio:
        rt.calibrate(model, training[0].split(256))
        batch = (training[0][:128], training[1][:128])
        how = rt.scorer(scheme.method, F.cross_entropy, batch)
        by = rt.ShiftAddLossScore(scheme.codebook) if scheme.by_loss else None
        counts = rt.assign(model, how, shift_add_by=by).realized
        rows = dict(sum((Counter(layer) for layer in counts.values()), Counter()))
    else:
        model.quantize_enabled(False)
    calibrated = figures(model, test)
    adam = torch.optim.AdamW(rt.parameter_groups(model, weight_decay=1e-4), lr=case.qat_lr)
    train_on(model, training, case.qat_epochs, adam, seed + 1000)
    return {"rows": rows, "calibrated": calibrated, "trained": figures(model, test)}


@torch.no_grad()
def figures(model: nn.Module, data: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Return the share of right answers and the mean cross-entropy."""
    model.eval()
    logits = model(data[0])
    right = (logits.argmax(1) == data[1]).double().mean()
    return {
        "accuracy": round(float(right), 6),
        "loss": round(float(F.cross_entropy(logits, data[1])), 6),
    }


@dataclass(frozen=True, slots=True)
class Unit:
    """What one process does at a time: a float network, and the schemes that start from it.

    Attributes:
        case, seed: which network; `epochs_times` multiplies its epochs.
        schemes: those whose runs are missing.
        folder: of the runs.
    """

    case: str
    seed: int
    schemes: tuple[str, ...]
    folder: Path
    epochs_times: float = 1.0

    def runs(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return where each run will lie, with its settings."""
        case = scaled(self.case, self.epochs_times)
        return [
            (run_path(self.folder, self.case, n, self.seed), run_settings(case, SCHEMES[n]))
            for n in self.schemes
        ]


def scaled(case: str, times: float) -> Case:
    """Return a case with so many times its epochs."""
    found = CASES[case]
    return dataclasses.replace(
        found,
        epochs=max(1, round(found.epochs * times)),
        qat_epochs=max(1, round(found.qat_epochs * times)),
    )


def missing(
    cases: Sequence[str], schemes: Sequence[str], seeds: int, folder: Path, times: float = 1.0
) -> list[Unit]:
    """Return what is to be done."""
    found = []
    for name in cases:
        case = scaled(name, times)
        for seed in range(min(seeds, case.seeds)):
            lacking = tuple(
                scheme
                for scheme in schemes
                if read_run(
                    run_path(folder, name, scheme, seed), run_settings(case, SCHEMES[scheme])
                ) is None
            )  # fmt: skip
            if lacking:
                found.append(Unit(name, seed, lacking, folder, times))
    return found


def do(unit: Unit) -> None:
    """Make a unit's runs; each lies in its file when it ends."""
    torch.set_num_threads(1)
    case = scaled(unit.case, unit.epochs_times)
    net = float_network(case, unit.seed)
    for name, (path, settings) in zip(unit.schemes, unit.runs(), strict=True):
        found = run_scheme(net, SCHEMES[name], unit.seed, case)
        identity = {"network": unit.case, "scheme": name, "seed": unit.seed}
        write_run(path, {**identity, "settings": settings, **found})


def measure(units: Sequence[Unit], workers: int, progress: Progress) -> None:
    """Make the runs that are missing, units in processes of their own if `workers` is above 1.

    Progress counts the files that are there. After Ctrl-C, or an error in a unit, what is not
    begun is left, and the files that are written stay.
    """
    waiting = [run for unit in units for run in unit.runs()]
    task = progress.add_task("runs", total=len(waiting))

    def look() -> None:
        waiting[:] = [run for run in waiting if read_run(*run) is None]
        progress.update(task, completed=progress.tasks[task].total - len(waiting))

    if workers < 2:
        for unit in units:
            do(unit)
            look()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        left: set[Future[None]] = {pool.submit(do, unit) for unit in units}
        try:
            while left:
                done, left = wait(left, timeout=1.0)
                for future in done:
                    future.result()
                look()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def gather(folder: Path, times: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield all kept runs of today's settings, in the order of cases, schemes and seeds."""
    for name in CASES:
        case = scaled(name, times)
        for key, scheme in SCHEMES.items():
            for seed in range(case.seeds):
                run = read_run(run_path(folder, name, key, seed), run_settings(case, scheme))
                if run is not None:
                    yield {field: value for field, value in run.items() if field != "settings"}


def result_figures(folder: Path, times: float = 1.0) -> dict[str, Any]:
    """Return what results/digits_schemes.json holds: cases, schemes and all runs."""
    return {
        "cases": {name: case.figures() for name, case in CASES.items()},
        "schemes": {name: dataclasses.asdict(scheme) for name, scheme in SCHEMES.items()},
        "runs": list(gather(folder, times)),
    }


def train_on(model: nn.Module, data: Any, epochs: int, optimizer: Any, seed: int) -> None:
    """Train a model as examples/digits.py does, in silence."""
    with Progress(disable=True) as silent:
        DIGITS.train(model, data, epochs, optimizer, seed, silent, "epochs")


def main() -> None:
    """Run, show, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 .. N - 1, at most a case's")
    parser.add_argument("--scheme", action="append", choices=SCHEMES, help="repeat; default all")
    parser.add_argument("--case", action="append", choices=CASES, help="repeat; default all")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs")
    parser.add_argument(
        "--epochs-times", type=float, default=1.0,
        help="train so many times longer, a check of convergence: shown, kept in a folder of its "
        "own, not written",
    )  # fmt: skip
    options = parser.parse_args()
    times: float = options.epochs_times
    folder: Path = options.runs if times == 1 else options.runs.with_name(f"digits_x{times:g}")
    others = Others()
    units = missing(
        options.case or list(CASES), options.scheme or list(SCHEMES), options.seeds, folder, times
    )
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console()
    with Progress(*columns, console=console) as progress:
        measure(units, options.workers, progress)
    found = result_figures(folder, times)
    for row in summary(found):
        console.print(*row, sep="  ")
    if times == 1:
        print(f"written: {write_result('digits_schemes', others.share(), found)}")
        print(f"written: {write_plot(found)}")


if __name__ == "__main__":
    main()
