"""Graphs of the three levels, and arrays on their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import ConsoleRenderable

from rmsmp_hls.inspect.histogram import code_bytes, code_histograms
from rmsmp_hls.inspect.layout import codes_table, format_counts, page, spread, titled
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.graph import FloatGraph, Graph, IntGraph, Level, QuantGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.quant_ops import QuantMatmul
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.report import words
from rmsmp_hls.report.tables import Column, Table

KINDS = {
    Level.FLOAT: "Float graph: the network as PyTorch computes it",
    Level.QUANT: "Quantized graph: weight codes, row formats, scales",
    Level.INT: "Integer graph: what the array computes",
}


def graph_view(graph: Graph[Any], path: Path, width: int) -> ConsoleRenderable:
    """Return a saved graph as its level reads best."""
    facts = [("file", str(path)), ("operations", str(len(graph.ops))), ("output", graph.output)]
    return page(KINDS[graph.level], facts, *graph_parts(graph, width))


def graph_parts(graph: Graph[Any], width: int) -> list[ConsoleRenderable | None]:
    """Return the tables of a graph."""
    if graph.level is Level.FLOAT:
        return [titled("Operations", _float_table(graph), width)]
    table = _quant_table(graph) if graph.level is Level.QUANT else _int_table(graph)
    weighted = [op for op in graph.ops if isinstance(op, (QuantMatmul, IntMatmul))]
    histograms = [(op.name, code_histograms(op.codes.array, op.formats)) for op in weighted]
    return [
        titled("Operations", table, width),
        titled("Weight codes", codes_table(histograms), width),
    ]


def act_format(form: ActFormat | None) -> str:
    """Return `4 bits, unsigned, scale 0.05`; logits have no code."""
    if form is None:
        return "logits"
    return f"{form.bits} bits {'signed' if form.signed else 'unsigned'}, scale {form.scale:.4g}"


def _float_table(graph: FloatGraph) -> Table:
    columns = (
        Column("Operation", name=True),
        Column("Kind"),
        Column("Output"),
        Column("Parameters", number=True),
        Column("Bytes", number=True),
        Column("Weight min / median / max", detail=True),
    )
    rows = tuple(_float_row(graph, op) for op in graph.ops)
    arrays = [constant.array for constant in graph.constants.values()]
    total = (
        "all",
        "",
        "",
        words.count(sum(array.size for array in arrays)),
        words.size(sum(array.nbytes for array in arrays)),
        "",
    )
    return Table(columns, rows, total)


def _float_row(graph: FloatGraph, op: FloatOp) -> tuple[str, ...]:
    keys = [getattr(op, field, "") for field in ("weight", "bias", "running_mean", "running_var")]
    arrays = [graph.constants[key].array for key in keys if key in graph.constants]
    weight = graph.constants.get(getattr(op, "weight", ""))
    return (
        op.name,
        type(op).__name__,
        words.shape(op.shape),
        words.count(sum(array.size for array in arrays)) if arrays else words.DASH,
        words.size(sum(array.nbytes for array in arrays)) if arrays else words.DASH,
        spread(weight.array) if weight is not None else words.DASH,
    )


def _quant_table(graph: QuantGraph) -> Table:
    columns = (
        Column("Operation", name=True),
        Column("Kind"),
        Column("Output", detail=True),
        Column("Rows of each format"),
        Column("Row scale min / median / max"),
        Column("Codes", number=True),
        Column("Makes"),
    )
    rows = []
    total = 0
    for op in graph.ops:
        formats, scales, size = words.DASH, words.DASH, words.DASH
        if isinstance(op, QuantMatmul):
            formats, scales = format_counts(op.formats), spread(op.row_scales.array)
            total += code_bytes(op.codes.array, op.formats)
            size = words.size(code_bytes(op.codes.array, op.formats))
        kind, shape = type(op).__name__.removeprefix("Quant"), words.shape(op.shape)
        rows.append((op.name, kind, shape, formats, scales, size, act_format(op.output)))
    return Table(columns, tuple(rows), ("all", "", "", "", "", words.size(total), ""))


def _int_table(graph: IntGraph) -> Table:
    columns = (
        Column("Operation", name=True),
        Column("Kind"),
        Column("Output", detail=True),
        Column("Rows of each format"),
        Column("Multiplier min / median / max"),
        Column("Shift", number=True),
        Column("Accumulator bits", number=True),
        Column("Codes", number=True),
        Column("Makes", detail=True),
    )
    rows = []
    total = 0
    for op in graph.ops:
        formats, scales, bits, size = (words.DASH,) * 4
        if isinstance(op, IntMatmul):
            formats, scales = format_counts(op.formats), spread(op.multiplier.array)
            total += code_bytes(op.codes.array, op.formats)
            bits, size = str(op.acc_bits), words.size(code_bytes(op.codes.array, op.formats))
        kind, shape = type(op).__name__.removeprefix("Int"), words.shape(op.shape)
        shift = str(getattr(op, "shift", words.DASH))
        made = act_format(op.output)
        rows.append((op.name, kind, shape, formats, scales, shift, bits, size, made))
    return Table(columns, tuple(rows), ("all", "", "", "", "", "", "", words.size(total), ""))


def arrays_view(path: Path, width: int) -> ConsoleRenderable:
    """Return the arrays of an .npz file; nothing pickled in it is loaded.

    Raises:
        ArtefactError: the file is damaged or holds objects.
    """
    from rmsmp_hls.inspect.npz import read_arrays

    columns = (
        Column("Array", name=True),
        Column("Type"),
        Column("Shape"),
        Column("Bytes", number=True),
        Column("Min / median / max"),
    )
    rows = tuple(
        (
            name,
            str(array.dtype),
            words.shape(array.shape),
            words.size(array.nbytes),
            spread(array) if np.issubdtype(array.dtype, np.number) else words.DASH,
        )
        for name, array in read_arrays(path).items()
    )
    facts = [("file", str(path)), ("arrays", str(len(rows)))]
    return page("File of arrays", facts, titled("Arrays", Table(columns, rows), width))
