"""IntGraph + Schedule -> PackedDesign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rmsmp_hls.hw.cycles import ceil_div, move_iterations
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntInput, IntMatmul, IntMaxPool, IntOp, IntSumPool
from rmsmp_hls.ir.types import Window
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
from rmsmp_hls.pack.params import PARAM_BYTES, pack_params
from rmsmp_hls.pack.program import (
    MatmulFlags,
    MoveFlags,
    Opcode,
    Program,
    Record,
    Segment,
    VectorFlags,
    encode_program,
)
from rmsmp_hls.pack.weights import pack_weights
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.schedule import Schedule


def _source(layout: TensorLayout) -> dict[str, int]:
    return {
        "base": layout.base,
        "height": layout.height,
        "width": layout.width,
        "planes": layout.planes,
        "line_stride": layout.line_stride,
        "pixel_stride": layout.pixel_stride,
    }


def _window(window: Window) -> dict[str, int]:
    return {
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.stride[0],
        "stride_w": window.stride[1],
        "padding_top": window.padding[0],
        "padding_left": window.padding[1],
        "dilation_h": window.dilation[0],
        "dilation_w": window.dilation[1],
    }


def _destination(op: IntOp, layout: TensorLayout | None) -> dict[str, int]:
    """Destination fields; of logits only height and width mean something."""
    return {
        "destination_base": layout.base if layout else 0,
        "destination_height": op.shape[1],
        "destination_width": op.shape[2],
        "destination_planes": layout.planes if layout else 0,
        "destination_line_stride": layout.line_stride if layout else 0,
        "destination_pixel_stride": layout.pixel_stride if layout else 0,
    }


def _move(opcode: Opcode, layout: TensorLayout) -> Record:
    flags = MoveFlags.SIGNED if layout.signed else MoveFlags(0)
    chunks = ceil_div(layout.channels, 4)
    return Record(opcode, {"flags": flags, "chunks": chunks, **_source(layout)})


def _matmul(op: IntMatmul, schedule: Schedule, argmax: bool) -> Record:
    source = schedule.tensor(op.inputs[0])
    tiling = schedule.matmul(op.name).tiling
    flags = MatmulFlags.INPUT_SIGNED if source.signed else MatmulFlags(0)
    if op.output is None:
        flags |= MatmulFlags.LOGITS | (MatmulFlags.ARGMAX if argmax else MatmulFlags(0))
    return Record(
        Opcode.MATMUL,
        {
            "flags": flags,
            "blocks": source.blocks,
            **_source(source),
            **_window(op.window),
            **_destination(op, schedule.tensor(op.name) if op.output else None),
            "group_pixels": tiling.group_pixels,
            "groups_per_line": tiling.groups_per_line,
            "groups": tiling.groups,
            "groups_per_tile": tiling.groups_per_tile,
            "pixel_tiles": tiling.pixel_tiles,
            "row_tiles": tiling.row_tiles,
            "shift": op.shift,
            "low": op.low,
            "high": op.high,
            "steps": tiling.steps,
            "repeat": tiling.repeat,
            "tiles_per_group": tiling.row_tiles,
            "group_stride": 0,
        },
    )


def _vector(op: IntAdd | IntMaxPool | IntSumPool, schedule: Schedule) -> Record:
    """Record of the vector unit: addition -> binary sum, pooling -> maximum or sum."""
    a = schedule.tensor(op.inputs[0])
    b = schedule.tensor(op.inputs[1]) if isinstance(op, IntAdd) else None
    flags = VectorFlags.A_SIGNED if a.signed else VectorFlags(0)
    output = op.output
    assert output is not None, "the vector unit writes codes"
    multipliers, bias, shift, low, high = (1, 0), 0, 0, output.low, output.high
    if isinstance(op, IntMaxPool):
        flags |= VectorFlags.MAXIMUM
    else:
        bias, shift, low, high = op.bias, op.shift, op.low, op.high
        multipliers = op.multipliers if isinstance(op, IntAdd) else (op.multiplier, 0)
    if b is not None:
        flags |= VectorFlags.BINARY | (VectorFlags.B_SIGNED if b.signed else VectorFlags(0))
    return Record(
        Opcode.VECTOR,
        {
            "flags": flags,
            "blocks": a.blocks,
            **_source(a),
            **_window(Window() if isinstance(op, IntAdd) else op.window),
            **_destination(op, schedule.tensor(op.name)),
            "b_base": b.base if b else 0,
            "b_planes": b.planes if b else 0,
            "b_line_stride": b.line_stride if b else 0,
            "b_pixel_stride": b.pixel_stride if b else 0,
            "multiplier_a": multipliers[0],
            "multiplier_b": multipliers[1],
            "shift": shift,
            "low": low,
            "high": high,
            "bias": bias,
            "tap_planes": schedule.vector(op.name).planes,
            "repeat_h": 1,
            "repeat_w": 1,
        },
    )


def _stored(layout: TensorLayout, offset: int) -> OutputEntry:
    return OutputEntry(
        tensor=layout.name,
        offset=offset,
        words=layout.transfer_words,
        channels=layout.channels,
        height=layout.height,
        width=layout.width,
        signed=layout.signed,
    )


def _records(
    graph: IntGraph, schedule: Schedule, trace: bool
) -> Iterator[tuple[Record, IntOp, int]]:
    """Yield (record, operation whose tensor it is about, iterations) in program order."""
    for op in graph:
        if isinstance(op, IntInput):
            layout = schedule.tensor(op.name)
            yield _move(Opcode.LOAD, layout), op, _moves(layout)
        elif isinstance(op, IntMatmul):
            yield _matmul(op, schedule, graph.argmax), op, schedule.matmul(op.name).iterations
        elif isinstance(op, IntAdd | IntMaxPool | IntSumPool):
            yield _vector(op, schedule), op, schedule.vector(op.name).iterations
        if op.output is not None and (trace or op.name == graph.output):
            layout = schedule.tensor(op.name)
            yield _move(Opcode.STORE, layout), op, _moves(layout)


def _moves(layout: TensorLayout) -> int:
    return move_iterations(layout.height, layout.width, layout.channels, layout.planes)


def _program(
    graph: IntGraph,
    schedule: Schedule,
    file: str,
    weights: tuple[Segment, ...],
    params: tuple[Segment, ...],
) -> tuple[ProgramSpec, bytes]:
    records, iterations = [], []
    outputs: list[OutputEntry] = []
    offset = 0
    for number, (record, op, count) in enumerate(_records(graph, schedule, file == TRACE)):
        records.append(record)
        iterations.append((number, op.name, count))
        if record.opcode is Opcode.STORE:
            outputs.append(_stored(schedule.tensor(op.name), offset))
            offset += outputs[-1].words
        elif op.output is None:
            lanes = schedule.matmul(op.name).places.lanes
            outputs.append(
                OutputEntry(
                    tensor=op.name,
                    offset=offset,
                    words=len(lanes),
                    channels=op.shape[0],
                    height=1,
                    width=1,
                    signed=True,
                    logits=lanes,
                    argmax=graph.argmax,
                )
            )
            offset += len(lanes) + graph.argmax
    words = schedule.tensor(graph.input.name).transfer_words
    program = Program(tuple(records), weights, params, words, offset)
    spec = ProgramSpec(file, offset, tuple(iterations), tuple(outputs))
    return spec, encode_program(program)


def _summaries(graph: IntGraph, schedule: Schedule) -> tuple[OpSummary, ...]:
    found = []
    for record, op, _ in _records(graph, schedule, trace=False):
        scale = op.output.scale if op.output else 0.0
        plain = OpSummary(op.name, record.opcode.name, op.module, scale)
        if isinstance(op, IntMatmul) and record.opcode is Opcode.MATMUL:
            plan = schedule.matmul(op.name)
            plain = OpSummary(
                name=op.name,
                opcode=record.opcode.name,
                module=op.module,
                scale=scale,
                rows=tuple(sorted(Counter(op.formats).items())),
                row_order=plan.places.lanes,
                row_tiles=plan.tiling.row_tiles,
                pixel_tiles=plan.tiling.pixel_tiles,
            )
        found.append(plain)
    return tuple(found)


def pack(graph: IntGraph, schedule: Schedule) -> PackedDesign:
    """Return the packed design of `graph` as `schedule` places it.

    The same graph and schedule give the same bytes.
    """
    array = schedule.array
    weights, params = bytearray(), bytearray()
    weight_segments, param_segments = [], []
    word_bytes = array.weight_word_bits // 8
    for op in graph:
        if not isinstance(op, IntMatmul):
            continue
        plan = schedule.matmul(op.name)
        source = graph.op(op.inputs[0]).output
        assert source is not None, "nothing reads logits"
        tiles = pack_weights(op, plan.places.lanes, array, source.planes)
        rows = pack_params(op, plan.places.lanes, array, source)
        repeats = plan.tiling.pixel_tiles
        weight_segments.append(
            Segment(len(weights) // word_bytes, len(tiles) // word_bytes, repeats)
        )
        param_segments.append(
            Segment(len(params) // PARAM_BYTES, len(rows) // PARAM_BYTES, repeats)
        )
        weights += tiles
        params += rows
    segments = tuple(weight_segments), tuple(param_segments)
    deployed, program = _program(graph, schedule, PROGRAM, *segments)
    traced, trace = _program(graph, schedule, TRACE, *segments)
    layout = schedule.tensor(graph.input.name)
    source = graph.input.output
    assert source is not None, "the input is codes"
    return PackedDesign(
        array=array,
        input=InputSpec(
            name=layout.name,
            channels=layout.channels,
            height=layout.height,
            width=layout.width,
            bits=layout.bits,
            signed=layout.signed,
            scale=source.scale,
            words=layout.transfer_words,
        ),
        programs=(deployed, traced),
        ops=_summaries(graph, schedule),
        blobs=(
            (PROGRAM, program),
            (TRACE, trace),
            (WEIGHTS, bytes(weights)),
            (PARAMS, bytes(params)),
        ),
    )
