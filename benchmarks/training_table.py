"""The section of docs/benchmarks.md about the training step."""

from __future__ import annotations

from typing import Any

from page import markdown, measured_on

RATIO_AIM = 1.6
_TRAINING = """## Training

One step (forward, backward, AdamW) on a batch of random images with {threads} CPU threads, float
and quantization-aware in turn; the ratio is the median of the pairs'. Memory is the most a process
of its own has in use during a step, beyond network and images. The aim is a step of ResNet-18
of at most {aim} float steps: {met}. The Hessian-based assignment of the digits
network's rows, which runs once, or every few epochs, takes {assignment:.0f} ms.
"""
_PARTS = """The parts in ms per step, by torch's profiler, which slows small networks down:
"""


def training_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    cases = figures["cases"]
    rows = []
    for case in cases.values():
        times = [case[f"{kind}_step_seconds"]["median"] for kind in ("float", "quantized")]
        ratio, memory = case["ratio"], case["memory_mib"]
        rows.append(
            [
                f"{case['words']}, batch {case['batch']}",
                *(f"{1e3 * seconds:.1f}" for seconds in times),
                f"{ratio['median']:.2f}",
                f"{memory['float']:.0f}",
                f"{memory['quantized']:.0f}",
            ]
        )
    met = "reached" if cases["resnet18"]["ratio"]["median"] <= RATIO_AIM else "**not reached**"
    titles = ("network", "float, ms", "quantized, ms", "ratio", "float, MiB", "quantized, MiB")
    assignment = 1e3 * figures["hessian_assignment_seconds"]
    return "\n".join(
        [
            _TRAINING.format(
                threads=figures["threads"], aim=RATIO_AIM, met=met, assignment=assignment
            ),
            markdown(titles, rows),
            _PARTS,
            _parts(cases),
            measured_on(result),
        ]
    )


def _parts(cases: dict[str, Any]) -> str:
    names: dict[str, None] = {}
    for case in reversed(cases.values()):
        for kind in ("quantized", "float"):
            names.update(dict.fromkeys(case["parts_ms"][kind]))
    ordered = [name for name in names if name != "other"] + ["other"]
    rows = []
    for name in ordered:
        found = [case["parts_ms"][kind].get(name) for case in cases.values()
                 for kind in ("float", "quantized")]  # fmt: skip
        rows.append([name, *("" if ms is None else f"{ms:.2f}" for ms in found)])
    titles = [f"{case['words'].split(',')[0]}, {kind}" for case in cases.values()
              for kind in ("float", "quantized")]  # fmt: skip
    return markdown(("part", *titles), rows)
