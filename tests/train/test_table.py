"""The user's own table, from a mapping and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError


def test_a_table_round_trips_through_a_file(model: rt.RmsmpModel, tmp_path: Path) -> None:
    """What was saved is assigned again, by path."""
    path = tmp_path / "rows.json"
    wanted = rt.table_of(model)
    rt.save_table(model, path)
    assert rt.load_table(path) == wanted
    rt.assign(model, dict.fromkeys(wanted, "Fixed-4"))
    assert set(rt.table_of(model)["fc"]) == {"Fixed-4"}
    done = rt.assign(model, path)
    assert rt.table_of(model) == wanted and done.missing == {}
    kinds = [name for formats in wanted.values() for name in formats]
    assert done.rows_changed == len(kinds) - kinds.count("Fixed-4")


def test_yaml_with_one_format_for_a_whole_layer(model: rt.RmsmpModel, tmp_path: Path) -> None:
    """Names in any case; layers that are not named stay as they are."""
    path = tmp_path / "rows.yaml"
    path.write_text(
        "fc: fixed-8\nconv1: [sp2-4, Fixed-4, Fixed-8, SP2-4, SP2-4, SP2-4, SP2-4, SP2-4]\n"
    )
    before = rt.table_of(model)
    rt.assign(model, str(path))
    after = rt.table_of(model)
    assert after["fc"] == ("Fixed-8",) * 5
    assert after["conv1"] == ("SP2-4", "Fixed-4", "Fixed-8", *("SP2-4",) * 5)
    assert after["conv2"] == before["conv2"]


def test_layer_names_stay_text(tmp_path: Path) -> None:
    """A layer called 0, or null, is not a number or nothing."""
    path = tmp_path / "rows.yaml"
    path.write_text("0: Fixed-4\nnull: [PoT-4]\n")
    assert rt.load_table(path) == {"0": "Fixed-4", "null": ("PoT-4",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "not a table"),
        ("", "not a table"),
        ("a: [1, 2\n", "not YAML or JSON"),
        ("a: Fixed-4\na: Fixed-8\n", r"rows.yaml:2: layer 'a' is given twice"),
        ("a: {b: c}\n", "not the formats of a layer"),
        ("a: [[Fixed-4]]\n", "not the formats of a layer"),
        ("[a]: Fixed-4\n", "not the formats of a layer"),
        ("[" * 5000, "not YAML or JSON|not a YAML"),
    ],
)
def test_files_that_are_no_tables(text: str, message: str, tmp_path: Path) -> None:
    """The message gives the file, and the line where there is one."""
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        rt.load_table(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, not text, too large."""
    binary, large = tmp_path / "b", tmp_path / "l"
    binary.write_bytes(b"\xff\xfe\x00")
    with large.open("wb") as file:
        file.truncate((1 << 24) + 1)
    for path in (tmp_path / "missing.yaml", tmp_path, binary, large):
        with pytest.raises(ConfigError, match=path.name):
            rt.load_table(path)


def test_tables_that_do_not_fit_are_refused_whole(model: rt.RmsmpModel) -> None:
    """All findings at once; nothing changes."""
    before = rt.table_of(model)
    table = {"conv9": "Fixed-4", "fc": ["Fixed-4"], "conv1": "PoT-4", "conv2": 8, "down": "Fixed-5"}
    with pytest.raises(QuantizationError) as caught:
        rt.assign(model, table)  # type: ignore[arg-type]
    message = str(caught.value)
    assert len(caught.value.findings) == 5
    assert "did you mean 'conv" in message and "5 rows" in message and "int is no list" in message
    assert "['PoT-4'] are not available" in message and "['Fixed-5']" in message
    assert rt.table_of(model) == before
