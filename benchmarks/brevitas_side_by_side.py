"""rmsmp-hls and Brevitas next to each other: accuracy, time per training step, memory.

    make bench-brevitas          or, where Brevitas is installed:
    python benchmarks/brevitas_side_by_side.py [--seeds 5] [--epochs 30] [--qat-epochs 15]

The digits networks with 4-bit weights and activations and 8-bit input, the same tensors quantized
with the same widths (checked). Every run of a seed starts from the same float network and sees
the same images in the same order with the same optimizer and schedule. Steps of all methods are
timed in turn.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata, util
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

import digits_schemes as schemes
import rmsmp_hls.train as rt
from machine import Others, spread, write_result
from training_step import interleaved, reset_peak, resident_mib, stepper

WEIGHT_DECAY = 1e-4
# Method -> (words of the page, ratio shift-add : Fixed-4 : Fixed-8, or Brevitas' weight quantizer)
METHODS = {
    "fixed": ("rmsmp-hls, Fixed-4", "0:100:0"),
    "mix": ("rmsmp-hls, 65:30:5", "65:30:5"),
    "brevitas-learned": ("Brevitas, learned scales", "learned"),
    "brevitas-statistics": ("Brevitas, max-abs scales", "statistics"),
}
TIMED = ("float", *METHODS)


def prepared(method: str, network: str, plain: nn.Module) -> nn.Module:
    """Return the float network quantized and calibrated by a method ("float": as it is)."""
    training = schemes.DIGITS.load_data()[0]
    if method == "float":
        return copy.deepcopy(plain)
    how = METHODS[method][1]
    if method.startswith("brevitas"):
        import brevitas_networks

        return brevitas_networks.network(network, how, plain, training[0])
    model = rt.prepare(copy.deepcopy(plain), training[0][:1], ratio=how)
    rt.calibrate(model, training[0].split(256))
    if method == "mix":
        batch = (training[0][:128], training[1][:128])
        rt.assign_rows(model, method="hessian", loss_fn=F.cross_entropy, batch=batch)
    return model


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups: weights decay, nothing else does."""
    if isinstance(model, rt.RmsmpModel):
        return rt.parameter_groups(model, weight_decay=WEIGHT_DECAY)
    import brevitas_networks

    found: list[dict[str, Any]] = brevitas_networks.groups(model, WEIGHT_DECAY)
    return found


def check_widths(network: str, plain: nn.Module) -> None:
    """Stop unless both sides quantize activations with the same widths."""
    import brevitas_networks

    ours, theirs = prepared("fixed", network, plain), prepared("brevitas-learned", network, plain)
    assert isinstance(ours, rt.RmsmpModel)
    forms = rt.export_params(ours).activations.values()
    wanted, found = sorted((f.bits, f.signed) for f in forms), brevitas_networks.widths(theirs)
    if wanted != found:
        sys.exit(f"{network}: rmsmp-hls quantizes {wanted}, the Brevitas network {found}")


def accuracies(
    networks: Sequence[str], seeds: int, settings: schemes.Settings, progress: Progress
) -> list[dict[str, Any]]:
    """Train every method from every seed's float network; return a row for each run."""
    training, test = schemes.DIGITS.load_data()
    rows = []
    task = progress.add_task("all runs", total=len(networks) * seeds * len(METHODS))
    for network in networks:
        for seed in range(seeds):
            plain = schemes.float_network(network, seed, settings, training, progress)
            if seed == 0:
                check_widths(network, plain)
            row = {"network": network, "seed": seed, "float": schemes.figures(plain, test)}
            for method in METHODS:
                model = prepared(method, network, plain)
                adam = torch.optim.AdamW(groups(model), lr=settings.qat_lr)
                schemes.train_on(model, training, settings.qat_epochs, adam, seed + 1000, progress)
                row[method] = schemes.figures(model, test)
                progress.advance(task)
            rows.append(row)
    return rows


def step_times(network: str, steps: int) -> dict[str, Any]:
    """Return the seconds of a step by each method, and their ratios to the float step."""
    training = schemes.DIGITS.load_data()[0]
    images, classes = training[0][:64], training[1][:64]
    torch.manual_seed(0)
    plain = schemes.NETWORKS[network]()
    steppers = {m: stepper(prepared(m, network, plain), images, classes) for m in TIMED}
    seconds = interleaved(steppers, steps)
    ratios = {
        method: spread([a / b for a, b in zip(found, seconds["float"], strict=True)])
        for method, found in seconds.items()
    }
    return {"seconds": {m: spread(found) for m, found in seconds.items()}, "ratios": ratios}


def memory_mib(network: str, method: str) -> float:
    """Return what a step needs beyond network, optimizer and images, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", f"{network}:{method}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found: float = json.loads(told.stdout.splitlines()[-1])
    return found


def _print_memory(network: str, method: str) -> None:
    training = schemes.DIGITS.load_data()[0]
    # A batch that large, as otherwise it is the libraries' own memory that counts.
    images, classes = (part.repeat((-(-4096 // len(part)), *[1] * (part.dim() - 1)))[:4096]
                       for part in training)  # fmt: skip
    torch.manual_seed(0)
    step = stepper(prepared(method, network, schemes.NETWORKS[network]()), images, classes)
    reset_peak()
    before = resident_mib("VmRSS")
    for _ in range(3):
        step()
    print(json.dumps(round(resident_mib("VmHWM") - before, 1)))


def main() -> None:
    """Run, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N - 1")
    parser.add_argument("--epochs", type=int, default=schemes.Settings().epochs)
    parser.add_argument("--qat-epochs", type=int, default=schemes.Settings().qat_epochs)
    parser.add_argument("--steps", type=int, default=60, help="timed steps of each method")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if util.find_spec("brevitas") is None:
        print("skipped: Brevitas is not installed here; `make bench-brevitas` installs it apart")
        return
    warnings.filterwarnings("ignore", message=".*(named tensors|Defining your).*")
    torch.set_num_threads(1)
    if options.memory_of:
        _print_memory(*options.memory_of.split(":"))
        return
    settings = schemes.Settings(options.epochs, options.qat_epochs)
    others = Others()
    names = list(schemes.NETWORKS)
    times = {name: step_times(name, options.steps) for name in names}
    memory = {name: {m: memory_mib(name, m) for m in TIMED} for name in names}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=Console()) as progress:
        runs = accuracies(names, options.seeds, settings, progress)
    figures = {
        "brevitas": metadata.version("brevitas"),
        "settings": {"epochs": settings.epochs, "qat_epochs": settings.qat_epochs,
                     "seeds": options.seeds, "lr": settings.qat_lr},
        "methods": {name: words for name, (words, _) in METHODS.items()},
        "times": times, "memory_mib": memory, "runs": runs,
    }  # fmt: skip
    print(f"written: {write_result('brevitas_side_by_side', others.share(), figures)}")


if __name__ == "__main__":
    main()
