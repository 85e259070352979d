"""generate: the packed design becomes an HLS project, with the vectors that test it."""

from __future__ import annotations

import numpy as np

from rmsmp_hls import reference
from rmsmp_hls.codegen.project import generate, vector_files
from rmsmp_hls.codegen.settings import ProjectSettings
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.design import TRACE
from rmsmp_hls.pack.expected import output_words
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.pack.transfer import argmax_key, input_words
from rmsmp_hls.stages.lower import input_codes
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.stages.target import TARGET_OPTIONS, board_file, target_board, target_clock_mhz
from rmsmp_hls.stages.tensors import read_tensors


def _run(context: StageContext) -> StageResult:
    board = target_board(context.options)
    design = load_design(context.path("schedule"))
    settings = ProjectSettings(
        top=context.options.top,
        part=context.options.part or board.part,
        clock_period_ns=1e3 / target_clock_mhz(context.options, board),
        m_axi_addr64=board.family != "7series",
    )
    graph = load_graph(context.path("lower", "int.json"))
    with np.load(context.path("import", "data.npz"), allow_pickle=False) as data:
        codes = input_codes(graph, data["inputs"])
    names = context.facts("lower")["tensors"]
    tensors = read_tensors(context.path("lower", "expected.npz"), names)
    if graph.argmax:
        tensors[argmax_key(graph.output)] = reference.argmax(graph, tensors[graph.output])
    expected = output_words(design, TRACE, tensors)
    vectors = vector_files(design, input_words(design, codes), expected)
    plan = generate(design, settings).plus(vectors)
    facts = {"summary": f"{len(plan)} files, top function {settings.top}"}
    return StageResult(dict(plan.files), facts)


GENERATE = Stage("generate", "hls", (*TARGET_OPTIONS, "top"), _run, board_file)
