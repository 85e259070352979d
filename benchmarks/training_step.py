"""Time of one training step of the digits network: float, and quantization-aware.

    python benchmarks/training_step.py

Random images: the time does not depend on what they show.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import nn

import rmsmp_hls.train as rt
from machine import Others, spread, write_result

BATCH = 64
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "digits.py"


def digits_example() -> ModuleType:
    """Return examples/digits.py as a module."""
    spec = importlib.util.spec_from_file_location("digits", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits_network() -> nn.Module:
    """Return the network of examples/digits.py with random weights."""
    network: nn.Module = digits_example().DigitsNet()
    return network


def step_seconds(model: nn.Module, steps: int, warm_up: int = 5) -> list[float]:
    """Return the time of each forward, backward and optimizer step on a batch."""
    images, classes = torch.rand(BATCH, 1, 8, 8), torch.randint(0, 10, (BATCH,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    model.train()
    found = []
    for _ in range(warm_up + steps):
        begun = time.perf_counter()
        loss = F.cross_entropy(model(images), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(time.perf_counter() - begun)
    return found[warm_up:]


def measure(steps: int) -> dict[str, Any]:
    """Return the figures."""
    torch.manual_seed(0)
    images, classes = torch.rand(BATCH, 1, 8, 8), torch.randint(0, 10, (BATCH,))
    plain = step_seconds(digits_network(), steps)
    model = rt.prepare(digits_network(), images[:1])
    rt.calibrate(model, [images])
    begun = time.perf_counter()
    rt.assign_rows(model, method="hessian", loss_fn=F.cross_entropy, batch=(images, classes))
    assignment = time.perf_counter() - begun
    quantized = step_seconds(model, steps)
    return {
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "float_step_seconds": spread(plain),
        "quantized_step_seconds": spread(quantized),
        "hessian_assignment_seconds": round(assignment, 3),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table("step", title=f"training, batch of {figures['batch']} (measured)")
    for title in ("median, ms", "least", "most"):
        table.add_column(title, justify="right")
    for name in ("float", "quantized"):
        times = figures[f"{name}_step_seconds"]
        table.add_row(name, *(f"{1e3 * times[key]:.2f}" for key in ("median", "least", "most")))
    table.add_row("row assignment, once", f"{1e3 * figures['hessian_assignment_seconds']:.0f}")
    Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    others = Others()
    figures = measure(options.steps)
    show(figures)
    print(f"written: {write_result('training_step', others.share(), figures)}")


if __name__ == "__main__":
    main()
