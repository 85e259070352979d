"""Time and memory of one training step: float, and quantization-aware.

    python benchmarks/training_step.py [--steps 60] [--large-steps 15]

The digits network, and ResNet-18 at 224 x 224. Random images: the time does not depend on what they
show. Float and quantized steps alternate, so that a busy machine slows down both. Memory is that
of a process of its own for each network: the most it had in use, less what it had with the
network, optimizer and images made.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.profiler import profile

import rmsmp_hls.train as rt
from machine import Others, spread, write_result

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# Operation of torch -> part of the step; what is not named is "other".
_PARTS = {
    "mkldnn_convolution": "convolutions, forward",
    "_slow_conv2d_forward": "convolutions, forward",
    "thnn_conv2d": "convolutions, forward",
    "addmm": "convolutions, forward",
    "convolution_backward": "convolutions, backward",
    "mm": "convolutions, backward",
    "native_batch_norm": "batch norm, both ways",
    "native_batch_norm_backward": "batch norm, both ways",
    "max_pool2d_with_indices": "pooling, both ways",
    "max_pool2d_with_indices_backward": "pooling, both ways",
    "threshold_backward": "ReLU, both ways",
    "clamp_min": "ReLU, both ways",
}
_REGIONS = {
    "_Rows": "weight quantizers, forward",
    "_RowsBackward": "weight quantizers, backward",
    "_Codes": "activation quantizers, forward",
    "_CodesBackward": "activation quantizers, backward",
    "Optimizer.step#AdamW.step": "optimizer",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A network to be measured.

    Attributes:
        words: as the page calls it.
        make: returns the network with random weights.
        shape: of a batch.
        classes: that it tells apart.
    """

    words: str
    make: Callable[[], nn.Module]
    shape: tuple[int, int, int, int]
    classes: int


def digits_example() -> ModuleType:
    """Return examples/digits.py as a module."""
    spec = importlib.util.spec_from_file_location("digits", EXAMPLES / "digits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits_network() -> nn.Module:
    """Return the network of examples/digits.py with random weights."""
    network: nn.Module = digits_example().DigitsNet()
    return network


def resnet18() -> nn.Module:
    """Return ResNet-18 for 1000 classes with random weights."""
    sys.path.insert(0, str(EXAMPLES))
    from networks.resnet import resnet18 as make

    network: nn.Module = make()
    return network


CASES = {
    "digits": Case("digits network, 8 x 8", digits_network, (64, 1, 8, 8), 10),
    "resnet18": Case("ResNet-18, 224 x 224", resnet18, (4, 3, 224, 224), 1000),
}


def batch_of(case: Case) -> tuple[Tensor, Tensor]:
    """Return random images and classes."""
    return torch.rand(case.shape), torch.randint(0, case.classes, case.shape[:1])


def model_of(case: Case, quantized: bool, images: Tensor) -> nn.Module:
    """Return the network, or the same with its quantizers."""
    if not quantized:
        return case.make()
    model = rt.prepare(case.make(), images[:1])
    rt.calibrate(model, [images])
    return model


def stepper(model: nn.Module, images: Tensor, classes: Tensor) -> Callable[[], float]:
    """Return what does one forward, backward and optimizer step and returns its seconds."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    model.train()

    def step() -> float:
        begun = time.perf_counter()
        loss = F.cross_entropy(model(images), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - begun

    return step


def interleaved(
    steppers: dict[str, Callable[[], float]], steps: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Return the seconds of each one's steps, made in turn."""
    found: dict[str, list[float]] = {name: [] for name in steppers}
    for index in range(warm_up + steps):
        for name, step in steppers.items():
            seconds = step()
            if index >= warm_up:
                found[name].append(seconds)
    return found


def parts_of(step: Callable[[], float], steps: int) -> dict[str, float]:
    """Return part of the step -> milliseconds of a step, by torch's profiler, largest first."""
    with profile() as seen:
        for _ in range(steps):
            step()
    found: dict[str, float] = {}
    total = 0.0
    for event in seen.key_averages():
        total += event.self_cpu_time_total
        name = event.key.removeprefix("aten::")
        if event.key in _REGIONS:
            found[_REGIONS[event.key]] = float(event.cpu_time_total)
        elif name in _PARTS and event.key != name:
            part = _PARTS[name]
            found[part] = found.get(part, 0.0) + event.self_cpu_time_total
    found["other"] = total - sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {part: round(time / steps / 1e3, 3) for part, time in ordered}


def memory_mib(name: str, kind: str) -> float:
    """Return what a step needs beyond network, optimizer and images, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", f"{name}:{kind}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found: float = json.loads(told.stdout.splitlines()[-1])
    return found


def _print_memory(name: str, kind: str) -> None:
    case = CASES[name]
    images, classes = batch_of(case)
    # The calibration's own peak must not hide the step's: one image is enough here.
    model = model_of(case, kind == "quantized", images[:1])
    step = stepper(model, images, classes)
    reset_peak()
    before = resident_mib("VmRSS")
    for _ in range(3):
        step()
    print(json.dumps(round(resident_mib("VmHWM") - before, 1)))


def reset_peak() -> None:
    """Let the largest memory that this process had in use begin anew, proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident_mib(field: str) -> float:
    """Return the memory in use, "VmRSS", or the most since `reset_peak`, "VmHWM"."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def measure_case(name: str, steps: int) -> dict[str, Any]:
    """Return the figures of a network."""
    case = CASES[name]
    torch.manual_seed(0)
    images, classes = batch_of(case)
    models = {kind: model_of(case, kind == "quantized", images) for kind in ("float", "quantized")}
    steppers = {kind: stepper(model, images, classes) for kind, model in models.items()}
    seconds = interleaved(steppers, steps)
    pairs = zip(seconds["quantized"], seconds["float"], strict=True)
    ratios = [quantized / plain for quantized, plain in pairs]
    profiled = min(10, max(1, steps // 5))
    return {
        "words": case.words,
        "batch": case.shape[0],
        "float_step_seconds": spread(seconds["float"]),
        "quantized_step_seconds": spread(seconds["quantized"]),
        "ratio": spread(ratios),
        "memory_mib": {kind: memory_mib(name, kind) for kind in models},
        "parts_ms": {kind: parts_of(step, profiled) for kind, step in steppers.items()},
    }


def measure_assignment() -> float:
    """Return the seconds of a Hessian-based assignment of the digits network's rows."""
    case = CASES["digits"]
    images, classes = batch_of(case)
    model = model_of(case, True, images)
    assert isinstance(model, rt.RmsmpModel)
    begun = time.perf_counter()
    rt.assign_rows(model, method="hessian", loss_fn=F.cross_entropy, batch=(images, classes))
    return round(time.perf_counter() - begun, 3)


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    titles = ("float, ms", "quantized, ms", "ratio", "float, MiB", "quantized, MiB")
    table = Table("network", title="training step (measured, medians)")
    for title in titles:
        table.add_column(title, justify="right")
    for case in figures["cases"].values():
        times = [1e3 * case[f"{kind}_step_seconds"]["median"] for kind in ("float", "quantized")]
        memory = case["memory_mib"]
        table.add_row(
            f"{case['words']}, batch {case['batch']}", *(f"{t:.1f}" for t in times),
            f"{case['ratio']['median']:.2f}", f"{memory['float']:.0f}",
            f"{memory['quantized']:.0f}",
        )  # fmt: skip
    Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60, help="of the digits network")
    parser.add_argument("--large-steps", type=int, default=15, help="of ResNet-18")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        _print_memory(*options.memory_of.split(":"))
        return
    others = Others()
    cases = {
        "digits": measure_case("digits", options.steps),
        "resnet18": measure_case("resnet18", options.large_steps),
    }
    figures = {
        "threads": torch.get_num_threads(),
        "cases": cases,
        "hessian_assignment_seconds": measure_assignment(),
    }
    show(figures)
    print(f"written: {write_result('training_step', others.share(), figures)}")


if __name__ == "__main__":
    main()
