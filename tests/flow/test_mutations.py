"""A planted one-bit error is found, and named to the element."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rmsmp_hls.cli.program import program
from rmsmp_hls.codegen.layout import OutputTensor, read_layout
from rmsmp_hls.codegen.project import vector_files
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import MismatchError
from rmsmp_hls.flow import WALK
from rmsmp_hls.pack.design import PARAMS, PROGRAM, TRACE, WEIGHTS, PackedDesign
from rmsmp_hls.pack.emulate import Emulator
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.pack.program import Segment, decode_program
from rmsmp_hls.stages.simulate import SIMULATE
from rmsmp_hls.stages.stage import StageContext
from rmsmp_hls.store import BuildFolder
from tests.flow.models import IMAGES, Recorder

LAYERS = ("relu", "branch", "fc")
TENSORS = ("relu", "pool", "pool.narrow", "branch", "relu_1", "average", "fc")
_FOUND = re.compile(
    r"layer '(?P<layer>[^']*)', image (?P<image>\d+), (?:channel (?P<channel>\d+)|top-1 index)"
    r"(?:, y (?P<y>\d+), x (?P<x>\d+))?: expected (?P<expected>-?\d+), got (?P<got>-?\d+)"
)


@dataclass(frozen=True)
class Finding:
    """One element as the message names it; -1 where it does not say."""

    layer: str
    image: int
    channel: int
    y: int
    x: int
    expected: int
    got: int


class Project:
    """A build folder whose project data are changed behind the build's back."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "hls" / "data"
        self.design: PackedDesign = load_design(root / "4_packed")

    def flip(self, name: str, bit: int) -> None:
        content = bytearray((self.data / name).read_bytes())
        content[bit // 8] ^= 1 << (bit % 8)
        (self.data / name).write_bytes(content)

    def words(self, name: str) -> np.ndarray:
        return np.fromfile(self.data / name, dtype="<u4").reshape(IMAGES, -1)

    def simulate(self) -> list[Finding]:
        """Run the stage csim; return what its error lists."""
        folder = BuildFolder(self.root)
        records = {stage.name: folder.record(stage.name) for stage in WALK[:5]}
        assert all(records.values())
        options = BuildOptions(Path("m.pt"), "zcu102", out=self.root, storages=("native",))
        folders = {stage.name: stage.folder for stage in WALK}
        context = StageContext(options, folder, folders, records, Recorder())  # type: ignore[arg-type]
        with pytest.raises(MismatchError) as caught:
            SIMULATE.run(context)
        assert "differs from the integer reference" in caught.value.what
        return [
            Finding(
                found["layer"],
                *(int(found[key] or -1) for key in ("image", "channel", "y", "x")),
                int(found["expected"]),
                int(found["got"]),
            )
            for found in _FOUND.finditer(caught.value.what)
        ]


@pytest.fixture
def project(folder: Path) -> Project:
    return Project(folder)


def elements_of(tensor: OutputTensor) -> Iterator[tuple[int, int]]:
    """Yield (word, byte) of every element."""
    for word in range(tensor.words):
        mask = tensor.masks[word % len(tensor.masks)]
        for byte in range(4 if tensor.element_bits == 8 else 1):
            if (mask >> (8 * byte)) & 0xFF:
                yield word, byte


def expected_findings(project: Project, words: np.ndarray) -> list[Finding]:
    """Return where `words`, which the hardware sends, differ from the expected ones, in order."""
    wanted = project.words("expected_trace.bin")
    found = []
    for tensor in read_layout(project.design).trace.tensors:
        for image in range(IMAGES):
            for word, byte in elements_of(tensor):
                at = tensor.position(word, byte)
                values = [
                    tensor.value(int(array[image, tensor.offset + word]), byte)
                    for array in (wanted, words)
                ]
                if values[0] != values[1]:
                    y, x = (-1, -1) if tensor.logits else (at.y, at.x)
                    found.append(Finding(tensor.name, image, at.channel, y, x, *values))
    return found


def test_the_network_has_the_layers_that_are_changed(project: Project) -> None:
    """The lists above name every tensor and every matrix multiplication."""
    assert tuple(t.name for t in read_layout(project.design).trace.tensors) == TENSORS
    assert tuple(op.name for op in project.design.ops if op.opcode == "MATMUL") == LAYERS


@pytest.mark.parametrize("name", TENSORS)
def test_a_bit_of_the_expected_vectors(name: str, project: Project) -> None:
    """One element of one tensor: exactly that one is reported, with both values."""
    tensors = {t.name: t for t in read_layout(project.design).trace.tensors}
    tensor = tensors[name]
    rng = np.random.default_rng(TENSORS.index(name))
    word, byte = list(elements_of(tensor))[rng.integers(tensor.elements)]
    image, bit = int(rng.integers(IMAGES)), int(rng.integers(4))
    right = project.words("expected_trace.bin")
    start = 32 * (image * right.shape[1] + tensor.offset + word)
    project.flip("expected_trace.bin", start + 8 * byte + bit)
    findings = expected_findings(project, right)
    assert len(findings) == 1
    assert project.simulate()[:1] == findings


def test_a_bit_of_the_expected_top_1(project: Project) -> None:
    """The index of the largest logit is an element too."""
    fc = read_layout(project.design).trace.tensors[-1]
    words = project.words("expected_trace.bin").shape[1]
    got = int(project.words("expected_trace.bin")[1, fc.offset + fc.words - 1])
    project.flip("expected_trace.bin", 32 * (words + fc.offset + fc.words - 1))
    assert project.simulate()[0] == Finding("fc", 1, -1, -1, -1, got ^ 1, got)


def segments(design: PackedDesign, blob: str) -> dict[str, Segment]:
    """Return layer -> its words in the blob."""
    decoded = decode_program(design.blob(PROGRAM), PROGRAM)
    found = decoded.weight_segments if blob == WEIGHTS else decoded.param_segments
    return dict(zip(LAYERS, found, strict=True))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("blob", [WEIGHTS, PARAMS])
def test_a_bit_of_what_the_hardware_reads(blob: str, layer: str, project: Project) -> None:
    """The first layer that is wrong is named first, with what the array then computes.

    The array emulator, which never saw the C++, says what that is.
    """
    segment = segments(project.design, blob)[layer]
    word_bits = 128 if blob == PARAMS else project.design.array.weight_beat_bits
    start, end = (word_bits * n for n in (segment.offset, segment.offset + segment.words))
    rng = np.random.default_rng(LAYERS.index(layer))
    inputs = project.words("input.bin")
    for _ in range(200):
        bit = int(rng.integers(start, end))
        if blob == PARAMS and (bit % 128 >= 98):
            continue  # addresses and unused bits
        content = bytearray(project.design.blob(blob))
        content[bit // 8] ^= 1 << (bit % 8)
        blobs = {**dict(project.design.blobs), blob: bytes(content)}
        changed = dataclasses.replace(project.design, blobs=tuple(blobs.items()))
        # A weight of a position without a channel multiplies whatever lies there: no claim.
        sent = [Emulator(changed, TRACE, seed).run(inputs)[0] for seed in (0, 1)]
        findings = expected_findings(project, sent[0])
        if findings and findings == expected_findings(project, sent[1]):
            break
    else:
        pytest.fail("no bit of this layer has an effect")
    assert findings[0].layer == layer
    project.flip(blob, bit)
    found = project.simulate()
    assert found[0].layer == layer
    assert set(found[:3]) <= set(findings)


def test_a_bit_of_the_input(project: Project) -> None:
    """The first layer that sees it is named; a folded input has no tensor of its own."""
    inputs = project.words("input.bin")
    inputs[0, 0] ^= 1
    findings = expected_findings(project, Emulator(project.design, TRACE).run(inputs)[0])
    project.flip("input.bin", 0)
    found = project.simulate()
    assert found[0].layer == findings[0].layer == LAYERS[0]
    assert set(found[:3]) <= set(findings)


def test_the_command_line_reports_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 10, the element, the log; no record says that the stage is done."""

    def wrong(design: PackedDesign, inputs: np.ndarray, expected: np.ndarray) -> dict[str, bytes]:
        broken = np.array(expected)
        broken[2, 5] ^= 1
        return vector_files(design, inputs, broken)

    monkeypatch.setattr("rmsmp_hls.stages.generate.vector_files", wrong)
    command = f"build gone.pt --board zcu102 -o {project.root} --storage native --from generate"
    result = CliRunner().invoke(program, command.split())
    assert result.exit_code == 10, result.output
    assert "layer 'relu', image 2, channel 4, y 0, x 2: expected" in result.stderr
    assert f"differs from the integer reference in 1 of {IMAGES * 788} elements" in result.stderr
    assert "csim-native.log" in result.stderr
    assert BuildFolder(project.root).record("csim") is None
