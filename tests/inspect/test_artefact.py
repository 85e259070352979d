"""What a path holds: every kind, and everything that is none."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rmsmp_hls.errors import ArtefactError, ModelImportError
from rmsmp_hls.inspect import inspect_artefact
from rmsmp_hls.inspect.artefact import Kind, identify
from tests.inspect.artefacts import small_graphs, write_design, write_graph


def shown(path: Path, width: int = 140) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(inspect_artefact(path, width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


@pytest.fixture(scope="module")
def graphs():
    return small_graphs()


@pytest.mark.parametrize(
    ("level", "title"),
    [
        ("float", "Float graph: the network as PyTorch computes it"),
        ("quant", "Quantized graph: weight codes, row formats, scales"),
        ("int", "Integer graph: what the array computes"),
    ],
)
def test_a_graph_is_shown_by_its_header_its_arrays_or_its_folder(
    tmp_path: Path, graphs, level: str, title: str
) -> None:
    """All three name the same graph; every operation has its line."""
    header = write_graph(tmp_path, graphs[level], level)
    for path in (header, header.with_suffix(".npz"), tmp_path):
        assert identify(path) == (Kind.GRAPH, header)
    text = shown(header)
    assert text.startswith(title)
    for op in graphs[level].ops:
        assert f"\n  {op.name} " in text


def test_a_quantized_graph_shows_rows_scales_codes_and_bytes(tmp_path: Path, graphs) -> None:
    """Per layer the rows of each format and the spread of the row scales."""
    text = shown(write_graph(tmp_path, graphs["quant"], "quant"))
    op = graphs["quant"].op("fc15")
    scales = op.row_scales.array
    line = next(line for line in text.splitlines() if line.startswith("  fc15 "))
    assert f"{scales.min():.4g} / {np.median(scales):.4g} / {scales.max():.4g}" in line
    for name in set(op.formats):
        assert f"{name} {op.formats.count(name)}" in line
    assert "Weight codes" in text
    assert "█" in text


@pytest.mark.parametrize("width", [80, 140])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, graphs, width: int) -> None:
    """Also of the widest table."""
    text = shown(write_graph(tmp_path, graphs["int"], "int"), width)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_file_of_arrays_is_listed(tmp_path: Path) -> None:
    """Name, type, shape and range of every array."""
    np.savez(tmp_path / "d.npz", inputs=np.zeros((2, 1, 3, 3), np.float32), labels=np.array([3, 5]))
    text = shown(tmp_path / "d.npz")
    assert text.startswith("File of arrays")
    assert "2×1×3×3" in text
    assert "3 / 4 / 5" in text


def test_an_array_file_with_a_pickle_is_refused_not_loaded(tmp_path: Path) -> None:
    """Objects are named as what they are."""
    np.savez(tmp_path / "d.npz", inputs=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtefactError, match="holds objects instead of numbers"):
        shown(tmp_path / "d.npz")


def test_a_build_folder_lists_stages_and_folders(tmp_path: Path) -> None:
    """What is finished and how large it is."""
    (tmp_path / ".rmsmp-hls").mkdir()
    (tmp_path / ".rmsmp-hls" / "import.json").write_text("{}")
    (tmp_path / "1_import").mkdir()
    (tmp_path / "1_import" / "float.json").write_bytes(b"x" * 2048)
    text = shown(tmp_path)
    assert text.startswith("Build folder")
    assert "finished stages: import" in text
    line = next(line for line in text.splitlines() if line.startswith("  1_import "))
    assert line.split() == ["1_import", "1", "2.0", "KiB", "float.json"]


def test_a_packed_design_is_found_by_any_of_its_files(tmp_path: Path) -> None:
    """The folder, the header, a blob."""
    folder = write_design(tmp_path)
    for path in (folder, folder / "design.json", folder / "weights.bin"):
        assert identify(path) == (Kind.DESIGN, folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "is JSON without a schema of ours"),
        ("a.json", b'{"schema": "x/y"}', "has schema 'x/y'"),
        ("a.json", b"[" * 100_000, "is JSON without a schema of ours"),
        ("a.txt", b"hello", "is nothing that rmsmp-hls writes"),
        ("a.bin", b"", "is nothing that rmsmp-hls writes"),
        ("a.npz", b"PK\x03\x04 cut off", "is damaged"),
        ("a.json", json.dumps({"schema": "rmsmp-hls/int-graph", "version": 9}).encode(),
         "has version 9"),
    ],
)  # fmt: skip
def test_foreign_and_damaged_files_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """With the path and what was found."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        shown(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_an_empty_or_ambiguous_folder_is_refused(tmp_path: Path, graphs) -> None:
    """Nothing is guessed."""
    with pytest.raises(ArtefactError, match="holds nothing that rmsmp-hls writes"):
        identify(tmp_path)
    write_graph(tmp_path, graphs["int"], "a")
    write_graph(tmp_path, graphs["int"], "b")
    with pytest.raises(ArtefactError, match="holds 2 graphs"):
        identify(tmp_path)


def test_a_bare_pickle_is_left_to_the_checkpoint_loader(tmp_path: Path) -> None:
    """It says what the file is; nothing in it runs."""
    path = tmp_path / "model.pt"
    path.write_bytes(b"\x80\x04cos\nsystem\n.")
    assert identify(path) == (Kind.CHECKPOINT, path)
    with pytest.raises(ModelImportError):
        shown(path)
