"""The section of docs/benchmarks.md about rmsmp-hls next to Brevitas."""

from __future__ import annotations

import statistics
from typing import Any

from page import markdown, measured_on

_HEAD = """## Next to Brevitas

Two of the networks of the next section in rmsmp-hls and in Brevitas {version}: 4-bit weights
with one scale per row, 8-bit input, 4-bit activations (8-bit ones where an add reads them), the
same tensors quantized. Of {seeds} seeds, with the images and the training of the schemes: all
methods start from the same float network and see the same images in the same order
({networks}). *Difference* is that of the accuracy to "{best}", mean over the seeds and (least
.. most). Brevitas' scales of activations are learned, from its calibration; those of weights
are learned from the ones of least squared error, or the largest magnitude at every step. Its
just-in-time compiler is off, as it is by default. Steps of all methods are timed in turn, the
ratio is the median of those to the float step next to it. Memory is what a step on a batch of
4096 images needs beyond network, optimizer and images.
"""


def brevitas_section(result: dict[str, Any]) -> str:
    """Return the section."""
    figures = result["figures"]
    best = "brevitas-learned"
    methods = figures["methods"]
    networks = figures["settings"]["networks"]
    head = _HEAD.format(
        version=figures["brevitas"], best=methods[best], seeds=figures["settings"]["seeds"],
        networks="; ".join(
            f"{name}: {case['epochs']} epochs in float, {case['qat_epochs']} with quantizers, "
            f"AdamW at {case['qat_lr']:g}"
            for name, case in networks.items()
        ),
    )  # fmt: skip
    titles = (
        "method", "accuracy, mean", "spread", "difference", "step, ms", "ratio", "memory, MiB",
    )  # fmt: skip
    tables = []
    for network, times in figures["times"].items():
        runs = [run for run in figures["runs"] if run["network"] == network]
        rows = []
        for method, words in {"float": "float", **methods}.items():
            found = [100 * run[method]["accuracy"] for run in runs]
            against = [100 * run[best]["accuracy"] for run in runs]
            apart = [a - b for a, b in zip(found, against, strict=True)]
            rows.append(
                [
                    words,
                    f"{statistics.mean(found):.2f} %",
                    f"{min(found):.2f} .. {max(found):.2f}",
                    f"{statistics.mean(apart):+.2f} ({min(apart):+.2f} .. {max(apart):+.2f})",
                    f"{1e3 * times['seconds'][method]['median']:.1f}",
                    f"{times['ratios'][method]['median']:.2f}",
                    f"{figures['memory_mib'][network][method]:.0f}",
                ]
            )
        tables.append(f"{network}:\n\n{markdown(titles, rows)}")
    return "\n".join([head, *tables, measured_on(result)])
