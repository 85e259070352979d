"""rmsmp-hls and Brevitas next to each other: accuracy, time per training step, memory.

    make bench-brevitas          or, where Brevitas is installed:
    python benchmarks/brevitas_side_by_side.py [--seeds 5] [--epochs-times 1]

Two of the digits networks of digits_cases.py with 4-bit weights and activations and 8-bit input,
the same tensors quantized with the same widths (checked). Every run of a seed starts from the
same float network and sees the same images in the same order with the same optimizer and
schedule. Steps of all methods are timed in turn.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import warnings
from importlib import metadata, util
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

import digits_schemes as schemes
import rmsmp_hls.train as rt
from digits_cases import CASES, Case
from machine import Others, spread, write_result
from training_step import interleaved, reset_peak, resident_mib, stepper

WEIGHT_DECAY = 1e-4
NETWORKS = ("residual", "mlp")  # of digits_cases.CASES
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
    training = CASES[network].data(0)[0]
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


def accuracies(cases: dict[str, Case], seeds: int, progress: Progress) -> list[dict[str, Any]]:
    """Train every method from every seed's float network; return a row for each run."""
    rows = []
    task = progress.add_task("all runs", total=len(cases) * seeds * len(METHODS))
    for network, case in cases.items():
        for seed in range(seeds):
            training, test = case.data(seed)
            plain = schemes.float_network(case, seed)
            if seed == 0:
                check_widths(network, plain)
            row = {"network": case.words, "seed": seed, "float": schemes.figures(plain, test)}
            for method in METHODS:
                model = prepared(method, network, plain)
                adam = torch.optim.AdamW(groups(model), lr=case.qat_lr)
                schemes.train_on(model, training, case.qat_epochs, adam, seed + 1000)
                row[method] = schemes.figures(model, test)
                progress.advance(task)
            rows.append(row)
    return rows


def step_times(network: str, steps: int) -> dict[str, Any]:
    """Return the seconds of a step by each method, and their ratios to the float step."""
    training = CASES[network].data(0)[0]
    images, classes = training[0][:64], training[1][:64]
    torch.manual_seed(0)
    plain = CASES[network].build()
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
    training = CASES[network].data(0)[0]
    # A batch that large, as otherwise it is the libraries' own memory that counts.
    images, classes = (part.repeat((-(-4096 // len(part)), *[1] * (part.dim() - 1)))[:4096]
                       for part in training)  # fmt: skip
    torch.manual_seed(0)
    step = stepper(prepared(method, network, CASES[network].build()), images, classes)
    reset_peak()
    before = resident_mib("VmRSS")
    for _ in range(3):
        step()
    print(json.dumps(round(resident_mib("VmHWM") - before, 1)))


def main() -> None:
    """Run, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N - 1")
    parser.add_argument("--epochs-times", type=float, default=1.0, help="times all epochs")
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
    cases = {name: schemes.scaled(name, options.epochs_times) for name in NETWORKS}
    others = Others()
    words = {name: case.words for name, case in cases.items()}
    times = {words[name]: step_times(name, options.steps) for name in cases}
    memory = {words[name]: {m: memory_mib(name, m) for m in TIMED} for name in cases}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=Console()) as progress:
        runs = accuracies(cases, options.seeds, progress)
    figures = {
        "brevitas": metadata.version("brevitas"),
        "settings": {"seeds": options.seeds,
                     "networks": {case.words: case.settings() for case in cases.values()}},
        "methods": {name: words for name, (words, _) in METHODS.items()},
        "times": times, "memory_mib": memory, "runs": runs,
    }  # fmt: skip
    print(f"written: {write_result('brevitas_side_by_side', others.share(), figures)}")


if __name__ == "__main__":
    main()
