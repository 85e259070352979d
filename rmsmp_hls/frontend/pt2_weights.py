"""Parameters of a saved exported program: raw bytes to tensors, nothing is executed."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.archive import check_saved
from rmsmp_hls.frontend.nodes import GraphInput, integers_of
from rmsmp_hls.frontend.pt2_archive import Archive
from rmsmp_hls.frontend.pt2_json import Json

_FLOATS = {7: torch.float32, 8: torch.float64}
_INTEGERS = {1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64}
_NAMES = {
    1: "torch.uint8", 2: "torch.int8", 3: "torch.int16", 4: "torch.int32", 5: "torch.int64",
    6: "torch.float16", 7: "torch.float32", 8: "torch.float64", 12: "torch.bool",
    13: "torch.bfloat16",
}  # fmt: skip
_MOST_INTEGERS = 1 << 20
_STRIDED = 7
_MOST_BYTES = 4 << 30  # of all parameters together, which may share bytes of the file
_MOST_DIMENSIONS = 8
_FLAT_NAME = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def dtype_name(code: int) -> str:
    """Return the name of a number type of the schema, e.g. "torch.float32" for 7."""
    return _NAMES.get(code, f"number type {code}")


def read_state(archive: Archive, keys: Iterable[str]) -> Mapping[str, Any]:
    """Return those entries of the state_dict that are asked for and there.

    Each is a contiguous copy of its own. Types other than float32 and float64 are refused.

    Raises:
        ModelImportError: an entry is pickled, of another type, or reaches past its bytes
            (all are listed); the parameters would run code, or are damaged.
    """
    if archive.state:
        return _saved(archive.read(archive.state), str(archive.path))
    config = Json.parse(archive.read(archive.config), archive.config).field("config").table()
    reader = _RawReader(archive, "data/weights", _FLOATS)
    state: dict[str, Tensor] = {}
    findings: list[RmsmpError] = []
    for key in keys:
        if key in config:
            try:
                state[key] = reader.tensor(key, config[key])
            except ModelImportError as error:
                findings.append(error)
    if findings:
        raise ModelImportError.gather(findings)
    return state


def read_integers(archive: Archive, entry: GraphInput) -> tuple[int, ...] | None:
    """Return the values of a constant vector of integers.

    None if it is something else, is not stored as raw bytes, or is absurdly long.

    Raises:
        ModelImportError: it is damaged.
    """
    for folder, kind in (("data/weights", "weights"), ("data/constants", "constants")):
        config = f"{folder}/{archive.model}_{kind}_config.json"
        if config not in archive.members:
            continue
        found = Json.parse(archive.read(config), config).field("config").table().get(entry.key)
        if found is None or found.field("use_pickle").flag():
            continue
        meta = found.field("tensor_meta")
        sizes = [size.field("as_int").integer() for size in meta.field("sizes").items()]
        if meta.field("dtype").integer() not in _INTEGERS or prod(sizes) > _MOST_INTEGERS:
            return None
        return integers_of(_RawReader(archive, folder, _INTEGERS).tensor(entry.key, found))
    return None


class _RawReader:
    """Cuts tensors of given number types out of the raw files; many may lie in one."""

    def __init__(self, archive: Archive, folder: str, types: Mapping[int, torch.dtype]) -> None:
        self.archive = archive
        self.folder = folder
        self.types = types
        self.name = ""
        self.content = bytearray()
        self.used = 0

    def tensor(self, key: str, entry: Json) -> Tensor:
        """Return a copy of parameter `key`."""
        if entry.field("use_pickle").flag():
            raise _wrong(key, "is pickled, which could run code", "use plain tensors as parameters")
        meta = entry.field("tensor_meta")
        code = meta.field("dtype").integer()
        if code not in self.types:
            raise _wrong(key, f"is of type {dtype_name(code)}", "convert the model: model.float()")
        sizes = [size.field("as_int").integer() for size in meta.field("sizes").items()]
        strides = [step.field("as_int").integer() for step in meta.field("strides").items()]
        offset = meta.field("storage_offset").field("as_int").integer()
        if meta.field("layout").integer() != _STRIDED or len(sizes) != len(strides):
            raise _wrong(key, "is not a plain strided tensor", "save the model again")
        content = self._file(entry.field("path_name").text())
        width = self.types[code].itemsize
        self._check(key, sizes, strides, offset, len(content) // width)
        self.used += prod(sizes) * width
        if self.used > _MOST_BYTES:
            raise _wrong(key, "makes more than 4 GiB of parameters", "use a smaller network")
        flat = torch.frombuffer(content, dtype=self.types[code], count=len(content) // width)
        return torch.as_strided(flat, sizes, strides, offset).clone(
            memory_format=torch.contiguous_format
        )

    def _file(self, name: str) -> bytearray:
        if not _FLAT_NAME.fullmatch(name):
            raise ModelImportError(
                f"{name[:100]!r} is no name of a file with parameters", fix="save the model again"
            )
        if name != self.name:
            self.content = bytearray(self.archive.read(f"{self.folder}/{name}"))
            self.name = name
        return self.content

    @staticmethod
    def _check(key: str, sizes: list[int], strides: list[int], offset: int, there: int) -> None:
        """Refuse what reads past its file, or more elements than the file has."""
        if 0 in sizes:
            raise _wrong(key, "is empty", "remove the layer: it computes nothing")
        numbers = [offset, *sizes, *strides]
        impossible = min(numbers) < 0 or max(numbers) > _MOST_BYTES or len(sizes) > _MOST_DIMENSIONS
        last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        if impossible or last >= there or prod(sizes) > there:
            shape = f"shape {sizes}, strides {strides}, offset {offset}"
            raise _wrong(key, f"reaches past its {there} values ({shape})", "save the model again")


def _saved(content: bytes, where: str) -> Mapping[str, Any]:
    """Return the dict of a torch.save file, read by torch's safe loader."""
    check_saved(content, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, OSError, TypeError,
        AttributeError, IndexError, AssertionError,
    ) as error:  # fmt: skip
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelImportError(
            f"has damaged parameters: {reason}", where=where, fix="save the model again"
        ) from error
    if not isinstance(state, dict):
        raise ModelImportError(
            "has parameters that are no state_dict", where=where, fix="save the model again"
        )
    for key, tensor in state.items():
        plain = isinstance(tensor, Tensor) and tensor.layout == torch.strided
        if plain and tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise _wrong(str(key)[:200], "has more elements than bytes", "save the model again")
    return state


def _wrong(key: str, what: str, fix: str) -> ModelImportError:
    return ModelImportError(what, where=f"parameter {key!r}", fix=fix)
