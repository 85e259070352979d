"""csim: the generated project is compiled and must equal the reference, element for element."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rmsmp_hls.errors import CodegenError, MismatchError, RmsmpError
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.design import TRACE, PackedDesign
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.pack.transfer import argmax_key, read_outputs
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.toolchain.csim import CsimResult, csim, explain_mismatches
from rmsmp_hls.toolchain.gxx import Storage, find_compiler
from rmsmp_hls.toolchain.hls_check import check_synthesizable


def _run(context: StageContext) -> StageResult:
    design = load_design(context.path("schedule"))
    storages = [Storage(name) for name in context.options.storages]
    _check_sources(context.path("generate", "src"))
    finished: list[object] = []

    def on_finished(run: object) -> None:
        finished.append(run)
        context.progress.step("C simulation", len(finished), len(storages))

    context.progress.step("C simulation: compiling", 0, len(storages))
    results = csim(
        context.path("generate"), design, storages, context.path("csim", "run"),
        on_finished=on_finished,
    )  # fmt: skip
    wrong: list[RmsmpError] = [explain_mismatches(r, design) for r in results if not r.exact]
    if wrong:
        raise MismatchError.gather(wrong)
    facts: dict[str, Any] = {
        "runs": [_facts(result) for result in results],
        "iterations": [[i.tensor, i.simulated, i.predicted] for i in results[0].iterations],
        "compiler": find_compiler().version,
        "summary": "; ".join(
            f"{r.storage.value}: {r.mismatch_count} of {r.element_count} differ" for r in results
        ),
    }
    correct = _correct(context, design, results[0])
    if correct is not None:
        facts["csim_correct"] = correct
    return StageResult({}, facts)


def _check_sources(sources: Path) -> None:
    """Refuse sources that simulate but cannot be synthesized."""
    found = check_synthesizable(sorted(sources.rglob("*.?pp")))
    if found:
        findings: list[RmsmpError] = [
            CodegenError(f"cannot be synthesized: {f.what}", where=f"{f.path}:{f.line}")
            for f in found
        ]
        raise CodegenError.gather(findings)


def _facts(result: CsimResult) -> dict[str, Any]:
    return {
        "storage": result.storage.value,
        "images": result.images,
        "compared": result.element_count,
        "mismatches": result.mismatch_count,
        "seconds": result.seconds,
    }


def _correct(context: StageContext, design: PackedDesign, result: CsimResult) -> int | None:
    """Count right top-1 answers in what the simulated hardware itself wrote."""
    graph = load_graph(context.path("lower", "int.json"))
    if not (graph.argmax and context.facts("import")["has_labels"]):
        return None
    words = np.fromfile(result.output, dtype="<u4").reshape(result.images, -1)
    top1 = read_outputs(design, TRACE, words)[argmax_key(graph.output)]
    with np.load(context.path("import", "data.npz"), allow_pickle=False) as data:
        return int((top1 == data["labels"]).sum())


SIMULATE = Stage("csim", "csim", ("storages",), _run)
