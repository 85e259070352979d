"""Program steps -> records: every step is one record."""

from __future__ import annotations

from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.types import Window
from rmsmp_hls.numerics.multipliers import store_multiplier
from rmsmp_hls.pack.program import MatmulFlags, MoveFlags, Opcode, Record, VectorFlags
from rmsmp_hls.schedule.buses import WINDOW_BUSES
from rmsmp_hls.schedule.jobs import vector_window
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.steps import (
    LoadStep,
    MatmulStep,
    SaveStep,
    SpillStep,
    Step,
    StoreStep,
    VectorStep,
)


def step_record(step: Step, argmax: bool, terms: int) -> Record:
    """Return the record of a step.

    Args:
        step: of the schedule.
        argmax: whether logits are followed by the top-1 channel.
        terms: `multiplier_terms` of the array.
    """
    if isinstance(step, MatmulStep):
        return _matmul(step, argmax)
    if isinstance(step, VectorStep):
        return _vector(step, terms)
    if isinstance(step, LoadStep):
        return _load(step)
    if isinstance(step, StoreStep):
        return Record(Opcode.STORE, _move(step.tensor))
    assert isinstance(step, SpillStep), "every step has its record"
    return Record(
        Opcode.SAVE if isinstance(step, SaveStep) else Opcode.RESTORE,
        {
            "base": step.base,
            "run": step.run,
            "runs": step.runs,
            "stride": step.stride,
            "offset": step.offset,
        },
    )


def _source(layout: TensorLayout) -> dict[str, int]:
    return {
        "base": layout.base,
        "height": layout.height,
        "width": layout.width,
        "planes": layout.planes,
        "line_stride": layout.line_stride,
        "pixel_stride": layout.pixel_stride,
    }


def _window(window: Window, padding_top: int) -> dict[str, int]:
    return {
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.stride[0],
        "stride_w": window.stride[1],
        "padding_top": padding_top,
        "padding_left": window.padding[1],
        "dilation_h": window.dilation[0],
        "dilation_w": window.dilation[1],
    }


def _destination(op: IntOp, lines: int, layout: TensorLayout | None) -> dict[str, int]:
    """Destination fields; of logits only height and width mean something."""
    return {
        "destination_base": layout.base if layout else 0,
        "destination_height": lines,
        "destination_width": op.shape[2],
        "destination_planes": layout.planes if layout else 0,
        "destination_line_stride": layout.line_stride if layout else 0,
        "destination_pixel_stride": layout.pixel_stride if layout else 0,
    }


def _move(layout: TensorLayout) -> dict[str, int]:
    flags = MoveFlags.SIGNED if layout.signed else MoveFlags(0)
    return {"flags": flags, "chunks": layout.chunks, **_source(layout)}


def _load(step: LoadStep) -> Record:
    fields = _move(step.tensor)
    fold = step.fold
    if fold is not None:
        fields |= {"flags": fields["flags"] | MoveFlags.FOLDED, "width": fold.width, "chunks": 1}
    return Record(
        Opcode.LOAD,
        fields
        | {
            "fold_columns": fold.columns if fold else 0,
            "fold_kernel": fold.kernel if fold else 0,
            "fold_stride": fold.stride if fold else 0,
            "fold_left": fold.left if fold else 0,
            "fold_right": fold.right if fold else 0,
            "fold_width": step.tensor.width if fold else 0,
            "fold_channels": fold.channels if fold else 0,
        },
    )


def _matmul(step: MatmulStep, argmax: bool) -> Record:
    op, source, tiling = step.op, step.source, step.tiling
    flags = MatmulFlags.INPUT_SIGNED if source.signed else MatmulFlags(0)
    window = _window(op.window, step.padding_top)
    if step.rows.windows:
        flags |= MatmulFlags.WINDOW
        across = ceil_div(window["kernel_w"], WINDOW_BUSES)
        window |= {"kernel_w": across, "dilation_w": WINDOW_BUSES}
    if step.destination is None:
        flags |= MatmulFlags.LOGITS | (MatmulFlags.ARGMAX if argmax else MatmulFlags(0))
    return Record(
        Opcode.MATMUL,
        {
            "flags": flags,
            "blocks": step.rows.blocks,
            **_source(source),
            **window,
            **_destination(op, step.lines[1] - step.lines[0], step.destination),
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
            "tiles_per_group": step.rows.tiles_per_group,
            "group_stride": step.rows.group_stride,
        },
    )


def _vector_flags(step: VectorStep) -> VectorFlags:
    op, flags = step.op, VectorFlags(0)
    if step.a.signed:
        flags |= VectorFlags.A_SIGNED
    if step.b is not None:
        flags |= VectorFlags.BINARY
        flags |= VectorFlags.B_SIGNED if step.b.signed else VectorFlags(0)
        flags |= VectorFlags.BROADCAST if step.broadcast else VectorFlags(0)
    if isinstance(op, IntMaxPool | IntUpsample):
        flags |= VectorFlags.MAXIMUM
    if isinstance(op, IntTable):
        flags |= VectorFlags.TABLE
    if isinstance(op, IntMultiply):
        flags |= VectorFlags.MULTIPLY
    return flags


def _vector(step: VectorStep, terms: int) -> Record:
    op, a, b = step.op, step.a, step.b
    assert op.output is not None, "the vector unit writes codes"
    assert not isinstance(op, IntMatmul), "a matrix multiplication has another step"
    multipliers, bias, shift = (1, 1), 0, 0
    low, high = op.output.low, op.output.high
    if isinstance(op, IntAdd | IntMultiply | IntSumPool):
        bias, shift, low, high = op.bias, op.shift, op.low, op.high
        multipliers = op.multipliers if isinstance(op, IntAdd) else (op.multiplier, 0)
    return Record(
        Opcode.VECTOR,
        {
            "flags": _vector_flags(step),
            "blocks": a.blocks,
            **_source(a),
            **_window(vector_window(op), step.padding_top),  # type: ignore[arg-type]
            **_destination(op, step.lines[1] - step.lines[0], step.destination),
            "b_base": b.base if b else 0,
            "b_planes": b.planes if b else 0,
            "b_line_stride": b.line_stride if b else 0,
            "b_pixel_stride": b.pixel_stride if b else 0,
            "multiplier_a": store_multiplier(multipliers[0], terms),
            "multiplier_b": store_multiplier(multipliers[1], terms),
            "shift": shift,
            "low": low,
            "high": high,
            "bias": bias,
            "tap_planes": step.planes,
            "repeat_h": op.factors[0] if isinstance(op, IntUpsample) else 1,
            "repeat_w": op.factors[1] if isinstance(op, IntUpsample) else 1,
        },
    )
