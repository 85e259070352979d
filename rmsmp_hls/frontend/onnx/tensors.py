"""TensorProto -> array. External data is read only from the model's own folder."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.onnx.model import Array, printable

LARGEST_TENSOR = 1 << 31
"""Most elements of one tensor."""
_LARGEST_ALL = 1 << 33  # bytes of all tensors of a file
_EXTERNAL = 1
_NARROW = {"INT4": ("i1", 4), "UINT4": ("u1", 4), "INT2": ("i1", 2), "UINT2": ("u1", 2)}
"""Integers of less than a byte -> (the type that holds them, their bits)."""
_EXPORT_AGAIN = "export the model again"


class TensorReader:
    """Reads the tensors of one file, and counts their bytes.

    Args:
        onnx: the package `onnx`.
        path: the model file.
    """

    def __init__(self, onnx: Any, path: Path) -> None:
        self.onnx = onnx
        self.folder = path.parent
        self.total = 0

    def read(self, tensor: Any, where: str) -> Array:
        """Return the array.

        Raises:
            ModelImportError: no numbers, of impossible sizes, or data that is missing, too
                short, or outside of the model's folder.
        """
        dims = tuple(int(size) for size in tensor.dims)
        elements = math.prod(dims)
        if min(dims, default=0) < 0 or elements > LARGEST_TENSOR or len(dims) > 32:
            raise ModelImportError(
                f"has the impossible shape {list(dims)[:8]}", where=where, fix=_EXPORT_AGAIN
            )
        if tensor.HasField("segment"):
            raise ModelImportError("is stored in segments", where=where, fix=_EXPORT_AGAIN)
        kinds = self.onnx.TensorProto.DataType
        kind = kinds.Name(tensor.data_type) if tensor.data_type in kinds.values() else "unknown"
        try:
            dtype = np.dtype(self.onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except (KeyError, ValueError, TypeError):
            dtype = np.dtype(object)
        if dtype.hasobject or kind in ("STRING", "UNDEFINED"):
            raise ModelImportError(f"is of type {kind}, no numbers", where=where, fix=_EXPORT_AGAIN)
        self.total += elements * dtype.itemsize
        if self.total > _LARGEST_ALL:
            raise ModelImportError(
                f"has more than {_LARGEST_ALL >> 30} GiB of weights up to here", where=where
            )
        if self.is_external(tensor):
            return self._external(tensor, dims, dtype, kind, where)
        try:
            array = np.asarray(self.onnx.numpy_helper.to_array(tensor))
        except (ValueError, TypeError, AttributeError, OverflowError, KeyError) as error:
            raise ModelImportError(
                f"its data do not fit its shape {list(dims)}", where=where, fix=_EXPORT_AGAIN
            ) from error
        if array.shape != dims:
            raise ModelImportError(
                f"its data do not fit its shape {list(dims)}", where=where, fix=_EXPORT_AGAIN
            )
        return _narrow(array, *_NARROW[kind]) if kind in _NARROW else array

    def _external(
        self, tensor: Any, dims: tuple[int, ...], dtype: np.dtype[Any], kind: str, where: str
    ) -> Array:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = self.data_file(tensor, where)
        elements = math.prod(dims)
        needed = elements * dtype.itemsize
        try:
            offset = int(entries.get("offset", "0"))
            length = int(entries.get("length", str(needed)))
        except ValueError as error:
            raise ModelImportError(
                "its external data have no sound offset and length", where=where, fix=_EXPORT_AGAIN
            ) from error
        size = path.stat().st_size
        if kind in ("FLOAT4E2M1", *_NARROW):
            raise ModelImportError(
                f"is of type {kind} in a file of its own", where=where,
                fix="store tensors of less than 8 bits inside the model file",
            )  # fmt: skip
        if offset < 0 or length != needed or offset + length > size:
            raise ModelImportError(
                f"needs {needed} bytes from {offset}, {printable(path.name)!r} has {size}",
                where=where,
                fix="copy the whole model, with its data files",
            )
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
        if len(content) != needed:
            raise ModelImportError("its data file was cut while it was read", where=where)
        return np.frombuffer(content, dtype=dtype.newbyteorder("<")).reshape(dims)

    @staticmethod
    def is_external(tensor: Any) -> bool:
        """Whether the data lie in a file of their own."""
        return bool(tensor.data_location == _EXTERNAL)

    def data_file(self, tensor: Any, where: str) -> Path:
        """Return that file; ModelImportError if it is none in the model's folder."""
        locations = [e.value for e in tensor.external_data if e.key == "location"]
        return self._inside(locations[-1] if locations else "", where)

    def _inside(self, location: str, where: str) -> Path:
        """Return the path of a data file; it must be a file in the model's folder."""
        parts = location.split("/")
        bad = not location or "\\" in location or "\0" in location or len(location) > 1000
        if bad or ".." in parts or location.startswith("/") or ":" in parts[0]:
            raise ModelImportError(
                f"its data lie in {printable(location)!r}, outside of the model's folder; "
                "nothing was read",
                where=where,
                fix="put the data file beside the model and export again",
            )
        path = self.folder / location
        try:
            real = path.resolve(strict=True)
            inside = real.is_relative_to(self.folder.resolve(strict=True))
            readable = real.is_file() and os.access(real, os.R_OK)
        except (OSError, RuntimeError, ValueError):
            inside, readable = True, False
        if not inside:
            raise ModelImportError(
                f"its data file {printable(location)!r} is a link out of the model's folder; "
                "nothing was read",
                where=where,
                fix="put the data file itself beside the model",
            )
        if not readable:
            raise ModelImportError(
                f"its data file {printable(location)!r} is not there or cannot be read",
                where=where,
                fix="copy the whole model, with its data files",
            )
        return path


def bits_of(array: Array) -> int:
    """Return the width of an array's integers in the file, which may be less than a byte."""
    known: Mapping[str, int] = array.dtype.metadata or {}
    return known.get("bits", 8 * array.dtype.itemsize)


def _narrow(array: Array, holder: str, bits: int) -> Array:
    """Return integers of less than a byte in bytes, which know their width."""
    return array.astype(np.dtype(holder, metadata={"bits": bits}))
