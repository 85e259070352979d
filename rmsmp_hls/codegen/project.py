"""PackedDesign -> the files of a complete HLS project. Layout: docs/hls-project.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.layout import read_layout
from rmsmp_hls.codegen.render import render
from rmsmp_hls.codegen.settings import ProjectSettings
from rmsmp_hls.codegen.tensor_table import tensor_table
from rmsmp_hls.codegen.views import TopView, array_view, project_view, top_view
from rmsmp_hls.errors import CodegenError
from rmsmp_hls.hw.cycles import BEAT_WORDS, ceil_div
from rmsmp_hls.pack.design import BLOBS, PARAMS, PROGRAM, TRACE, WEIGHTS, PackedDesign
from rmsmp_hls.resources import asset_files

__all__ = ["ProjectSettings", "generate", "vector_files"]

# Folder in the project -> assets copied there as they are.
_COPIES = (
    ("src/rmsmp", "hls_cpp/rmsmp", "*.hpp"),
    ("sim", "hls_cpp/sim", "*.h*"),
    ("testbench", "hls_cpp/testbench", "*.?pp"),
    ("", "vivado_scripts", "*.tcl"),
    ("", "templates/project", "*"),
)


def generate(design: PackedDesign, settings: ProjectSettings) -> FilePlan:
    """Return the whole project, without test vectors (see `vector_files`).

    Pure: the same design and settings give the same bytes. No name from the model is in any
    file; the names of layers stay in the packed design.

    Raises:
        CodegenError: a template or asset is missing or broken.
        ArtefactError: the design contradicts itself.
    """
    layout = read_layout(design)
    top = _top(design, settings)
    files = {
        "src/config.hpp": render("config.hpp.j2", array=array_view(design.array)).encode(),
        "src/top.hpp": render("top.hpp.j2", top=top).encode(),
        "src/top.cpp": render("top.cpp.j2", top=top).encode(),
        "project.tcl": render("project.tcl.j2", project=project_view(settings)).encode(),
        "data/tensors.txt": tensor_table(layout).encode(),
    }
    files |= {f"data/{name}": design.blob(name) for name in BLOBS}
    for folder, asset, pattern in _COPIES:
        prefix = f"{folder}/" if folder else ""
        files |= {prefix + name: data for name, data in asset_files(asset, pattern).items()}
    return FilePlan.of(files)


def vector_files(
    design: PackedDesign, input_words: npt.NDArray[Any], expected_words: npt.NDArray[Any]
) -> dict[str, bytes]:
    """Return the files with which the testbench checks the project.

    Args:
        design: the packed design.
        input_words: 32-bit integers [images, design.input.words], what LOAD reads.
        expected_words: 32-bit integers [images, output words of the trace program].

    Raises:
        CodegenError: a shape or type is wrong, or there is no image.
    """
    images = len(input_words)
    wanted = {
        "data/input.bin": (input_words, design.input.words),
        "data/expected_trace.bin": (expected_words, design.program(TRACE).output_words),
    }
    files = {}
    for path, (words, width) in wanted.items():
        array = np.asarray(words)
        if array.shape != (images, width) or images == 0 or array.dtype.kind not in "iu":
            raise CodegenError(
                f"expected integers of shape [{images or 'images'}, {width}], got {array.dtype} of "
                f"shape {list(array.shape)}",
                where=path,
                fix="this is a bug in the caller, please report it",
            )
        if array.size and (array.min() < -(1 << 31) or array.max() >= 1 << 32):
            raise CodegenError("a number does not fit 32 bits", where=path)
        files[path] = (array.astype(np.int64) & 0xFFFFFFFF).astype("<u4").tobytes()
    return files


def _top(design: PackedDesign, settings: ProjectSettings) -> TopView:
    """Return the top function with the depths of its ports, elements for one image."""
    beat_bytes = design.array.weight_beat_bits // 8
    depths = {
        "program": max(len(design.blob(name)) // 4 for name in (PROGRAM, TRACE)),
        "weights": len(design.blob(WEIGHTS)) // beat_bytes,  # a word of every port
        "params": len(design.blob(PARAMS)) // 16,
        "input": ceil_div(design.input.words, BEAT_WORDS),
        "output": max(program.output_words for program in design.programs),
        "spill": design.spill_words,
    }
    least_one = {port: max(1, depth) for port, depth in depths.items()}
    return top_view(settings.top, least_one, design.array.weight_ports)
