"""The files beside an ONNX file in which it keeps tensors, as PyTorch's exporter does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.onnx.file import parse_model
from rmsmp_hls.frontend.onnx.tensors import TensorReader
from rmsmp_hls.frontend.onnx.wire import is_onnx_file


def data_files(path: Path) -> tuple[Path, ...]:
    """Return the data files of a model, each once; none for a file of any other kind.

    What cannot be read, or lies outside of the model's folder, is left out: `read_onnx` says so.
    """
    if not is_onnx_file(path):
        return ()
    found: dict[Path, None] = {}
    try:
        onnx, proto = parse_model(path)
        reader = TensorReader(onnx, path)
    except ModelImportError:
        return ()
    for tensor in _tensors(proto):
        if reader.is_external(tensor):
            try:
                found[reader.data_file(tensor, "")] = None
            except ModelImportError:
                continue
    return tuple(found)


def _tensors(proto: Any) -> Iterator[Any]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            yield attribute.t
