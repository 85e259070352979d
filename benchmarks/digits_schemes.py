"""Accuracy of every scheme on scikit-learn's digits: two networks, several seeds.

    python benchmarks/digits_schemes.py [--seeds 5] [--scheme fixed ...] [--network mlp]

Every run starts from the float network of its network and seed, so that schemes are compared in
pairs. Data, augmentation and settings are those of examples/digits.py. A run is kept in a file of
its own as soon as it ends: a benchmark that was stopped goes on where it was, and only runs with
other settings are made again. The accuracy does not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

import rmsmp_hls.train as rt
from machine import Others, write_result
from schemes_table import summary
from training_step import digits_example

RUNS = Path(__file__).resolve().parent / "runs" / "digits_schemes"
DIGITS = digits_example()


@dataclass(frozen=True, slots=True)
class Scheme:
    """How rows get their formats.

    Attributes:
        words: as the page calls it.
        codebook: of the shift-add rows.
        ratio: shift-add : Fixed-4 : Fixed-8; "" is the float network.
        method: of `rmsmp_hls.train.assign_rows`.
    """

    words: str
    codebook: str = "SP2-4"
    ratio: str = ""
    method: str = "variance"


SCHEMES = {
    "float": Scheme("float"),
    "fixed": Scheme("Fixed-W4A4", ratio="0:100:0"),
    "pot": Scheme("PoT-W4A4", "PoT-4", "100:0:0"),
    "sp2": Scheme("SP2-W4A4", "SP2-4", "100:0:0"),
    "apot": Scheme("APoT-W4A4", "APoT-4", "100:0:0"),
    "msq": Scheme("MSQ", "SP2-4", "50:50:0"),
    "msp": Scheme("MSP (see above)", "SP2-4", "90:0:10"),
    "fixed-mix": Scheme("Fixed-4 and Fixed-8", ratio="0:95:5", method="hessian"),
    "rmsmp-pot": Scheme("RMSMP with PoT", "PoT-4", "65:30:5", "hessian"),
    "rmsmp-sp2": Scheme("RMSMP with SP2", "SP2-4", "65:30:5", "hessian"),
    "rmsmp-apot": Scheme("RMSMP with APoT", "APoT-4", "65:30:5", "hessian"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on besides network, scheme and seed."""

    epochs: int = 30
    qat_epochs: int = 15
    float_lr: float = 4e-3
    qat_lr: float = 2e-4


def mlp() -> nn.Module:
    """Return a perceptron with two hidden layers, [N, 1, 8, 8] -> [N, 10]."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {"residual CNN": DIGITS.DigitsNet, "MLP": mlp}


def run_path(folder: Path, network: str, scheme: str, seed: int) -> Path:
    """Return where a run is kept."""
    return folder / f"{network.replace(' ', '-').lower()}.{scheme}.{seed}.json"


def read_run(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return a kept run; None if there is none, it is damaged, or it has other settings."""
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) and run.get("settings") == settings else None


def write_run(path: Path, run: dict[str, Any]) -> None:
    """Write a run as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def run_settings(settings: Settings, scheme: Scheme) -> dict[str, Any]:
    """Return all that decides a run's result beside network and seed, as JSON."""
    names = ("epochs", "qat_epochs", "float_lr", "qat_lr")
    return {
        **{name: getattr(settings, name) for name in names},
        "codebook": scheme.codebook, "ratio": scheme.ratio, "method": scheme.method,
    }  # fmt: skip


def float_network(
    name: str, seed: int, settings: Settings, training: Any, progress: Progress
) -> nn.Module:
    """Return a network trained in float."""
    torch.manual_seed(seed)
    net = NETWORKS[name]()
    adam = torch.optim.AdamW(net.parameters(), lr=settings.float_lr, weight_decay=1e-3)
    train_on(net, training, settings.epochs, adam, seed, progress)
    return net


def run_scheme(
    net: nn.Module, scheme: Scheme, seed: int, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """Quantize a copy of a float network and train it on; return its figures.

    The float "scheme" trains on for as many epochs, so that none has seen more data.
    """
    training, test = DIGITS.load_data()
    ratio = scheme.ratio or "0:0:100"
    model = rt.prepare(copy.deepcopy(net), training[0][:1], codebook=scheme.codebook, ratio=ratio)
    rows: dict[str, int] = {}
    if scheme.ratio:
        rt.calibrate(model, training[0].split(256))
        batch = (training[0][:128], training[1][:128])
        counts = rt.assign_rows(model, method=scheme.method, loss_fn=F.cross_entropy, batch=batch)
        rows = dict(sum((Counter(layer) for layer in counts.values()), Counter()))
    else:
        model.quantize_enabled(False)
    calibrated = figures(model, test)
    adam = torch.optim.AdamW(rt.parameter_groups(model, weight_decay=1e-4), lr=settings.qat_lr)
    train_on(model, training, settings.qat_epochs, adam, seed + 1000, progress)
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


def measure(
    networks: Sequence[str],
    schemes: Sequence[str],
    seeds: Sequence[int],
    settings: Settings,
    folder: Path,
    progress: Progress,
) -> None:
    """Make the runs that are missing; each lies in its file when it ends."""
    training = DIGITS.load_data()[0]
    total = len(networks) * len(schemes) * len(seeds)
    task = progress.add_task("all runs", total=total)
    for seed in seeds:
        for network in networks:
            net: nn.Module | None = None
            for name in schemes:
                scheme = SCHEMES[name]
                told = run_settings(settings, scheme)
                path = run_path(folder, network, name, seed)
                progress.update(task, description=f"{network}, seed {seed}, {scheme.words}")
                if read_run(path, told) is None:
                    if net is None:
                        net = float_network(network, seed, settings, training, progress)
                    found = run_scheme(net, scheme, seed, settings, progress)
                    identity = {"network": network, "scheme": name, "seed": seed}
                    write_run(path, {**identity, "settings": told, **found})
                progress.advance(task)


def gather(folder: Path, settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield all kept runs with these settings, in the order of networks, schemes and seeds."""
    for network in NETWORKS:
        for name, scheme in SCHEMES.items():
            told = run_settings(settings, scheme)
            paths = folder.glob(run_path(folder, network, name, 0).name.replace(".0.", ".*."))
            runs = [run for path in paths if (run := read_run(path, told)) is not None]
            for run in sorted(runs, key=lambda run: int(run["seed"])):
                yield {key: value for key, value in run.items() if key != "settings"}


def result_figures(folder: Path, settings: Settings) -> dict[str, Any]:
    """Return what results/digits_schemes.json holds: settings, schemes and all runs."""
    told = run_settings(settings, SCHEMES["float"])
    return {
        "settings": {key: told[key] for key in ("epochs", "qat_epochs", "float_lr", "qat_lr")},
        "schemes": {
            name: {"words": scheme.words, "codebook": scheme.codebook, "ratio": scheme.ratio,
                   "method": scheme.method}
            for name, scheme in SCHEMES.items()
        },
        "runs": list(gather(folder, settings)),
    }  # fmt: skip


def train_on(
    model: nn.Module, data: Any, epochs: int, optimizer: Any, seed: int, progress: Progress
) -> None:
    """Train a model as examples/digits.py does, its line of progress removed at the end."""
    before = set(progress.task_ids)
    DIGITS.train(model, data, epochs, optimizer, seed, progress, "  epochs")
    for task in set(progress.task_ids) - before:  # a line for each of 110 runs would be too many
        progress.remove_task(task)


def main() -> None:
    """Run, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N - 1")
    parser.add_argument("--scheme", action="append", choices=SCHEMES, help="repeat; default all")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="repeat; default all")
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    parser.add_argument("--qat-epochs", type=int, default=Settings().qat_epochs)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings(options.epochs, options.qat_epochs)
    others = Others()
    columns = (
        TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    console = Console()
    with Progress(*columns, console=console) as progress:
        measure(
            options.network or list(NETWORKS), options.scheme or list(SCHEMES),
            range(options.seeds), settings, options.runs, progress,
        )  # fmt: skip
    found = result_figures(options.runs, settings)
    for row in summary(found):
        console.print(*row, sep="  ")
    print(f"written: {write_result('digits_schemes', others.share(), found)}")


if __name__ == "__main__":
    main()
