"""The RMSMP checkpoint: float network, trained quantization, validation data; version 1.

A `torch.save` of a dict of tensors, strings and numbers, which `torch.load(path,
weights_only=True)` reads: no code is stored, none is run. Fields:

| key | content |
|---|---|
| schema, version | "rmsmp-hls/checkpoint", 1 |
| graph | JSON: {"ops": operations as in docs/ir.md, "output": name} |
| state | parameter key -> tensor |
| quant | JSON: activation formats, row formats, ratio, codebook, bit widths |
| row_scales | layer -> float64 tensor [rows] |
| validation | {} or {"inputs": float [N, C, H, W], "labels": int64 [N]} |
| meta | name -> number or string, e.g. "float_accuracy", "fake_quantized_accuracy" |
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.archive import HOW_TO_SAVE, check_archive
from rmsmp_hls.frontend.fields import FieldReader, graph_to_text, params_to_text
from rmsmp_hls.frontend.whole_file import write_whole
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.params import QuantParams

SCHEMA = "rmsmp-hls/checkpoint"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Validation:
    """Images with their classes: inputs float32 [N, C, H, W] or [N, F], labels int64 [N]."""

    inputs: ConstTensor
    labels: ConstTensor


@dataclass(frozen=True)
class Checkpoint:
    """A trained model.

    Attributes:
        graph: the float network, its constants bound.
        params: row and activation formats with their scales.
        validation: data to measure the accuracy on, or None.
        meta: numbers and strings about the training; see the properties.
    """

    graph: FloatGraph
    params: QuantParams
    validation: Validation | None = None
    meta: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the meta data."""
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @property
    def float_accuracy(self) -> float | None:
        """Share of right answers of the float network, 0..1, if the training noted it."""
        return self._number("float_accuracy")

    @property
    def fake_quantized_accuracy(self) -> float | None:
        """Share of right answers of the training model in evaluation mode, 0..1, if noted."""
        return self._number("fake_quantized_accuracy")

    def _number(self, key: str) -> float | None:
        value = self.meta.get(key)
        return float(value) if isinstance(value, (int, float)) else None


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; `path` holds the old file or the whole new one, never a part.

    Raises:
        ModelImportError: the file cannot be written.
    """
    path = Path(path)
    buffer = io.BytesIO()
    torch.save(_to_dict(checkpoint), buffer)
    try:
        write_whole(path, buffer.getbuffer())
    except OSError as error:
        raise ModelImportError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            fix="choose a folder that exists, is writable and has room",
        ) from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint. No code in the file is run.

    Raises:
        ModelImportError: the file is missing, damaged, something else, unsafe, of a newer
            version, or its parts do not fit each other; says what it is and what to do.
    """
    path = Path(path)
    check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelImportError(
            f"cannot be loaded: {lines[0][:300]}", where=str(path), fix=HOW_TO_SAVE
        ) from error
    except (OSError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise ModelImportError(
            f"is damaged ({type(error).__name__})", where=str(path), fix="save the model again"
        ) from error
    _check_schema(content, str(path))
    return _from_dict(content, str(path))


def _check_schema(content: object, where: str) -> None:
    if isinstance(content, Tensor):
        raise ModelImportError("holds one tensor", where=where, fix=HOW_TO_SAVE)
    if not isinstance(content, dict):
        raise ModelImportError(
            f"holds a {type(content).__name__}, not a checkpoint", where=where, fix=HOW_TO_SAVE
        )
    schema = content.get("schema")
    if schema is None and content:
        tensors = all(isinstance(value, Tensor) for value in content.values())
        nested = any(key in content for key in ("state_dict", "model_state_dict", "model"))
        if tensors or nested:
            raise ModelImportError(
                "holds the parameters of a model (a state_dict) without the network",
                where=where,
                fix=f"build the network in Python, load_state_dict(...), then {HOW_TO_SAVE}",
            )
    if schema != SCHEMA:
        raise ModelImportError(
            f"has schema {schema!r}, not {SCHEMA!r}"[:300], where=where, fix=HOW_TO_SAVE
        )
    version = content.get("version")
    if type(version) is not int or version < 1:
        raise ModelImportError(f"has version {version!r}"[:200], where=where, fix=HOW_TO_SAVE)
    if version > VERSION:
        raise ModelImportError(
            f"is of version {version}, this program knows versions up to {VERSION}",
            where=where,
            fix="update rmsmp-hls, or save the model with this version",
        )


def _to_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    validation = checkpoint.validation
    graph = checkpoint.graph
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "graph": graph_to_text(graph),
        "state": {key: _tensor(value) for key, value in graph.constants.items()},
        "quant": params_to_text(checkpoint.params),
        "row_scales": {k: _tensor(rows.scales) for k, rows in checkpoint.params.rows.items()},
        "validation": {}
        if validation is None
        else {"inputs": _tensor(validation.inputs), "labels": _tensor(validation.labels)},
        "meta": dict(checkpoint.meta),
    }


def _tensor(constant: ConstTensor) -> Tensor:
    return torch.from_numpy(constant.array.copy())


def _from_dict(content: dict[str, Any], where: str) -> Checkpoint:
    reader = FieldReader(content, where)
    graph = reader.graph()
    params = reader.params(graph)
    validation = None
    if reader.table("validation"):
        validation = Validation(*reader.validation(graph))
    return Checkpoint(graph, params, validation, reader.meta())
