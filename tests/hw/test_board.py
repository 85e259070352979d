"""Boards: the shipped ones are whole, a user's own is checked, names and parts are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.hw.board import board_for_part, boards, load_board

NAMES = {"zcu102", "zcu104", "kv260", "ultra96-v2", "zc706", "pynq-z2", "zedboard"}
FIGURES = (
    "part", "dsp_family", "lut", "ff", "dsp", "bram36", "uram", "clock_mhz", "memory_ports",
    "memory_port_bits", "ddr_gb_per_s",
)  # fmt: skip
GOOD = """\
name: mine
part: xczu5ev-sfvc784-1-e
family: ultrascale+
dsp_family: DSP48E2
lut: 117120
ff: 234240
dsp: 1248
bram36: 144
uram: 64
clock_mhz: 150
memory_ports: 2
memory_port_bits: 128
ddr_gb_per_s: 12.8
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_seven_boards_ship() -> None:
    """The boards of the README, each under its own name."""
    assert {board.name for board in boards()} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_figure_has_a_source(name: str) -> None:
    """No figure without a word about where it is from."""
    board = load_board(name)
    assert all(board.source(key) for key in FIGURES)
    e1 = board.dsp_family is DspFamily.DSP48E1
    assert e1 == (board.family == "7series") == board.device.startswith("xc7")


def test_names_are_found_whatever_their_case() -> None:
    """ZCU102 is zcu102."""
    assert load_board("ZCU102") == load_board("zcu102")


def test_an_unknown_board_gets_a_suggestion() -> None:
    """The error says what is near and what there is."""
    with pytest.raises(ConfigError, match="did you mean 'zcu102'") as caught:
        load_board("zcu-102")
    assert "pynq-z2" in str(caught.value)


def test_a_users_board_file_is_read(tmp_path: Path) -> None:
    """Optional keys are filled in."""
    board = load_board(written(tmp_path, GOOD))
    assert (board.name, board.title, board.device) == ("mine", "mine", "xczu5ev")
    assert board.dsp_family is DspFamily.DSP48E2
    assert board.ddr_gb_per_s == 12.8


def test_all_faults_of_a_board_file_come_at_once(tmp_path: Path) -> None:
    """Misspelt, missing, negative, of a wrong type, hostile: one error lists them."""
    text = GOOD.replace("bram36:", "brams36:").replace("lut: 117120", "lut: -5")
    text = text.replace("dsp: 1248", "dsp: many").replace("xczu5ev-sfvc784-1-e", '"a; rm -rf /"')
    with pytest.raises(ConfigError) as caught:
        load_board(written(tmp_path, text))
    message = str(caught.value)
    assert "unknown key 'brams36'" in message
    assert "did you mean 'bram36'" in message
    assert "key 'bram36' is missing" in message
    for words in ("lut must be a whole number", "dsp must be a whole", "part must be"):
        assert words in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("clock_mhz: .nan", "clock_mhz must be a positive number"),
        ("clock_mhz: true", "clock_mhz must be a positive number"),
        ("family: ultrascale", "family must be one of"),
        ("memory_port_bits: 100", "memory_port_bits must be one of"),
        ("sources: [a]", "sources must be a mapping"),
        ("sources: {luts: x}", "did you mean 'lut'"),
        ("name: ../x", "name must be a name"),
        ("x: !!python/object/apply:os.system ['false']", "not a YAML file of plain values"),
        ("a: [", "not a YAML file"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    """Each kind of bad value has its own words; nothing in the file is executed."""
    key = line.split(":")[0]
    kept = [text for text in GOOD.splitlines() if not text.startswith(f"{key}:")]
    with pytest.raises(ConfigError, match=words):
        load_board(written(tmp_path, "\n".join([*kept, line])))


@pytest.mark.parametrize("text", ["", "- a", "just words", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """Empty files, lists and binary junk."""
    with pytest.raises(ConfigError):
        load_board(written(tmp_path, text))


def test_a_missing_board_file_is_named(tmp_path: Path) -> None:
    """A path is a path, even if there is nothing."""
    with pytest.raises(ConfigError, match="cannot read the board file"):
        load_board(str(tmp_path / "none.yaml"))


def test_a_part_of_a_known_device_takes_over_its_figures() -> None:
    """Package and speed grade may differ; the exact part of a board is that board."""
    other = board_for_part("xczu9eg-ffvc900-1-e")
    assert (other.lut, other.part) == (load_board("zcu102").lut, "xczu9eg-ffvc900-1-e")
    assert "board zcu102" in other.source("ddr_gb_per_s")
    assert board_for_part("xc7z020clg484-1").name == "zedboard"


@pytest.mark.parametrize("part", ["xczu28dr-ffvg1517-2-e", "xc7z0201clg400-1"])
def test_an_unknown_device_tells_how_to_write_a_board_file(part: str) -> None:
    """No guess is made."""
    with pytest.raises(ConfigError, match="write a board file"):
        board_for_part(part)


@pytest.mark.parametrize("part", ["", "x", "a b", "xczu9eg;ls", "xczu9eg\n", "[exec ls]", "x" * 99])
def test_a_hostile_part_is_refused(part: str) -> None:
    """Nothing that a tool could misread gets through."""
    with pytest.raises(ConfigError, match="is not a part"):
        board_for_part(part)
