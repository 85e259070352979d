"""`rmsmp-hls cycles`: the tables, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.pack.files import design_files
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.schedule.schedule import make_schedule
from tests.pack.test_emulate import ARRAY
from tests.schedule.graphs import small_residual


@pytest.fixture(scope="module")
def design_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed design of every kind of operation."""
    folder = tmp_path_factory.mktemp("design")
    graph = small_residual()
    for name, data in design_files(pack(graph, make_schedule(graph, ARRAY))).items():
        (folder / name).write_bytes(data)
    return folder


def test_operations_and_their_sums(call, design_dir: Path) -> None:
    """One line per operation; the last adds them up; everything is labelled."""
    lines = call("cycles", design_dir, "--board", "zcu102").stdout.splitlines()
    assert lines[0] == "Simulated cycles, first image"
    cells = {words[0]: words for words in (line.split() for line in lines[2:14]) if words}
    assert cells["conv1"][1] == "MATMUL"
    cycles = [int(words[3].replace(",", "")) for name, words in cells.items() if name != "all"]
    assert int(cells["all"][2].replace(",", "")) == sum(cycles)
    assert any(line.startswith("Assumed, not measured: zcu102 at 200 MHz") for line in lines)


def test_an_ideal_memory_is_never_slower(call, design_dir: Path) -> None:
    """And the page says what was assumed."""
    slow = call("cycles", design_dir, "--board", "pynq-z2").stdout
    quick = call("cycles", design_dir, "--board", "pynq-z2", "--ideal").stdout
    assert "a memory without latency and limits" in quick

    def first(text: str) -> int:
        line = next(line for line in text.splitlines() if "Cycles of the first image" in line)
        return int(line.split()[-1].replace(",", ""))

    assert first(quick) < first(slow)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--images", "0"), "--images: 0 images"),
        (("--images", "1001"), "--images: 1001 images"),
        (("--clock-mhz", "0.5"), "--clock-mhz: 0.5 MHz"),
        (("--board", "zcu1O2"), "did you mean 'zcu102'"),
    ],
)
def test_numbers_out_of_range_are_refused(
    call, design_dir: Path, options: tuple[str, ...], says: str
) -> None:
    """Wrong usage, with the bounds."""
    result = call("cycles", design_dir, "--board", "zcu102", *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_damaged_design_is_refused(call, design_dir: Path, tmp_path: Path) -> None:
    """As by every reader of packed designs."""
    for file in design_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "program.bin").write_bytes(b"\0" * 64)
    result = call("cycles", tmp_path, "--board", "zcu102")
    assert result.exit_code == 7
    assert "program.bin" in result.stderr


def test_a_folder_without_a_design_is_said_to_be_one(call, tmp_path: Path) -> None:
    """Not that a board is missing: naming one would not help."""
    result = call("cycles", tmp_path / "nowhere")
    assert result.exit_code != 0
    assert "holds no packed design" in result.stderr
    assert "--board" not in result.stderr
