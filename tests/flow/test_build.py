"""The whole walk: from a model file to a C simulation that equals the reference."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from rmsmp_hls.flow import STAGES, BuildOutcome
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.quant_ops import QuantMatmul
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.design import TRACE
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.pack.transfer import read_outputs
from rmsmp_hls.stages.tensors import read_tensors
from tests.flow.models import IMAGES, Pooled, Windows, build, perceptron, point_network, save_model

BOTH = ("native", "ap_int")
REPORTS = ("report.json", "report.html", "report.md")


def int_graph(out: Path) -> Any:
    return load_graph(out / "3_lower" / "int.json")


def stored(out: Path) -> list[str]:
    """The tensors that the trace sends: all but a folded input."""
    design = load_design(out / "4_packed")
    sent = {entry.tensor for entry in design.program(TRACE).outputs}
    names = [op.name for op in int_graph(out)]
    assert set(names) - sent <= {design.input.name}
    return [name for name in names if name in sent]


def elements(out: Path) -> int:
    """Count what must be compared: every tensor and top-1, and what the deployed program sends."""
    graph = int_graph(out)
    last = math.prod(graph.op(graph.output).shape)
    top1 = int(graph.argmax)
    sizes = [math.prod(graph.op(name).shape) for name in stored(out)]
    return sum(sizes) + top1 + last + top1


def check(outcome: BuildOutcome, images: int = IMAGES) -> None:
    """Everything compared, nothing differs, every count of iterations as modelled."""
    report = outcome.report
    assert report.exact
    for run in report.csim:
        assert run.images == images
        assert run.compared == images * elements(outcome.out)
        assert run.mismatches == 0
    assert len(report.layers) == len(int_graph(outcome.out).ops)
    for layer in report.layers:
        assert layer.modelled_iterations, layer.name
        assert layer.csim_iterations == layer.modelled_iterations, layer.name
    assert outcome.ran == STAGES
    for name in REPORTS:
        assert (outcome.out / name).stat().st_size > 1000
    right = {accuracy.stage: accuracy.correct for accuracy in report.accuracies}
    assert right["csim"] == right["integer"]


def formats_of(out: Path) -> set[str]:
    return {name for op in int_graph(out) if isinstance(op, IntMatmul) for name in op.formats}


def test_a_build_ends_in_an_exact_simulation(built: BuildOutcome) -> None:
    """The default codebook, every row format, every element of every layer."""
    check(built)
    assert formats_of(built.out) == {"SP2-4", "Fixed-4", "Fixed-8"}


def test_the_simulation_wrote_what_the_reference_computed(built: BuildOutcome) -> None:
    """Compared once more here, from the files, without the testbench's own comparison."""
    design = load_design(built.out / "4_packed")
    names = [op.name for op in int_graph(built.out)]
    expected = read_tensors(built.out / "3_lower" / "expected.npz", names)
    words = np.fromfile(built.out / "csim/run/csim-native-output.bin", dtype="<u4")
    found = read_outputs(design, TRACE, words.reshape(IMAGES, -1))
    for name in stored(built.out):
        assert expected[name].any(), f"{name} is all zeros, which proves nothing"
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_the_accuracies_stand_side_by_side(built: BuildOutcome) -> None:
    """Float as recorded at training, then what this build measured and simulated."""
    rows = [(a.stage, a.correct, a.total, a.origin.value) for a in built.report.accuracies]
    assert rows[0] == ("float", IMAGES, IMAGES, "measured")
    assert rows[2:] == [
        ("fake-quantized", IMAGES - 1, IMAGES, "measured"),
        ("integer", IMAGES - 1, IMAGES, "measured"),
        ("csim", IMAGES - 1, IMAGES, "simulated"),
    ]
    assert rows[1][0] == "trained weights, not quantized"
    assert any("as the training recorded it" in note for note in built.report.notes)


def test_the_recorded_accuracy_is_of_the_recorded_images_only(model: Path, seeded: Path) -> None:
    """With a part of the images there is no row "float"."""
    report = build(model, seeded, images=IMAGES - 1).report
    assert report.accuracies[0].stage == "trained weights, not quantized"
    assert {a.total for a in report.accuracies} == {IMAGES - 1}


def test_the_folder_holds_what_a_person_can_read_and_run(built: BuildOutcome) -> None:
    """Packed design, project, vectors, logs, report."""
    for name in (
        "4_packed/design.json", "4_packed/weights.bin", "hls/src/top.cpp", "hls/src/config.hpp",
        "hls/testbench/testbench.cpp", "hls/csynth.tcl", "hls/Makefile", "hls/data/program.bin",
        "hls/data/input.bin", "hls/data/expected_trace.bin", "csim/run/csim-native.log",
        "csim/run/compile-native.log", "report.html",
    ):  # fmt: skip
        assert (built.out / name).is_file(), name
    report = json.loads((built.out / "report.json").read_text())
    assert report["schema"] == "rmsmp-hls/report"
    assert report["performance"]["ddr_bytes"] > (built.out / "4_packed/weights.bin").stat().st_size


def test_narrow_rows_are_built_as_rows_of_four_bits(tmp_path: Path) -> None:
    """A mix of 3 bits simulates exactly; its report says in what formats the array holds it."""
    model = save_model(tmp_path / "model.pt", codebook="PoT-3")
    outcome = build(model, tmp_path / "out")
    check(outcome)
    assert formats_of(outcome.out) == {"PoT-4", "Fixed-4", "Fixed-8"}
    quantized = load_graph(outcome.out / "2_quantize" / "quant.json")
    trained = {name for op in quantized.of_type(QuantMatmul) for name in op.formats}
    assert trained == {"PoT-3", "Fixed-3", "Fixed-8"}
    assert outcome.report.quantization.codebook == "PoT-3"
    assert any("PoT-3 and Fixed-3 are stored" in note for note in outcome.report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SP2-3", "PoT-2"])
def test_other_narrow_codebooks_are_built_exactly(name: str, tmp_path: Path) -> None:
    """Both storage types; a ratio with rows of every format."""
    model = save_model(tmp_path / "model.pt", codebook=name, ratio="40:40:20")
    check(build(model, tmp_path / "out", storages=BOTH))
    assert formats_of(tmp_path / "out") == {f"{name[:3]}-4", "Fixed-4", "Fixed-8"}


def test_a_narrow_codebook_of_the_command_line(model: Path, seeded: Path) -> None:
    """Another width renames the fixed rows too: none of the old width is left."""
    outcome = build(model, seeded, codebook="pot-2")
    check(outcome)
    params = json.loads((outcome.out / "2_quantize" / "params.json").read_text())
    names = {name for rows in params["rows"].values() for name in rows["formats"]}
    assert names == {"PoT-2", "Fixed-2", "Fixed-8"}


@pytest.mark.slow
@pytest.mark.parametrize("codebook", ["SP2-4", "PoT-4", "APoT-4"])
def test_every_codebook_in_both_storage_types(codebook: str, tmp_path: Path) -> None:
    """Prove the shift-add lanes of each, end to end."""
    model = save_model(tmp_path / "model.pt", codebook=codebook)
    outcome = build(model, tmp_path / "out", storages=BOTH)
    check(outcome)
    assert [run.storage for run in outcome.report.csim] == list(BOTH)
    assert formats_of(outcome.out) == {codebook, "Fixed-4", "Fixed-8"}


@pytest.mark.slow
@pytest.mark.parametrize("board", ["zcu102", "zedboard"])
def test_windows_of_every_kind(board: str, tmp_path: Path) -> None:
    """1x1, 3x3, 5x5, 2x3; strides 1, 2, 3; one-sided padding; dilation; both DSP families."""
    model = save_model(tmp_path / "model.pt", Windows(), (3, 13, 11))
    outcome = build(model, tmp_path / "out", board=board, storages=BOTH)
    check(outcome)
    windows = [op.window for op in int_graph(outcome.out) if isinstance(op, IntMatmul)]
    assert {w.kernel for w in windows} == {(1, 1), (5, 5), (2, 3), (3, 3)}
    assert {w.stride for w in windows} == {(1, 1), (2, 1), (3, 3)}
    assert {w.dilation for w in windows} == {(1, 1), (2, 2)}
    sides = {w.padding for w in windows}
    assert any(top != bottom or left != right for top, bottom, left, right in sides)
    array = load_design(outcome.out / "4_packed").array
    assert array.dsp.name == {"zcu102": "DSP48E2", "zedboard": "DSP48E1"}[board]
    if board == "zedboard":
        assert array.weight_word_bits <= 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "shape"),
    [(perceptron, (20,)), (point_network, (5, 1, 1))],
    ids=["linear layers only", "images of one pixel"],
)
def test_small_shapes(make: Callable[[], nn.Module], shape: Sequence[int], tmp_path: Path) -> None:
    """No spatial extent at all."""
    check(build(save_model(tmp_path / "model.pt", make(), shape), tmp_path / "out"))


@pytest.mark.slow
def test_a_network_that_ends_in_codes(tmp_path: Path) -> None:
    """No logits, no argmax, so no accuracy; every code is still compared."""
    model = save_model(tmp_path / "model.pt", Pooled(), (2, 9, 12), labels=False)
    outcome = build(model, tmp_path / "out")
    check(outcome, images=4)  # random ones
    assert not int_graph(outcome.out).argmax
    assert all(accuracy.correct is None for accuracy in outcome.report.accuracies)
    assert "random images" in outcome.report.notes[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "ratio", [(100, 0, 0), (0, 100, 0), (0, 0, 100), (65, 30, 5)], ids=lambda r: f"{r}"
)
def test_ratios_of_the_command_line(
    ratio: tuple[int, int, int], model: Path, tmp_path: Path
) -> None:
    """Asked and realized both stand in the report; lanes of one kind only work."""
    outcome = build(model, tmp_path / "out", ratio=ratio)
    check(outcome)
    report = json.loads((outcome.out / "report.json").read_text())
    assert report["quantization"]["ratio_asked"] == list(ratio)
    rows = outcome.report.rows
    assert rows.total == 8 + 8 + 5
    for share, percent in zip(ratio, rows.percents, strict=True):
        assert abs(share - percent) <= 100 / 8, "each layer rounds to whole rows"
        assert (share in (0, 100)) <= (share == percent)


@pytest.mark.slow
def test_a_codebook_of_the_command_line(model: Path, seeded: Path) -> None:
    """The assignment of rows stays, the shift-add rows change; the report says so."""
    outcome = build(model, seeded, codebook="apot-4")
    check(outcome)
    assert formats_of(outcome.out) == {"APoT-4", "Fixed-4", "Fixed-8"}
    assert outcome.report.quantization.codebook == "APoT-4"
    assert any("without training" in note for note in outcome.report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_widths_and_signs_of_activations(bits: int, signed: bool, tmp_path: Path) -> None:
    """One or two planes, signed and unsigned input."""
    model = save_model(
        tmp_path / "model.pt", signed=signed, activation_bits=bits,
        residual_bits=max(bits, 4), input_bits=bits,
    )  # fmt: skip
    outcome = build(model, tmp_path / "out")
    check(outcome)
    form = int_graph(outcome.out).input.output
    assert (form.bits, form.signed) == (bits, signed)
    widths = {op.output.bits for op in int_graph(outcome.out) if op.output is not None}
    assert bits in widths


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", [{"board": "ultra96-v2"}, {"board": "zc706"}, {"part": "xc7z020clg400-1"}],
    ids=lambda t: next(iter(t.values())),
)  # fmt: skip
def test_other_boards_and_parts(target: dict[str, str], model: Path, tmp_path: Path) -> None:
    """Each has its own array; all are exact."""
    outcome = build(model, tmp_path / "out", **target)
    check(outcome)
    assert (outcome.report.board.name is None) == ("part" in target)
    assert any(next(iter(target.values())) in c.command for c in outcome.report.commands)
