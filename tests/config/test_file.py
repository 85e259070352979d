"""rmsmp.yaml: what it says, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.config import BuildOptions, load_config
from rmsmp_hls.config.file import KEYS
from rmsmp_hls.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str | bytes) -> Path:
        path = tmp_path / "rmsmp.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).replace(str(path), "FILE")


def test_values_arrive_with_their_types(write, tmp_path: Path) -> None:
    """Numbers, lists, and paths relative to the file; 65:30:5 is no base-60 number."""
    path = write(
        "board: zcu102\nratio: 65:30:5\nclock_mhz: 150\ndata: digits.npz\nimages: 8\n"
        "dump_ir: no\nlut_share: .5\nstorages: [native]\narray:\n  channels: 16\n  pixels: 4\n"
    )
    assert load_config(path) == {
        "board": "zcu102",
        "ratio": (65.0, 30.0, 5.0),
        "clock_mhz": 150.0,
        "data": tmp_path / "digits.npz",
        "images": 8,
        "dump_ir": False,
        "lut_share": 0.5,
        "storages": ("native",),
        "array": {"channels": 16, "pixels": 4},
    }


def test_a_board_file_is_relative_to_the_configuration(write, tmp_path: Path) -> None:
    """So that the folder can be moved."""
    assert load_config(write("board: mine.yaml\n")) == {"board": str(tmp_path / "mine.yaml")}


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_says_nothing(write, text: str) -> None:
    """It is not an error."""
    assert load_config(write(text)) == {}


def test_every_key_is_an_option() -> None:
    """A key that no build option has could not be obeyed."""
    assert set(KEYS) <= set(BuildOptions.__dataclass_fields__)


def test_all_problems_are_listed_at_once_with_their_lines(write) -> None:
    """Unknown, doubled and wrong values, each with a remedy."""
    text = (
        "bord: zcu102\nimages: many\nimages: 3\nratio: '1:2'\narray: {chanels: 4, pixels: two}\n"
        "top: [a]\ndump_ir: maybe\nclock_mhz: .inf\npart:\n"
    )
    message = refused(write(text))
    known = ", ".join(KEYS)
    assert message.startswith(
        "9 problems:\n"
        f"- FILE:1: unknown key 'bord'\n  -> did you mean 'board'? known: {known}\n"
        "- FILE:2: images: 'many' is not a whole number\n"
        "- FILE:3: images is given twice\n  -> keep one of the lines\n"
        "- FILE:4: ratio: a ratio has three numbers, '1:2' has 2\n"
    )
    assert "- FILE:5: 2 problems:" in message
    assert "did you mean 'channels'?" in message
    assert "- FILE:6: top: one value is expected, not a list\n" in message
    assert "- FILE:7: dump_ir: 'maybe' is neither yes nor no\n" in message
    assert "- FILE:8: clock_mhz: '.inf' is not a number\n" in message


def test_a_missing_value_is_said(write) -> None:
    """`part:` with nothing behind it is not an empty part."""
    assert refused(write("part:\n")) == "FILE:1: part: the value is empty"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n", "FILE: not a list of `key: value` lines"),
        ("a: [1\n", "FILE:2: not YAML: expected ',' or ']', but got '<stream end>'"),
        (b"\xff\xfe\x00", "FILE: not a YAML text file"),
        ("a: \x07\n", "FILE: not YAML: unacceptable character #x0007"),
        ("[" * 5000, "FILE: not a YAML text file"),
        ("a" * (1 << 20) + "aa", "FILE: larger than 1 MiB, not a configuration file"),
    ],
)
def test_what_is_no_configuration_is_refused(write, content: str | bytes, message: str) -> None:
    """Lists, binary files, endless nesting, huge files."""
    assert refused(write(content)).startswith(message)


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    """The file system's own words are used."""
    missing = tmp_path / "none.yaml"
    assert refused(missing) == "FILE: no such file\n  -> check --config"
    assert refused(tmp_path).startswith("FILE: cannot be read: ")
