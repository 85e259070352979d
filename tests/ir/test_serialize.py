"""Saved graphs: round trip, determinism, damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.serialize import graph_files, load_graph
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from tests.blocks import BLOCKS
from tests.networks import params_for, residual_network


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _levels(make: Callable[[int], FloatGraph] = residual_network):
    graph = make(1)
    quantized = quantize(graph, params_for(graph))
    return [graph, quantized, lower(quantized)]


@pytest.mark.parametrize("make", [residual_network, *BLOCKS.values()], ids=lambda m: m.__name__)
@pytest.mark.parametrize("level", range(3), ids=["float", "quant", "int"])
def test_round_trip_keeps_every_field(
    tmp_path: Path, level: int, make: Callable[[int], FloatGraph]
) -> None:
    """What is read equals what was written, arrays and infinities included."""
    graph = _levels(make)[level]
    _write(tmp_path, graph_files(graph, "g"))
    loaded = load_graph(tmp_path / "g.json")
    assert loaded == graph
    assert graph_files(loaded, "g") == graph_files(graph, "g"), "same graph, same bytes"


def _damage(header: dict, what: str) -> None:
    if what == "operation":
        header["ops"][1]["op"] = "System"
    elif what == "field":
        header["ops"][1]["surprise"] = 1
    elif what == "missing":
        del header["ops"][1]["shape"]
    elif what == "type":
        header["ops"][1]["name"] = 3
    elif what == "version":
        header["version"] = 99
    elif what == "schema":
        header["schema"] = "other/thing"
    elif what == "digest":
        key = next(iter(header["arrays"]))
        header["arrays"][key] = "0" * 64


@pytest.mark.parametrize(
    "what", ["operation", "field", "missing", "type", "version", "schema", "digest"]
)
def test_foreign_or_damaged_headers_are_refused(tmp_path: Path, what: str) -> None:
    """Each kind of damage is an ArtefactError, never a wrong graph."""
    _write(tmp_path, graph_files(_levels()[2], "g"))
    header = json.loads((tmp_path / "g.json").read_text())
    _damage(header, what)
    (tmp_path / "g.json").write_text(json.dumps(header))
    with pytest.raises(ArtefactError):
        load_graph(tmp_path / "g.json")


@pytest.mark.parametrize("name", ["g.json", "g.npz"])
@pytest.mark.parametrize("how", ["gone", "empty", "half", "noise"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, how: str) -> None:
    """Missing, empty, truncated or overwritten files are named."""
    files = graph_files(_levels()[2], "g")
    _write(tmp_path, files)
    path = tmp_path / name
    if how == "gone":
        path.unlink()
    else:
        content = files[name]
        noise = np.random.default_rng(0).bytes(len(content))
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "noise": noise}[how])
    with pytest.raises(ArtefactError, match=name):
        load_graph(tmp_path / "g.json")
