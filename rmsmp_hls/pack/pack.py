"""IntGraph + Schedule -> PackedDesign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.hw.cycles import TABLE_WORDS, ceil_div, line_words
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntTable
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.pack.design import (
    PARAMS,
    PROGRAM,
    TRACE,
    WEIGHTS,
    InputSpec,
    OpSummary,
    OutputEntry,
    PackedDesign,
    ProgramSpec,
)
from rmsmp_hls.pack.params import pack_params, pack_table
from rmsmp_hls.pack.program import Opcode, Program, Segment, encode_program
from rmsmp_hls.pack.records import step_record
from rmsmp_hls.pack.weights import pack_weights
from rmsmp_hls.schedule.layout import TensorLayout, dense_slots
from rmsmp_hls.schedule.schedule import Schedule
from rmsmp_hls.schedule.steps import LoadStep, MatmulStep, SpillStep, Step, StoreStep, VectorStep


def _format(layout: TensorLayout) -> ActFormat:
    """Return the format of a tensor's codes; no packed bit depends on its scale."""
    return ActFormat(layout.bits, layout.signed, 1.0, layout.narrow)


class _Blobs:
    """The blobs of weights and row parameters; all steps of an operation share their words."""

    def __init__(self, array: ArrayShape) -> None:
        self.array = array
        self.weights = bytearray()
        self.params = bytearray()
        self._parts: dict[str, tuple[Segment, Segment]] = {}

    def segments(self, step: Step) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        """Return the weight and the parameter segments that a step takes."""
        if isinstance(step, MatmulStep):
            if step.op.name not in self._parts:
                self._parts[step.op.name] = self._matmul(step)
            weights, params = self._parts[step.op.name]
            repeats = step.tiling.pixel_tiles
            return (replace(weights, repeats=repeats),), (replace(params, repeats=repeats),)
        if isinstance(step, VectorStep) and isinstance(step.op, IntTable):
            if step.op.name not in self._parts:
                segment = Segment(len(self.params) // PARAM_BYTES, TABLE_WORDS, 1)
                self._parts[step.op.name] = segment, segment
                self.params += pack_table(step.op, _format(step.a))
            return (), (self._parts[step.op.name][1],)
        return (), ()

    def _matmul(self, step: MatmulStep) -> tuple[Segment, Segment]:
        op, source, array = step.op, step.source, self.array
        own = step.destination.channel_slots if step.destination else dense_slots(op.shape[0])
        tiles = pack_weights(op, step.rows, array, source.planes, source.channel_slots)
        rows = pack_params(op, step.rows.places.lanes, array, _format(source), own)
        beat_bytes = array.weight_beat_bits // 8
        found = (
            Segment(len(self.weights) // beat_bytes, len(tiles) // beat_bytes, 1),
            Segment(len(self.params) // PARAM_BYTES, len(rows) // PARAM_BYTES, 1),
        )
        self.weights += tiles
        self.params += rows
        return found


def _step_key(step: Step) -> tuple[str, str]:
    """Return what a step is a part of: (opcode, tensor) of an operation of the program."""
    if isinstance(step, MatmulStep | VectorStep):
        return "", step.op.name
    return "STORE" if isinstance(step, StoreStep) else "", step.operation


def _stored(layout: TensorLayout, offset: int) -> OutputEntry:
    return OutputEntry(
        tensor=layout.name,
        offset=offset,
        words=layout.transfer_words,
        channels=layout.channels,
        height=layout.height,
        width=layout.width,
        signed=layout.signed,
        slots=layout.slots or (),
    )


def _logits(step: MatmulStep, offset: int, argmax: bool) -> OutputEntry:
    lanes = step.rows.places.lanes
    rows = step.op.shape[0]
    return OutputEntry(step.op.name, offset, len(lanes), rows, 1, 1, True, lanes, argmax)


def _outputs(steps: Sequence[Step], argmax: bool) -> tuple[tuple[OutputEntry, ...], int]:
    """Return what lies where in the output of a program, and its words."""
    found: list[OutputEntry] = []
    end = 0
    for step in steps:
        if isinstance(step, StoreStep):
            entry = _stored(step.tensor, end)
            if found and found[-1].tensor == entry.tensor:  # the next strip
                last = found[-1]
                found[-1] = replace(
                    last, words=last.words + entry.words, height=last.height + entry.height
                )
            else:
                found.append(entry)
        elif isinstance(step, MatmulStep) and step.destination is None:
            found.append(_logits(step, end, argmax))
        if found:
            end = found[-1].offset + found[-1].words + found[-1].argmax
    return tuple(found), end


def _program(
    graph: IntGraph, schedule: Schedule, file: str, steps: Sequence[Step], blobs: _Blobs
) -> tuple[ProgramSpec, bytes]:
    weights: list[Segment] = []
    params: list[Segment] = []
    numbers: dict[tuple[str, str], int] = {}
    iterations = []
    for step in steps:
        taken = blobs.segments(step)
        weights += taken[0]
        params += taken[1]
        number = numbers.setdefault(_step_key(step), len(numbers))
        iterations.append((number, step.operation, step.iterations))
    outputs, words = _outputs(steps, graph.argmax)
    program = Program(
        records=tuple(
            step_record(step, graph.argmax, schedule.array.multiplier_terms) for step in steps
        ),
        weight_segments=tuple(weights),
        param_segments=tuple(params),
        input_words=_input_words(graph),
        output_words=words,
        spill_words=schedule.spill_words,
    )
    return ProgramSpec(file, words, tuple(iterations), outputs), encode_program(program)


def _input_words(graph: IntGraph) -> int:
    channels, height, width = graph.input.shape
    return height * line_words(width, ceil_div(channels, 4))


def _opcode(step: Step) -> Opcode:
    if isinstance(step, MatmulStep):
        return Opcode.MATMUL
    if isinstance(step, StoreStep):
        return Opcode.STORE
    return Opcode.LOAD if isinstance(step, LoadStep) else Opcode.VECTOR


def _summaries(graph: IntGraph, steps: Sequence[Step]) -> tuple[OpSummary, ...]:
    """Return the operations of a program, in order of their first record."""
    scales = {op.name: op.output.scale if op.output else 0.0 for op in graph}
    modules = {op.name: op.module for op in graph}
    found: dict[tuple[str, str], OpSummary] = {}
    for step in steps:
        key, name = _step_key(step), step.operation
        if isinstance(step, SpillStep):
            found.setdefault(key, OpSummary(name, _spill_opcode(step), modules[name], scales[name]))
            continue
        known = found.get(key)
        if known is not None and known.opcode not in ("SAVE", "RESTORE"):
            continue
        summary = OpSummary(key[1], _opcode(step).name, modules[name], scales[name])
        if isinstance(step, MatmulStep):
            summary = replace(
                summary,
                rows=tuple(sorted(Counter(step.op.formats).items())),
                row_order=step.rows.places.lanes,
                row_tiles=step.tiling.row_tiles,
                pixel_tiles=step.tiling.pixel_tiles,
            )
        found[key] = summary
    return tuple(found.values())


def _spill_opcode(step: SpillStep) -> str:
    return type(step).__name__.removesuffix("Step").upper()


def pack(graph: IntGraph, schedule: Schedule) -> PackedDesign:
    """Return the packed design of `graph` as `schedule` places it.

    The same graph and schedule give the same bytes.
    """
    blobs = _Blobs(schedule.array)
    deployed, program = _program(graph, schedule, PROGRAM, schedule.steps, blobs)
    traced, trace = _program(graph, schedule, TRACE, schedule.trace, blobs)
    source = graph.input.output
    assert source is not None, "the input is codes"
    channels, height, width = graph.input.shape
    return PackedDesign(
        array=schedule.array,
        input=InputSpec(
            name=graph.input.name,
            channels=channels,
            height=height,
            width=width,
            bits=source.bits,
            signed=source.signed,
            scale=source.scale,
            words=_input_words(graph),
            narrow=source.narrow,
        ),
        programs=(deployed, traced),
        ops=_summaries(graph, schedule.steps),
        blobs=(
            (PROGRAM, program),
            (TRACE, trace),
            (WEIGHTS, bytes(blobs.weights)),
            (PARAMS, bytes(blobs.params)),
        ),
        spill_words=schedule.spill_words,
    )
