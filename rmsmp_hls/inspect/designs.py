"""Packed designs, read back from their blobs as the hardware reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import ConsoleRenderable

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.inspect.histogram import CodeHistogram, code_histograms
from rmsmp_hls.inspect.layout import codes_table, page, spread, titled
from rmsmp_hls.numerics.multipliers import stored_multiplier
from rmsmp_hls.pack.design import BLOBS, PARAMS, PROGRAM, WEIGHTS, OpSummary, PackedDesign
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.pack.params import RowParameters
from rmsmp_hls.pack.program import Opcode, Segment, VectorFlags, decode_program
from rmsmp_hls.report import words
from rmsmp_hls.report.tables import Column, Table


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """The blobs' part of one matrix multiplication: weight tiles and parameter words."""

    op: OpSummary
    weights: npt.NDArray[np.uint8]
    params: npt.NDArray[np.uint8]
    steps: int


def design_view(folder: Path, width: int) -> ConsoleRenderable:
    """Return a packed design: its array, program, blobs, and what the weight lanes hold.

    Raises:
        ArtefactError: the design is damaged or of another version.
    """
    design = load_design(folder)
    layers = packed_layers(design, str(folder))
    first = design.input
    signed = "signed" if first.signed else "unsigned"
    facts = [
        ("folder", str(folder)),
        ("input", f"{first.name}, {words.shape((first.channels, first.height, first.width))}, "
                  f"{first.bits} bits {signed}, scale {first.scale:.4g}"),
        ("array", _array_text(design.array)),
        ("weight ports", f"{design.array.weight_ports} × {design.array.weight_word_bits} bit"),
        ("shift-add codebook", design.array.shift_add_codebook),
        ("blobs", ", ".join(f"{name} {words.size(len(design.blob(name)))}" for name in BLOBS)),
    ]  # fmt: skip
    if design.spill_words:
        held = design.spill_words * design.array.weight_word_bits // 8
        facts.append(("tensors in DRAM", words.size(held)))
    try:
        codes = codes_table(
            [(layer.op.name, lane_histograms(layer, design.array)) for layer in layers]
        )
    except ValueError as error:
        raise _damaged(str(error), str(folder)) from None
    return page(
        "Packed design: program, weights and parameters of the array",
        facts,
        titled("Operations", _operations(design, layers), width),
        titled("Weight lanes, as stored (padding and repeated planes included)", codes, width),
    )


def packed_layers(design: PackedDesign, where: str) -> tuple[PackedLayer, ...]:
    """Return the matrix multiplications with their parts of the blobs, in program order.

    Raises:
        ArtefactError: program, summary and blobs do not fit each other.
    """
    program = decode_program(design.blob(PROGRAM), f"{where}/{PROGRAM}")
    beat_bytes = design.array.weight_beat_bits // 8
    weights, params = iter(program.weight_segments), iter(program.param_segments)
    numbers = [number for number, _, _ in design.program().iterations]
    found: dict[int, PackedLayer] = {}
    try:
        for number, record in zip(numbers, program.records, strict=True):
            if record.opcode is Opcode.VECTOR and record["flags"] & VectorFlags.TABLE:
                next(params)
            if record.opcode is not Opcode.MATMUL:
                continue
            weight, param = next(weights), next(params)
            if number not in found:  # strips share the words of the first
                found[number] = PackedLayer(
                    op=design.ops[number],
                    weights=_part(design.blob(WEIGHTS), weight, beat_bytes, f"{where}/{WEIGHTS}"),
                    params=_part(design.blob(PARAMS), param, PARAM_BYTES, f"{where}/{PARAMS}"),
                    steps=record["steps"],
                )
    except (StopIteration, ValueError, IndexError):
        raise _damaged("program, header and segments disagree", where) from None
    named = [number for number, op in enumerate(design.ops) if op.opcode == Opcode.MATMUL.name]
    if [*weights, *params] or sorted(found) != named:
        raise _damaged("program, header and segments disagree", where)
    return tuple(found[number] for number in named)


def lane_histograms(layer: PackedLayer, array: ArrayShape) -> tuple[CodeHistogram, ...]:
    """Return one histogram per kind of lane; lanes without a row are left out.

    Raises:
        ValueError: a shift-add lane holds a code without a meaning, or sizes do not fit.
    """
    lanes = np.array(layer.op.row_order, dtype=np.int64).reshape(-1, array.rows)
    tiles = layer.weights.reshape(len(lanes), layer.steps, -1)
    nibbles = np.stack([tiles & 15, tiles >> 4], axis=-1).reshape(len(lanes), layer.steps, -1)
    nibbles = nibbles[:, :, : array.nibble_rows * array.channels]
    # [row tile, nibble row, step and position]
    by_step = nibbles.reshape(len(lanes), layer.steps, array.nibble_rows, array.channels)
    stored = by_step.transpose(0, 2, 1, 3).reshape(len(lanes), array.nibble_rows, -1)
    used = lanes >= 0
    first, second = array.shift_add_lanes, array.shift_add_lanes + array.fixed4_lanes
    low, high = stored[:, second::2].astype(np.int64), stored[:, second + 1 :: 2].astype(np.int64)
    eight = (16 * (high - ((high & 8) << 1)) + low - ((low & 8) << 1)) & 0xFF
    kinds = (
        (array.shift_add_codebook, stored[:, :first][used[:, :first]]),
        ("Fixed-4", stored[:, first:second][used[:, first:second]]),
        ("Fixed-8", eight[used[:, second:]]),
    )
    return tuple(
        histogram
        for name, codes in kinds
        if len(codes)
        for histogram in code_histograms(codes, (name,) * len(codes))
    )


def multipliers(layer: PackedLayer, terms: int) -> npt.NDArray[np.int64]:
    """Return the multipliers of all lanes that have a row; `terms` as the array has them."""
    parts = layer.params.reshape(-1, PARAM_BYTES)
    rows = [RowParameters.decode(part.tobytes()) for part in parts]
    stored = [row.multiplier for row in rows if row.valid]
    return np.array([stored_multiplier(word, terms) for word in stored], dtype=np.int64)


def _operations(design: PackedDesign, layers: tuple[PackedLayer, ...]) -> Table:
    columns = (
        Column("Operation", name=True),
        Column("Kind"),
        Column("Rows of each format"),
        Column("Row × pixel tiles", number=True, detail=True),
        Column("Iterations", number=True),
        Column("Weights", number=True),
        Column("Multiplier min / median / max", detail=True),
        Column("Output scale", number=True, detail=True),
    )
    iterations: dict[int, int] = {}
    for number, _, part in design.program().iterations:
        iterations[number] = iterations.get(number, 0) + part
    rest, terms = iter(layers), design.array.multiplier_terms
    rows = []
    for number, op in enumerate(design.ops):
        tiles, size, factors = (words.DASH,) * 3
        if op.opcode == Opcode.MATMUL.name:
            layer = next(rest)
            tiles = f"{op.row_tiles} × {op.pixel_tiles}"
            size, factors = words.size(layer.weights.size), spread(multipliers(layer, terms))
        formats = ", ".join(f"{name} {count}" for name, count in op.rows) or words.DASH
        scale = f"{op.scale:.4g}" if op.scale else words.DASH
        count = words.count(iterations.get(number))
        rows.append((op.name, op.opcode, formats, tiles, count, size, factors, scale))
    total = words.count(sum(iterations.values())), words.size(sum(x.weights.size for x in layers))
    return Table(columns, tuple(rows), ("all", "", "", "", *total, "", ""))


def _part(blob: bytes, segment: Segment, word_bytes: int, where: str) -> npt.NDArray[np.uint8]:
    start, stop = segment.offset * word_bytes, (segment.offset + segment.words) * word_bytes
    if stop > len(blob):
        raise _damaged("shorter than its program says", where)
    return np.frombuffer(blob[start:stop], dtype=np.uint8)


def _damaged(what: str, where: str) -> ArtefactError:
    return ArtefactError(what, where=where, fix="build again from the model")


def _array_text(array: ArrayShape) -> str:
    return (
        f"{array.shift_add_lanes} shift-add + {array.fixed4_lanes} fixed-4 + {array.fixed8_lanes} "
        f"fixed-8 row lanes × {array.channels} channels × {array.pixels} pixels, {array.dsp.name}"
    )
