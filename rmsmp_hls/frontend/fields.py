"""Fields of a checkpoint as text, and read back with every type and size checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.errors import ArtefactError, ConfigError, ModelImportError, RmsmpError
from rmsmp_hls.frontend.parameters import bind_constants
from rmsmp_hls.ir.float_ops import Conv2d, FloatOp, Input, Linear
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level
from rmsmp_hls.ir.serialize import ops_from_json, ops_to_json
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import CODEBOOKS, SHIFT_ADD_NAMES
from rmsmp_hls.numerics.multipliers import MOST_TERMS
from rmsmp_hls.quant.ends import POLICIES, SAME
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.params_json import params_to_json
from rmsmp_hls.quant.rows import check_ratio

_SAVE_AGAIN = "save the model again with rmsmp_hls.train.save"


def graph_to_text(graph: FloatGraph) -> str:
    """Return the operations of `graph` as JSON, without its constants."""
    return json.dumps({"ops": ops_to_json(graph), "output": graph.output}, allow_nan=False)


def params_to_text(params: QuantParams) -> str:
    """Return everything of `params` but the row scales (those are tensors) as JSON."""
    content = params_to_json(params)
    content["rows"] = {name: rows["formats"] for name, rows in content["rows"].items()}
    return json.dumps(content, allow_nan=False)


class FieldReader:
    """Reads the fields of a checkpoint's dict; every method raises ModelImportError."""

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self.content = content
        self.where = where

    def table(self, key: str) -> dict[str, Any]:
        """Return a dict with string keys; {} if `key` is missing and may be."""
        value = self.content.get(key, {} if key in ("validation", "meta") else None)
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self._wrong(f"its {key!r} is not a table of names")
        return value

    def graph(self) -> FloatGraph:
        """Return the network with its parameters."""
        text = self._json("graph")
        try:
            ops = ops_from_json(Level.FLOAT, text.get("ops"))
        except (ArtefactError, TypeError, ValueError, RecursionError) as error:
            raise self._wrong(f"its graph is damaged: {error}") from error
        output = text.get("output")
        self._check_order(ops, output)
        graph: FloatGraph = Graph(Level.FLOAT, ops, str(output))
        try:
            constants = bind_constants(graph, self.table("state"))
        except ModelImportError as error:
            raise ModelImportError(error.message(), where=self.where) from error
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise self._wrong(f"its graph is damaged ({error})") from error
        return Graph(Level.FLOAT, ops, str(output), constants)

    def params(self, graph: FloatGraph) -> QuantParams:
        """Return formats and scales; rows must fit the layers of `graph`."""
        text, scales = self._json("quant"), self.table("row_scales")
        formats = text.get("rows")
        if not isinstance(formats, dict) or not isinstance(text.get("activations"), dict):
            raise self._wrong("its row or activation formats are missing")
        findings: list[RmsmpError] = []
        rows = {}
        for op in graph.of_type(Conv2d, Linear):
            problem = _row_problem(formats.get(op.name), scales.get(op.name), op.shape[0])
            if problem:
                layer = f"{self.where}, layer {op.name!r}"
                findings.append(ModelImportError(problem, where=layer, fix=_SAVE_AGAIN))
            else:
                scale = ConstTensor(scales[op.name].numpy())
                rows[op.name] = RowParams(tuple(formats[op.name]), scale)
        if findings:
            raise ModelImportError.gather(findings)
        activations = {k: self._format(k, v) for k, v in text["activations"].items()}
        policy = text.get("first_last", SAME)  # absent in files of earlier versions
        if policy not in POLICIES:
            raise self._wrong(f"its policy of the first and last layers is {policy!r}"[:300])
        return QuantParams(
            activations, rows, *self._ratio(text), *self._widths(text), self._terms(text), policy
        )

    def validation(self, graph: FloatGraph) -> tuple[ConstTensor, ConstTensor]:
        """Return (inputs, labels) of one validation set that fits the network's input."""
        data = self.table("validation")
        inputs, labels = self._tensor(data, "inputs"), self._tensor(data, "labels")
        shape = graph.input.shape
        if tuple(inputs.shape[1:]) != shape or not inputs.is_floating_point():
            found = f"{inputs.dtype} {list(inputs.shape)}"
            raise self._wrong(f"its validation inputs are {found}, the network reads {shape}")
        if not bool(torch.isfinite(inputs).all()):
            raise self._wrong("its validation inputs hold NaN or infinity")
        if labels.shape != (len(inputs),) or labels.dtype != torch.int64 or len(inputs) == 0:
            raise self._wrong(f"it has {len(inputs)} validation inputs and {len(labels)} labels")
        return ConstTensor(inputs.float().numpy()), ConstTensor(labels.numpy())

    def meta(self) -> dict[str, float | int | str]:
        """Return the numbers and strings about the training."""
        table = self.table("meta")
        for key, value in table.items():
            if not isinstance(value, (float, int, str)):
                raise self._wrong(f"its meta entry {key!r} is a {type(value).__name__}")
        return table

    def _check_order(self, ops: tuple[FloatOp, ...], output: object) -> None:
        seen: set[str] = set()
        for number, op in enumerate(ops):
            first = isinstance(op, Input)
            sound = (
                first == (number == 0)
                and op.name not in seen
                and seen.issuperset(op.inputs)
                and bool(op.inputs) != first
                and bool(op.shape)
                and all(isinstance(size, int) and size > 0 for size in op.shape)
            )
            if not sound:
                raise self._wrong(f"its graph is damaged at operation {op.name!r}"[:300])
            seen.add(op.name)
        if output not in seen:
            raise self._wrong("its graph has no result")

    def _json(self, key: str) -> dict[str, Any]:
        text = self.content.get(key)
        if not isinstance(text, str):
            raise self._wrong(f"its {key!r} is not text")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"its {key!r} is not JSON") from error
        if not isinstance(value, dict):
            raise self._wrong(f"its {key!r} is not a JSON object")
        return value

    def _format(self, name: str, value: Any) -> ActFormat:
        if isinstance(value, dict):
            bits, signed, scale = value.get("bits"), value.get("signed"), value.get("scale")
            narrow = value.get("narrow", True)  # absent in files of earlier versions
            good = type(bits) is int and 2 <= bits <= 8
            good = good and isinstance(signed, bool) and isinstance(narrow, bool)
            if good and isinstance(scale, (int, float)) and math.isfinite(scale) and scale > 0:
                assert (
                    isinstance(bits, int) and isinstance(signed, bool) and isinstance(narrow, bool)
                )
                return ActFormat(bits, signed, float(scale), narrow)
        raise self._wrong(f"the format of tensor {name!r} is {value!r}"[:300])

    def _ratio(self, text: Mapping[str, Any]) -> tuple[tuple[float, float, float], str]:
        ratio, book = text.get("ratio"), text.get("codebook")
        numbers = isinstance(ratio, list) and all(isinstance(r, (int, float)) for r in ratio)
        if not numbers or book not in SHIFT_ADD_NAMES:
            raise self._wrong(f"its ratio is {ratio!r}, its codebook {book!r}"[:300])
        shares = tuple(float(r) for r in ratio or ())
        try:
            check_ratio(shares)  # type: ignore[arg-type]
        except ConfigError as error:
            raise self._wrong(error.what) from error
        return (shares[0], shares[1], shares[2]), str(book)

    def _widths(self, text: Mapping[str, Any]) -> tuple[int, int, int]:
        widths = [text.get(f"{name}_bits") for name in ("activation", "residual", "input")]
        if not all(type(bits) is int and 2 <= bits <= 8 for bits in widths):
            raise self._wrong(f"its activation widths are {widths}"[:300])
        first, second, third = (int(bits) for bits in widths if bits is not None)
        return first, second, third

    def _terms(self, text: Mapping[str, Any]) -> int:
        terms = text.get("multiplier_terms", 0)  # absent in files of earlier versions
        if type(terms) is not int or not 0 <= terms <= MOST_TERMS:
            raise self._wrong(f"its multipliers have {terms!r} terms"[:300])
        return int(terms)

    def _tensor(self, table: Mapping[str, Any], key: str) -> Tensor:
        value = table.get(key)
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.dim() == 0:
            raise self._wrong(f"its {key!r} is not a tensor")
        return value.detach()

    def _wrong(self, what: str) -> ModelImportError:
        return ModelImportError(what, where=self.where, fix=_SAVE_AGAIN)


def _row_problem(formats: object, scales: object, rows: int) -> str:
    if not isinstance(formats, list) or len(formats) != rows:
        return f"has no format for each of its {rows} rows"
    unknown = sorted({str(name)[:40] for name in formats if str(name) not in CODEBOOKS})
    if unknown or not all(isinstance(name, str) for name in formats):
        return f"has rows of unknown formats {unknown}"
    if not isinstance(scales, Tensor) or scales.dtype != torch.float64:
        return "has no row scales (a float64 tensor)"
    if tuple(scales.shape) != (rows,) or scales.layout != torch.strided:
        return f"has {list(scales.shape)} row scales for {rows} rows"
    if not bool((torch.isfinite(scales) & (scales > 0)).all()):
        return "has a row scale that is not positive and finite"
    return ""
