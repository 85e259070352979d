"""C simulation through the real compiler and testbench, on a fake top function."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.codegen.layout import read_layout
from rmsmp_hls.errors import MismatchError, ToolError
from rmsmp_hls.toolchain.csim import CsimResult, csim, explain_mismatches
from rmsmp_hls.toolchain.csim_output import read_result
from rmsmp_hls.toolchain.gxx import Storage, compile_testbench
from rmsmp_hls.toolchain.process import Command, Finished
from tests.toolchain import fake_project

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
NATIVE = (Storage.NATIVE,)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build folder for all tests: the sources are the same, so it compiles once."""
    return tmp_path_factory.mktemp("build")


def simulate(folder: Path, build: Path, **plant: object) -> CsimResult:
    design = fake_project.design(**plant)  # type: ignore[arg-type]
    return csim(fake_project.write(folder, design), design, NATIVE, build)[0]


def test_equal_words_give_an_exact_result(tmp_path: Path, build: Path) -> None:
    """Every element of every image is counted; pad bytes and empty lanes are not."""
    result = simulate(tmp_path, build)
    assert result.exact
    assert result.images == fake_project.IMAGES
    assert [(t.name, t.elements, t.mismatches) for t in result.tensors] == [
        ("conv1", 6 * 36, 0), ("fc", 6 * 4, 0),
    ]  # fmt: skip
    assert [(t.name, t.elements) for t in result.deployed] == [("fc", 24)]
    assert [(i.tensor, i.simulated, i.predicted) for i in result.iterations] == [
        ("x", 8, 8), ("conv1", 40, 40), ("fc", 20, 20),
    ]  # fmt: skip
    assert len(result.trace_iterations) == 4
    assert result.seconds > 0
    words = np.fromfile(result.output, "<u4").reshape(6, 17)
    _, expected = fake_project.vectors()
    assert np.array_equal(words[:, 14:], expected[:, 14:])


@pytest.mark.parametrize(
    ("word", "bits", "where"),
    [
        (0, 1 << 3, "layer 'conv1', image 1, channel 0, y 0, x 0: expected "),
        (5, 1 << 15, "layer 'conv1', image 1, channel 5, y 0, x 2: expected "),
        (8, 0x01000000, "layer 'conv1', image 1, channel 3, y 1, x 1: expected "),
        (12, 1, "layer 'fc', image 1, channel 2: expected "),
        (16, 2, "layer 'fc', image 1, top-1 index: expected "),
    ],
)
def test_one_wrong_bit_is_found_and_explained(
    tmp_path: Path, build: Path, word: int, bits: int, where: str
) -> None:
    """A single bit in one image gives layer, image, position, expected and got."""
    result = simulate(tmp_path, build, plant=(word + 1, bits))
    assert not result.exact
    assert result.mismatch_count == 1
    error = explain_mismatches(result, fake_project.design())
    assert isinstance(error, MismatchError)
    assert where in str(error)
    _, expected = fake_project.vectors()
    right, wrong = int(expected[1, word]), int(expected[1, word]) ^ bits
    if word < 12:
        byte = (bits.bit_length() - 1) // 8
        right, wrong = right >> 8 * byte & 255, wrong >> 8 * byte & 255
    else:
        right, wrong = (v - (1 << 32) if v >> 31 else v for v in (right, wrong))
    assert f"expected {right}, got {wrong}" in str(error)


@pytest.mark.parametrize(("word", "bits"), [(1, 1 << 16), (3, 0x80000000), (13, 0xFFFFFFFF)])
def test_padding_is_not_compared(tmp_path: Path, build: Path, word: int, bits: int) -> None:
    """Bytes past the last channel and lanes without a row hold anything."""
    assert simulate(tmp_path, build, plant=(word + 1, bits)).exact


def test_all_bits_of_a_word_count_as_its_elements(tmp_path: Path, build: Path) -> None:
    """Four codes in a word are four mismatches."""
    result = simulate(tmp_path, build, plant=(1, 0xFFFFFFFF))
    assert result.mismatch_count == 4
    assert "channel 3, y 0, x 0" in str(explain_mismatches(result, fake_project.design()))


def test_broken_hardware_rule_is_a_tool_error(tmp_path: Path, build: Path) -> None:
    """The simulation's own message is in the error."""
    with pytest.raises(ToolError, match=r"exit code 70: rmsmp simulation error: a rule \(here: 5"):
        simulate(tmp_path, build, break_rule=True)


@pytest.mark.slow
def test_both_storages_agree(tmp_path: Path) -> None:
    """ap_int and native storage run side by side and give the same words."""
    design = fake_project.design()
    project = fake_project.write(tmp_path / "p", design)
    ended: list[Storage] = []
    results = csim(project, design, tuple(Storage), tmp_path / "b", on_finished=ended.append)
    assert [r.storage for r in results] == list(Storage)
    assert all(r.exact for r in results)
    assert sorted(s.value for s in ended) == ["ap_int", "native"]
    assert results[0].output.read_bytes() == results[1].output.read_bytes()
    assert "Apache License" in (tmp_path / "b/ap_types/NOTICE").read_text()


@pytest.mark.slow
def test_images_are_shared_among_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes give the same counts and words as one, mismatches by their image."""
    monkeypatch.setattr("rmsmp_hls.toolchain.csim.FEWEST_IMAGES", 2)
    design = fake_project.design(plant=(1, 1))
    project = fake_project.write(tmp_path / "p", design)
    ap_int = (Storage.AP_INT,)
    (one,) = csim(project, design, ap_int, tmp_path / "b", processes=1)
    words = one.output.read_bytes()
    (three,) = csim(project, design, ap_int, tmp_path / "b", processes=3)
    assert three.output.read_bytes() == words
    assert three.tensors == one.tensors
    assert three.mismatches == one.mismatches
    assert [m.image for m in three.mismatches] == [1]
    assert (three.images, three.deployed_images) == (6, 6)
    assert three.log.read_text().count("storage=ap_int") == 3


def run_testbench(build: Path, project: Path, *arguments: str) -> tuple[int, str]:
    program = compile_testbench(project, Storage.NATIVE, build)
    result = subprocess.run(
        [str(program), *arguments], cwd=project, capture_output=True, text=True, timeout=60
    )
    return result.returncode, result.stdout + result.stderr


def test_testbench_limits_and_batches(tmp_path: Path, build: Path) -> None:
    """--images takes fewer images; any batch gives the same counts."""
    project = fake_project.write(tmp_path, fake_project.design())
    code, text = run_testbench(build, project, "data", "--skip", "4", "--deployed", "1")
    assert code == 0
    assert "\nimages=2 deployed=1 seconds=" in text
    for batch in ("1", "4", "100"):
        code, text = run_testbench(build, project, "data", "--images", "5", "--batch", batch)
        assert code == 0
        assert "result program=trace tensor=0 mismatches=0 of=180\n" in text
        assert "\nimages=5 deployed=5 seconds=" in text


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("data/input.bin", None, "input.bin: cannot be opened"),
        ("data/input.bin", b"", "is not a whole number of images"),
        ("data/input.bin", bytes(5), "is not a whole number of 32-bit words"),
        ("data/expected_trace.bin", bytes(4), "does not hold as many images"),
        ("data/program.bin", bytes(400), "is not a program of version 3"),
        ("data/weights.bin", None, "weights.bin: cannot be opened"),
        ("data/tensors.txt", b"rmsmp-tensors 2\n", "unknown version"),
        ("data/tensors.txt", b"rmsmp-tensors 1\ninput_words 4\ntrace output_words 3 tensors 1\n"
         b"tensor 0 offset 2 expected_offset 0 words 4 element_bits 8 masks 1 f", "passes the end"),
        ("data/tensors.txt", b"rmsmp-tensors x\n", "no number after"),
    ],
)  # fmt: skip
def test_bad_files_are_named(
    tmp_path: Path, build: Path, path: str, change: bytes | None, words: str
) -> None:
    """Exit code 2 and a sentence with the file's name."""
    project = fake_project.write(tmp_path, fake_project.design())
    if change is None:
        (project / path).unlink()
    else:
        (project / path).write_bytes(change)
    code, text = run_testbench(build, project, "data")
    assert code == 2
    assert words in text
    assert path in text


@pytest.mark.parametrize(
    "arguments",
    [("--images",), ("--images", "0"), ("--images", "x"), ("--batch", "-1"), ("--what", "1"),
     ("--skip", "6"), ("nowhere",), ("data", "--output", "/nonexistent/x")],
)  # fmt: skip
def test_bad_arguments_end_with_2(tmp_path: Path, build: Path, arguments: tuple[str, ...]) -> None:
    """Nothing is guessed."""
    project = fake_project.write(tmp_path, fake_project.design())
    code, text = run_testbench(build, project, *arguments)
    assert code == 2
    assert "error: " in text


GOOD = """\
result program=trace tensor=0 mismatches=0 of=216
result program=trace tensor=1 mismatches=0 of=24
iterations program=trace op=0 count=8
iterations program=trace op=1 count=40
iterations program=trace op=2 count=12
iterations program=trace op=3 count=20
result program=deployed tensor=1 mismatches=0 of=24
iterations program=deployed op=0 count=8
iterations program=deployed op=1 count=40
iterations program=deployed op=2 count=20
images=6 deployed=6 seconds=0.500000 storage=native
"""


def read(folder: Path, text: str, code: int = 0, output_bytes: int = 6 * 17 * 4) -> CsimResult:
    log, output = folder / "log", folder / "out"
    log.write_text(text)
    output.write_bytes(bytes(output_bytes))
    finished = Finished(Command(("x",), folder, log, 1.0), code, 1.0)
    return read_result(finished, read_layout(fake_project.design()), Storage.NATIVE, output)


def test_reads_what_the_testbench_says(tmp_path: Path) -> None:
    """The reference for the spoilt texts below."""
    assert read(tmp_path, GOOD).exact


@pytest.mark.parametrize("line", range(GOOD.count("\n")))
def test_a_missing_or_doubled_line_is_an_error(tmp_path: Path, line: int) -> None:
    """No line may be left out, and none may come twice."""
    lines = GOOD.splitlines(keepends=True)
    with pytest.raises(ToolError, match="cannot be trusted"):
        read(tmp_path, "".join(lines[:line] + lines[line + 1 :]))
    with pytest.raises(ToolError, match="cannot be trusted"):
        read(tmp_path, "".join([*lines, lines[line]]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("of=216", "of=215"),
        ("images=6", "images=5"),
        ("deployed=6", "deployed=5"),
        ("storage=native", "storage=ap_int"),
        ("mismatches=0 of=216", "mismatches=1 of=216"),
        ("tensor=0", "tensor=7"),
        ("op=2 count=12", "op=9 count=12"),
        ("images=6", "rmsmp simulation error: stream 'w' left with 1 unread elements\nimages=6"),
        ("result program=trace tensor=0", "Result program=trace tensor=0"),
        ("seconds=0.5", "seconds=nan"),
    ],
)
def test_contradictions_are_errors(tmp_path: Path, old: str, new: str) -> None:
    """Wrong totals, other storage, unknown lines and warnings are never a pass."""
    assert old in GOOD
    with pytest.raises(ToolError, match="cannot be trusted"):
        read(tmp_path, GOOD.replace(old, new, 1))


def test_exit_code_and_output_must_fit(tmp_path: Path) -> None:
    """A failing exit code without a mismatch, or a cut output file, is an error."""
    with pytest.raises(ToolError, match="exit code contradicts"):
        read(tmp_path, GOOD, code=1)
    with pytest.raises(ToolError, match="output file is cut"):
        read(tmp_path, GOOD, output_bytes=4)
