"""Packed designs, read back from the blobs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.inspect.designs import design_view, lane_histograms, multipliers, packed_layers
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.pack.design import WEIGHTS
from rmsmp_hls.pack.files import load_design
from tests.inspect.artefacts import ARRAY, small_graphs, write_design


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_design(tmp_path_factory.mktemp("design"))


def _non_zero(op: IntMatmul, planes: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, row in zip(op.formats, op.codes.array, strict=True):
        integers = codebook(name).decode(row)
        counts[name] = counts.get(name, 0) + planes * int((integers != 0).sum())
    return counts


def test_the_lanes_hold_the_weights_of_the_integer_graph(folder: Path) -> None:
    """Weights that are not 0 are as many in the blobs as in the graph, once per plane.

    A Fixed-4 row may lie in a Fixed-8 lane, so the two are counted together.
    """
    graph = small_graphs()["int"]
    layers = packed_layers(load_design(folder), "design")
    matmuls = [op for op in graph.ops if isinstance(op, IntMatmul)]
    assert [layer.op.name for layer in layers] == [op.name for op in matmuls]
    for layer, op in zip(layers, matmuls, strict=True):
        source = graph.op(op.inputs[0]).output
        assert source is not None
        expected = _non_zero(op, source.planes)
        found = {item.name: item.total - item.zeros for item in lane_histograms(layer, ARRAY)}
        assert found["SP2-4"] == expected["SP2-4"]
        fixed = ("Fixed-4", "Fixed-8")
        assert sum(found.get(n, 0) for n in fixed) == sum(expected.get(n, 0) for n in fixed)


def test_the_multipliers_are_those_of_the_integer_graph(folder: Path) -> None:
    """Of the valid lanes, in whatever order."""
    graph = small_graphs()["int"]
    for layer in packed_layers(load_design(folder), "design"):
        op = graph.op(layer.op.name)
        assert sorted(multipliers(layer, 0)) == sorted(op.multiplier.array)


def test_the_view_names_array_blobs_and_operations(folder: Path) -> None:
    """Everything that a person asks first."""
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(design_view(folder, 140))
    text = out.getvalue()
    assert text.startswith("Packed design: program, weights and parameters of the array\n")
    assert "5 shift-add + 4 fixed-4 + 1 fixed-8 row lanes × 8 channels × 2 pixels" in text
    assert "weights.bin" in text
    for op in load_design(folder).ops:
        assert f"\n  {op.name} " in text


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    """One changed bit is enough."""
    folder = write_design(tmp_path)
    blob = bytearray((folder / WEIGHTS).read_bytes())
    blob[len(blob) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(blob))
    with pytest.raises(ArtefactError):
        design_view(folder, 100)


def test_a_code_without_meaning_is_found(folder: Path) -> None:
    """Index 7 in a shift-add lane of SP2-4."""
    layer = packed_layers(load_design(folder), "design")[0]
    broken = type(layer)(layer.op, np.full_like(layer.weights, 0x77), layer.params, layer.steps)
    with pytest.raises(ValueError, match="no magnitude"):
        lane_histograms(broken, ARRAY)
