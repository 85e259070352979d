"""What the array can run: every reason why a graph cannot, found before anything is placed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.numerics.multipliers import most_terms
from rmsmp_hls.schedule.place_rows import check_formats

_Requantized = IntAdd | IntMatmul | IntMultiply | IntSumPool
_MULTIPLIER_BITS = 18
_BIAS_BITS = 48
_SUM_BITS = 49  # of the vector unit, bias included
_LARGEST_CODE = 255
_MAX_SHIFT = 47
_MAX_BLOCKS = 1 << 16
_MAX_SIZE = 8191  # sizes of images and windows are 14-bit signed numbers in the hardware


def _fits(values: object, bits: int) -> bool:
    array = np.asarray(values, dtype=np.int64)
    limit = 1 << (bits - 1)
    return not array.size or (int(array.min()) >= -limit and int(array.max()) < limit)


def _multipliers(op: _Requantized) -> npt.NDArray[np.generic]:
    if isinstance(op, IntMatmul):
        return op.multiplier.array
    return np.array(op.multipliers if isinstance(op, IntAdd) else (op.multiplier,))


def _too_many_terms(op: _Requantized, array: ArrayShape) -> LoweringError | None:
    """Return what is wrong if the array's shifts and adds cannot multiply as the operation asks."""
    if not array.multiplier_terms:
        return None
    terms = most_terms(_multipliers(op))
    if terms <= array.multiplier_terms:
        return None
    return LoweringError(
        f"a multiplier has {terms} terms, the array adds at most {array.multiplier_terms}",
        where=op.name,
        fix=f"build with --multipliers k-hot:{array.multiplier_terms}, or train or quantize the "
        "network so; or use an array with multiplier_terms=0, which multiplies by any number",
    )


def _requantization(op: _Requantized) -> list[str]:
    multipliers = _multipliers(op)
    biases: object = op.bias.array if isinstance(op, IntMatmul) else (op.bias,)
    problems = []
    if not _fits(multipliers, _MULTIPLIER_BITS):
        problems.append(f"a multiplier does not fit {_MULTIPLIER_BITS} signed bits")
    if not _fits(biases, _BIAS_BITS):
        problems.append(f"a bias does not fit {_BIAS_BITS} signed bits")
    if isinstance(op, IntSumPool):
        taps = op.window.kernel[0] * op.window.kernel[1]
        largest = _LARGEST_CODE * taps * abs(op.multiplier) + abs(op.bias)
        if largest >> (_SUM_BITS - 1):
            problems.append(f"a sum of {taps} codes may not fit {_SUM_BITS} signed bits")
    if not 0 <= op.shift <= _MAX_SHIFT:
        problems.append(f"shift {op.shift} is not in 0..{_MAX_SHIFT}")
    if not _fits((op.low, op.high), 32) or op.low > op.high:
        problems.append(f"bounds {op.low}..{op.high} are not two ordered 32-bit numbers")
    elif op.output and not op.output.low <= op.low <= op.high <= op.output.high:
        problems.append(
            f"bounds {op.low}..{op.high} leave the output's codes {op.output.low}..{op.output.high}"
        )
    return problems


def _sums(op: IntMatmul, array: ArrayShape) -> list[str]:
    if op.acc_bits <= array.acc_bits:
        return []
    return [f"needs {op.acc_bits}-bit partial sums, the array's have {array.acc_bits} bits"]


def check_sums(ops: Iterable[IntOp], array: ArrayShape) -> None:
    """Refuse matrix multiplications, those that copy channels included, with too wide sums.

    Raises:
        LoweringError: lists them.
    """
    findings = [
        LoweringError(text, where=op.name, fix="choose an array with wider partial sums")
        for op in ops
        if isinstance(op, IntMatmul)
        for text in _sums(op, array)
    ]
    if findings:
        raise LoweringError.gather(findings)


def _matmul(graph: IntGraph, op: IntMatmul, array: ArrayShape) -> list[str]:
    problems = []
    depth = graph.op(op.inputs[0]).shape[0]
    rows = op.shape[0]
    if op.groups < 1 or depth % op.groups or rows % op.groups:
        problems.append(f"{op.groups} groups do not divide {depth} -> {rows} channels")
    elif len(op.codes.shape) != 4 or op.codes.shape[:2] != (rows, depth // op.groups):
        problems.append(f"weight codes {op.codes.shape} do not match {depth} -> {rows} channels")
    elif op.codes.shape[2:] != op.window.kernel:
        problems.append(f"weight codes {op.codes.shape} do not match kernel {op.window.kernel}")
    lengths = {len(op.formats), op.multiplier.array.size, op.bias.array.size}
    if lengths != {rows}:
        problems.append(f"formats, multipliers and biases must have {rows} entries each")
    problems += _sums(op, array)
    if rows > _MAX_BLOCKS * array.channels:
        problems.append(f"more than {_MAX_BLOCKS} channel blocks")
    if op.output is None:
        if op.name != graph.output:
            problems.append("makes logits but is not the network's result")
        if op.shape[1:] != (1, 1):
            problems.append(f"makes logits of {op.shape[1]} x {op.shape[2]} pixels, not of one")
    return problems


def _window(graph: IntGraph, op: IntMatmul | IntMaxPool | IntSumPool) -> list[str]:
    _, height, width = graph.op(op.inputs[0]).shape
    window = op.window
    pairs = (*window.kernel, *window.stride, *window.padding, *window.dilation)
    if max(pairs) > _MAX_SIZE or min(*window.kernel, *window.stride, *window.dilation) < 1:
        return [f"its window has sizes outside 1..{_MAX_SIZE} (padding 0..{_MAX_SIZE})"]
    size = window.output_size(height, width)
    if size != op.shape[1:]:
        return [f"makes {op.shape[1:]} pixels, its window on {height} x {width} gives {size}"]
    return []


def _codes(graph: IntGraph, op: IntOp) -> list[str]:
    """What is wrong with the codes of an operation that moves or looks up codes."""
    if op.output is None or not op.inputs:
        return []
    sources = [graph.op(name).output for name in op.inputs]
    if isinstance(op, IntMaxPool | IntConcat | IntSelect | IntUpsample):
        same = {(op.output.bits, op.output.signed)}
        if {(form.bits, form.signed) for form in sources if form} != same:
            kind = {IntMaxPool: "a maximum", IntConcat: "a concatenation"}
            name = kind.get(type(op), "what moves codes")
            return [f"{name} must keep the format of its operand"]
    if isinstance(op, IntTable) and sources[0] is not None:
        table, form = np.asarray(op.table.array), sources[0]
        if table.shape != (form.high - form.low + 1,):
            return [f"a table of {table.size} entries for {form.high - form.low + 1} codes"]
        if table.min() < op.output.low or table.max() > op.output.high:
            return ["a table entry is outside the output's codes"]
    return []


def _shapes(graph: IntGraph, op: IntOp) -> list[str]:
    """What is wrong with the shapes of an operation without a window."""
    shapes = [graph.op(name).shape for name in op.inputs]
    channels, *pixels = op.shape
    fits = True
    if isinstance(op, IntAdd | IntMultiply):
        fits = shapes[0] == op.shape and shapes[1] in (op.shape, (channels, 1, 1))
    elif isinstance(op, IntConcat):
        fits = channels == sum(shape[0] for shape in shapes)
        fits = fits and all(list(shape[1:]) == pixels for shape in shapes)
    elif isinstance(op, IntSelect):
        fits = op.shape == (len(op.indices), *shapes[0][1:])
        fits = fits and all(0 <= index < shapes[0][0] for index in op.indices)
    elif isinstance(op, IntUpsample):
        depth, height, width = shapes[0]
        fits = min(op.factors) >= 1
        fits = fits and op.shape == (depth, height * op.factors[0], width * op.factors[1])
    elif isinstance(op, IntTable):
        fits = shapes[0] == op.shape
    return [] if fits else [f"its operands {shapes} do not give its result {op.shape}"]


def check_runs(graph: IntGraph, array: ArrayShape) -> None:
    """Refuse a graph that the array cannot run, whatever its size.

    Raises:
        LoweringError: lists everything that stands in the way, operation by operation.
    """
    findings: list[LoweringError] = []
    if not graph.ops or not isinstance(graph.ops[0], IntInput):
        raise LoweringError("the graph does not start with its input", where="graph")
    logits = {op.name for op in graph if op.output is None}
    for number, op in enumerate(graph):
        problems = []
        if isinstance(op, IntInput) != (number == 0):
            problems.append("only the first operation is the input")
        problems += [f"reads the logits {name!r}" for name in op.inputs if name in logits]
        if problems:
            findings += [LoweringError(text, where=op.name) for text in problems]
            continue
        if max(op.shape[1:]) > _MAX_SIZE or op.shape[0] > 4 * _MAX_SIZE or min(op.shape) < 1:
            problems.append(
                f"makes {op.shape}: sizes must be 1..{_MAX_SIZE}, channels at most {4 * _MAX_SIZE}"
            )
        if isinstance(op, IntMatmul):
            problems += _matmul(graph, op, array)
            try:
                check_formats(op.formats, array, op.name)
            except LoweringError as error:
                findings.append(error)
        elif op.output is None:
            problems.append("makes no codes, which only a matrix multiplication may")
        if isinstance(op, IntMatmul | IntMaxPool | IntSumPool):
            problems += _window(graph, op)
        if isinstance(op, IntMatmul | IntAdd | IntMultiply | IntSumPool):
            problems += _requantization(op)
            too_many = _too_many_terms(op, array)
            findings += [too_many] if too_many else []
        problems += _codes(graph, op) + _shapes(graph, op)
        findings += [
            LoweringError(text, where=op.name, fix="this is a fault of the lowering or the array")
            for text in problems
        ]
    if graph.argmax and graph.op(graph.output).output is not None:
        findings.append(
            LoweringError("argmax is asked for, but the result is codes", where=graph.output)
        )
    if findings:
        raise LoweringError.gather(findings)
