"""The generated project: golden texts, purity, and nothing of the model's names in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmsmp_hls.codegen.project import ProjectSettings, generate, vector_files
from rmsmp_hls.errors import CodegenError
from rmsmp_hls.hw.array import DspFamily
from tests.codegen import tiny_design
from tests.codegen.golden import assert_golden

SETTINGS = ProjectSettings("rmsmp_top", "xczu9eg-ffvb1156-2-e", 5.0)
HOSTILE = (
    'x"; exit 3', "]", "[exec id]", "; rm -rf .", "$(touch pwned)", "../../etc/passwd", "a\nb",
    "/* */ int main", "A" * 10_000, "{{ 7 * 7 }}", "{% raw %}", "\\", "'", "\0",
)  # fmt: skip


@pytest.mark.parametrize(
    "path", ["src/config.hpp", "src/top.hpp", "src/top.cpp", "project.tcl", "data/tensors.txt"]
)
def test_generated_texts(path: str) -> None:
    """Each generated file is as reviewed."""
    plan = generate(tiny_design.design(), SETTINGS)
    assert_golden(f"sp2_zcu102/{path.rpartition('/')[2]}", plan[path].decode())


@pytest.mark.parametrize("name", ["config.hpp", "top.hpp", "top.cpp"])
def test_another_array(name: str) -> None:
    """APoT-4 lanes and the older DSP change the constants, two weight ports the top function."""
    array = replace(tiny_design.array("APoT-4", DspFamily.DSP48E1), weight_ports=2)
    settings = ProjectSettings("zed", "xc7z020clg484-1", 10.0)
    text = generate(tiny_design.design(shape=array), settings)[f"src/{name}"]
    assert_golden(f"apot_zedboard/{name}", text.decode())


def test_project_is_complete() -> None:
    """Every part that README.txt names is there, and the vectors are not."""
    paths = set(generate(tiny_design.design(), SETTINGS).paths)
    assert {
        "src/config.hpp", "src/top.hpp", "src/top.cpp", "src/rmsmp/types.hpp",
        "src/rmsmp/accelerator.hpp", "sim/hls_stream.h", "testbench/testbench.cpp",
        "testbench/compare.hpp", "data/program.bin", "data/program_trace.bin", "data/weights.bin",
        "data/params.bin", "data/tensors.txt", "project.tcl", "steps.tcl", "csim.tcl",
        "csynth.tcl", "cosim.tcl", "export.tcl", "Makefile", "README.txt",
    } <= paths  # fmt: skip
    assert "data/input.bin" not in paths
    assert not any("example" in path or "/test/" in path for path in paths)


def test_same_design_same_bytes() -> None:
    """Generation is pure; another clock changes project.tcl only."""
    first = generate(tiny_design.design(), SETTINGS)
    assert first.digest == generate(tiny_design.design(), SETTINGS).digest
    other = generate(
        tiny_design.design(), ProjectSettings("rmsmp_top", "xczu9eg-ffvb1156-2-e", 4.0)
    )
    assert [p for p in first.paths if first[p] != other[p]] == ["project.tcl"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_layers_reach_no_file(name: str) -> None:
    """A hostile layer name changes not one byte of the project."""
    assert (
        generate(tiny_design.design(name), SETTINGS).digest
        == generate(tiny_design.design(), SETTINGS).digest
    )


def test_vectors_are_little_endian_words() -> None:
    """Signed numbers become their 32-bit patterns."""
    inputs = np.array([[1, -1, 0x7FFFFFFF, -(1 << 31)]], np.int32)
    expected = np.arange(17, dtype=np.uint32)[None] + np.uint32(0xFFFFFF00)
    files = vector_files(tiny_design.design(), inputs, expected)
    assert files["data/input.bin"] == b"\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\x80"
    words = np.frombuffer(files["data/expected_trace.bin"], "<u4")
    assert np.array_equal(words, expected[0])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (np.zeros((2, 3), np.int32), np.zeros((2, 17), np.uint32)),
        (np.zeros((2, 4), np.int32), np.zeros((1, 17), np.uint32)),
        (np.zeros((2, 4), np.float32), np.zeros((2, 17), np.uint32)),
        (np.zeros((0, 4), np.int32), np.zeros((0, 17), np.uint32)),
        (np.full((1, 4), 1 << 32), np.zeros((1, 17), np.uint32)),
    ],
)
def test_wrong_vectors_are_refused(inputs: np.ndarray, expected: np.ndarray) -> None:
    """Wrong width, number of images, type, no image at all, or too large."""
    with pytest.raises(CodegenError):
        vector_files(tiny_design.design(), inputs, expected)
