"""A generated project of a random integer graph, with its vectors: the real thing, small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rmsmp_hls.codegen.file_writer import write_plan
from rmsmp_hls.codegen.project import ProjectSettings, generate, vector_files
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.pack.design import TRACE, PackedDesign
from rmsmp_hls.pack.expected import output_words
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.transfer import argmax_key, input_words
from rmsmp_hls.reference import argmax, run
from rmsmp_hls.schedule.schedule import make_schedule

ARRAY = ArrayShape(
    shift_add_lanes=6, fixed4_lanes=4, fixed8_lanes=2, channels=8, pixels=2, banks=4,
    drain_rows=4, vector_lanes=4, tile_groups=16, activation_depth=512, weight_word_bits=64,
    acc_bits=32, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2, min_step=8,
)  # fmt: skip


def random_codes(graph: IntGraph, images: int) -> np.ndarray:
    """Return random input codes [N, C, H, W], the extremes included."""
    form = graph.input.output
    assert form is not None
    codes = np.random.default_rng(1).integers(form.low, form.high + 1, (images, *graph.input.shape))
    codes.reshape(-1)[:2] = form.low, form.high
    return codes


def make(
    graph: IntGraph, folder: Path, array: ArrayShape = ARRAY, images: int = 3
) -> tuple[Path, PackedDesign]:
    """Write the project of `graph` on `array` with random images; return it and its design."""
    acc_bits = max([8, *(op.acc_bits for op in graph if isinstance(op, IntMatmul))])
    design = pack(graph, make_schedule(graph, replace(array, acc_bits=acc_bits)))
    codes = random_codes(graph, images)
    tensors = run(graph, codes)
    if graph.argmax:
        tensors[argmax_key(graph.output)] = argmax(graph, tensors[graph.output])
    vectors = vector_files(design, input_words(design, codes), output_words(design, TRACE, tensors))
    settings = ProjectSettings("rmsmp_top", "xczu9eg-ffvb1156-2-e", 5.0)
    write_plan(generate(design, settings).plus(vectors), folder)
    return folder, design
