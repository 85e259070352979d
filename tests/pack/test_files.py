"""The design's files: deterministic, read back equal, refused when anything is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.pack.design import PROGRAM, TRACE, PackedDesign
from rmsmp_hls.pack.files import design_files, load_design
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.schedule.schedule import make_schedule
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.schedule.test_schedule import ARRAY


@pytest.fixture(scope="module")
def design() -> PackedDesign:
    graph = small_residual()
    return pack(graph, make_schedule(graph, ARRAY))


def saved(design: PackedDesign, folder: Path) -> Path:
    for name, data in design_files(design).items():
        (folder / name).write_bytes(data)
    return folder


def test_a_design_reads_back_equal(design: PackedDesign, tmp_path: Path) -> None:
    """What was written is what is read; writing again gives the same bytes."""
    loaded = load_design(saved(design, tmp_path))
    assert loaded == design
    assert design_files(loaded) == design_files(design)


def test_a_design_without_logits_reads_back_equal(tmp_path: Path) -> None:
    """A network whose result is codes, with a hostile operation name."""
    name = 'a"];$(x)\n../é' + "y" * 9000
    graph = Builder((4, 3, 3), fmt()).matmul(name, "x", 5, fmt(8, signed=True)).graph()
    design = pack(graph, make_schedule(graph, ARRAY))
    assert load_design(saved(design, tmp_path)) == design
    assert design.program(PROGRAM).outputs[0].tensor == name


def test_a_design_with_slots_and_a_fold_reads_back_equal(tmp_path: Path) -> None:
    """Bytes of channels, copies with names of their own, words of the spill port."""
    net = Builder((1, 4, 4), fmt(8, signed=True)).matmul("a", "x", 9, fmt(), window(3, 1, 1))
    net.matmul("d", "a", 9, fmt(), window(3, 1, 1), groups=9).concat("k", "a", "d", "d")
    graph = net.select("s", "k", (11, 2, 20)).graph()
    design = replace(pack(graph, make_schedule(graph, ARRAY)), spill_words=5)
    assert load_design(saved(design, tmp_path)) == design
    assert [op.name for op in design.ops] == ["x", "a", "d", "k:d", "s"]
    assert [name for _, name, _ in design.program().iterations] == ["x", "a", "d", "k", "s"]


def test_the_header_is_as_documented(design: PackedDesign) -> None:
    """Keys and values that the page promises."""
    header = json.loads(design_files(design)["design.json"])
    assert (header["schema"], header["version"]) == ("rmsmp-hls/packed-design", 3)
    assert header["array"]["dsp"] == "DSP48E2"
    assert header["input"]["words"] == 9 * 8  # lines of 7 pixels in whole beats
    assert set(header["files"]) == {PROGRAM, TRACE, "weights.bin", "params.bin"}
    logits = header["outputs"][PROGRAM][0]
    assert logits["tensor"] == "fc"
    assert logits["argmax"] is True
    assert sorted(row for row in logits["logits"] if row >= 0) == list(range(10))
    assert header["programs"][PROGRAM]["output_words"] == logits["words"] + 1
    stored = header["outputs"][TRACE]
    assert [entry["tensor"] for entry in stored] == [op["name"] for op in header["ops"]]
    assert header["programs"][TRACE]["iterations"][1][1] == "x"
    conv = next(op for op in header["ops"] if op["name"] == "conv1")
    assert sum(conv["rows"].values()) == 18


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """A damage that edits the header."""

    def damage(folder: Path) -> None:
        path = folder / "design.json"
        header = json.loads(path.read_text())
        change(header)
        path.write_text(json.dumps(header))

    return damage


def flip(name: str) -> Callable[[Path], None]:
    """A damage that flips one bit of a blob."""

    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return damage


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "design.json").unlink(), "cannot read the packed design"),
    (lambda folder: (folder / "design.json").write_text("{"), "not JSON"),
    (lambda folder: (folder / "design.json").write_text("[]"), "not a packed design"),
    (lambda folder: (folder / "weights.bin").unlink(), "weights.bin: cannot read"),
    (lambda folder: (folder / "params.bin").write_bytes(b"12"), "params.bin: has 2 bytes"),
    (flip("weights.bin"), "weights.bin: its SHA-256 differs"),
    (flip(PROGRAM), "program.bin: its SHA-256 differs"),
    (edited(lambda h: h.update(schema="other")), "schema is 'other'"),
    (edited(lambda h: h.update(version=1)), "version 1 of the format"),
    (edited(lambda h: h.pop("version")), "version None"),
    (edited(lambda h: h["files"].update({"../x": {}})), "must list exactly"),
    (edited(lambda h: h["array"].update(channels=5)), "channels must be 4, 8"),
    (edited(lambda h: h["array"].update(drain_rows=0)), "no array has this shape"),
    (edited(lambda h: h["array"].update(dsp="DSP58")), "array.dsp: must be one of"),
    (edited(lambda h: h["array"].update(wings=2)), "array.wings: unknown field"),
    (edited(lambda h: h["array"].pop("banks")), "array.banks: must be a whole number"),
    (edited(lambda h: h["input"].update(scale="x")), "input.scale: must be a finite number"),
    (edited(lambda h: h["input"].update(words=7)), "input.words: does not match"),
    (edited(lambda h: h["input"].update(height=18, words=18 * 8)), "reads 72 input words"),
    (edited(lambda h: h["outputs"].pop(TRACE)), "outputs.program_trace.bin: must be a list"),
    (edited(lambda h: h["outputs"][TRACE][1].update(offset=0)), "does not follow"),
    (edited(lambda h: h["outputs"][PROGRAM][0]["logits"].pop()), "must give every word"),
    (edited(lambda h: h["outputs"][TRACE][1].update(slots=[0, 0])), "must give every channel"),
    (edited(lambda h: h["outputs"][TRACE][1].update(slots=[*range(17), 30])), "match the tensor's"),
    (edited(lambda h: h.update(spill_words=-1)), "spill_words: must be a whole number"),
    (edited(lambda h: h["programs"][PROGRAM]["iterations"][0].__setitem__(0, 1)), r"iterations.0."),
    (edited(lambda h: h["programs"][PROGRAM]["iterations"].pop()), "program.bin has 10 records"),
    (edited(lambda h: h["ops"][0].update(opcode="JUMP")), "must be one of LOAD"),
    (edited(lambda h: h.update(ops=[])), "differ in number"),
    (edited(lambda h: h["array"].update(weight_word_bits=512)), "outside weights.bin|whole number"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_damage_is_refused(
    design: PackedDesign, tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    """Every damage has its own words and says where it is."""
    damage(saved(design, tmp_path))
    with pytest.raises(ArtefactError, match=words):
        load_design(tmp_path)


def test_several_damaged_files_are_listed_at_once(design: PackedDesign, tmp_path: Path) -> None:
    """One run shows all of them."""
    folder = saved(design, tmp_path)
    flip("weights.bin")(folder)
    flip("params.bin")(folder)
    with pytest.raises(ArtefactError, match="2 problems"):
        load_design(folder)


def test_a_program_of_another_design_is_refused(design: PackedDesign, tmp_path: Path) -> None:
    """Right digests, but the program does not belong to the header."""
    graph = Builder((4, 3, 3), fmt()).matmul("c", "x", 5, fmt()).graph()
    other = pack(graph, make_schedule(graph, ARRAY))
    blobs = dict(design.blobs) | {PROGRAM: other.blob(PROGRAM)}
    mixed = replace(design, blobs=tuple(blobs.items()))
    with pytest.raises(ArtefactError, match="reads 12 input words, which the header contradicts"):
        load_design(saved(mixed, tmp_path))
