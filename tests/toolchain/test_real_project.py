"""Generated projects of real networks: C simulation equals the integer reference, bit for bit."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.pack.design import TRACE, PackedDesign
from rmsmp_hls.toolchain.ap_int import find_ap_int
from rmsmp_hls.toolchain.csim import CsimResult, csim, explain_mismatches
from rmsmp_hls.toolchain.gxx import Storage
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.toolchain.real_project import ARRAY, make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build folder: projects of one array share their compiled testbench."""
    return tmp_path_factory.mktemp("build")


def assert_exact(result: CsimResult, design: PackedDesign) -> None:
    assert result.exact, str(explain_mismatches(result, design))
    assert [t.name for t in result.tensors] == [o.tensor for o in design.program(TRACE).outputs]
    for operation in (*result.iterations, *result.trace_iterations):
        assert operation.simulated == operation.predicted, operation.tensor
    assert result.iterations_as_predicted


def test_every_operation_in_both_storages(tmp_path: Path, build: Path) -> None:
    """0 mismatches in every element of every layer; iterations as the cycle formula says."""
    project, design = make(small_residual(3), tmp_path / "p")
    results = csim(project, design, tuple(Storage), build)
    for result in results:
        assert_exact(result, design)
    assert results[0].output.read_bytes() == results[1].output.read_bytes()


@pytest.mark.parametrize("book", ["PoT-4", "APoT-4"])
def test_other_codebooks_and_the_older_dsp(tmp_path: Path, book: str) -> None:
    """Shift-add tables and DSP packing come from config.hpp alone."""
    array = replace(ARRAY, shift_add_codebook=book, dsp=DspFamily.DSP48E1)
    project, design = make(small_residual(4, shift_add=book), tmp_path / "p", array)
    (result,) = csim(project, design, [Storage.NATIVE], tmp_path / "b")
    assert_exact(result, design)


@pytest.mark.parametrize("depth", [64, 40])
def test_tensors_in_dram_and_several_images(tmp_path: Path, depth: int) -> None:
    """With less memory, lines go to DRAM and back in the C++: the same codes, image after image."""
    array = replace(ARRAY, activation_depth=depth)
    project, design = make(small_residual(3), tmp_path / "p", array, images=4)
    assert design.spill_words > 0
    storages = tuple(Storage) if depth == 40 else (Storage.NATIVE,)
    for result in csim(project, design, storages, tmp_path / "b"):
        assert_exact(result, design)


@pytest.mark.parametrize(("ports", "word_bits"), [(2, 64), (4, 32), (4, 256)])
def test_several_weight_ports(tmp_path: Path, ports: int, word_bits: int) -> None:
    """The testbench deals the blob to the ports: exact in both storages, and no longer where two
    ports hold each other's words; the top function also compiles as for synthesis."""
    array = replace(ARRAY, weight_ports=ports, weight_word_bits=word_bits)
    project, design = make(small_residual(3), tmp_path / "p", array)
    for result in csim(project, design, tuple(Storage), tmp_path / "b"):
        assert_exact(result, design)
    syntax = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Wno-unknown-pragmas"]
    macros = ["-Wno-unused-label", "-D__SYNTHESIS__", "-DRMSMP_NATIVE", f"-I{project}/src"]
    subprocess.run(
        ["g++", *syntax, *macros, f"-I{project}/sim", project / "src/top.cpp"], check=True
    )
    path = project / "data/weights.bin"
    words = np.fromfile(path, np.uint8).reshape(-1, ports, word_bits // 8)
    path.write_bytes(words[:, [1, 0, *range(2, ports)]].tobytes())
    (result,) = csim(project, design, [Storage.NATIVE], tmp_path / "b")
    assert not result.exact


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "conv4", "fc"])
def test_a_planted_weight_bit_is_found_in_its_layer(
    tmp_path: Path, build: Path, layer: str
) -> None:
    """One flipped bit of weights.bin: the first report names that layer, and none before it."""
    graph = small_residual(3)
    project, design = make(graph, tmp_path / "p")
    clean = (project / "data/weights.bin").read_bytes()
    names = [s.name for s in design.ops if s.opcode == "MATMUL"]
    program = np.frombuffer(design.blob(TRACE), "<u4")
    segments = program[8 + 40 * int(program[2]) :]
    beat_bytes = design.array.weight_beat_bits // 8
    first, beats = (int(n) for n in segments[3 * names.index(layer) :][:2])
    # Try bits through the layer's weights until one matters (some rows are clamped or unused).
    for byte in range(first * beat_bytes, (first + beats) * beat_bytes, 7):
        weights = bytearray(clean)
        weights[byte] ^= 0x04
        (project / "data/weights.bin").write_bytes(weights)
        (result,) = csim(project, design, [Storage.NATIVE], build)
        if not result.exact:
            break
    else:
        pytest.fail("no flipped bit changed the result")
    wrong = [t.name for t in result.tensors if t.mismatches]
    assert wrong[0] == layer
    text = str(explain_mismatches(result, design))
    assert f"layer '{layer}', image " in text
    assert "expected " in text


def test_a_planted_bias_error_is_found(tmp_path: Path, build: Path) -> None:
    """A flipped bit of params.bin (the first layer's first row's bias) is found in conv1."""
    project, design = make(small_residual(3), tmp_path / "p")
    params = bytearray((project / "data/params.bin").read_bytes())
    lane = next(i for i, c in enumerate(design.ops[1].row_order) if c >= 0)
    params[16 * lane + 5] ^= 0x40  # bit 46 of the word is bit 28 of the bias
    (project / "data/params.bin").write_bytes(params)
    (result,) = csim(project, design, [Storage.NATIVE], build)
    assert next(t.name for t in result.tensors if t.mismatches) == "conv1"


def test_a_damaged_program_never_passes(tmp_path: Path, build: Path) -> None:
    """A wrong address in the program gives mismatches or breaks a rule, never a pass."""
    project, design = make(small_residual(3), tmp_path / "p")
    path = project / "data/program_trace.bin"
    words = np.frombuffer(path.read_bytes(), "<u4").copy()
    words[8 + 2 * 40 + 2] += 1  # the second operation after the first store: its source
    path.write_bytes(words.tobytes())
    try:
        (result,) = csim(project, design, [Storage.NATIVE], build)
    except ToolError as error:
        assert "rmsmp simulation error" in str(error)
    else:
        assert not result.exact


def test_project_runs_by_hand(tmp_path: Path) -> None:
    """`make csim-native` and `make csim AP_INT_INCLUDE=...` as README.txt says."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    graph = Builder((8, 4, 4), fmt(4), 2).matmul("c", "x", 6, fmt(8), window(3, 1, 1)).graph()
    project, _ = make(graph, tmp_path / "p")
    for target in (["csim-native"], ["csim", f"AP_INT_INCLUDE={find_ap_int({}).folder}"]):
        result = subprocess.run(
            ["make", *target, "IMAGES=2", "CXXFLAGS=-O1"],
            cwd=project, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        assert "images=2 " in result.stdout
    unset = subprocess.run(
        ["make", "-B", "csim"], cwd=project, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin"}, timeout=60,
    )  # fmt: skip
    assert unset.returncode != 0
    assert "set AP_INT_INCLUDE" in unset.stdout + unset.stderr
