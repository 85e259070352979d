"""The training model and the integer model: equal but for roundings near a tie.

Of every operation the training model's own codes are the operands of the integer formula. What
may differ follows from the rounding of multipliers and biases: with u = (sum M x + B) / 2^S and
an error of half a unit in every M and in B, |u - (v + 1/2)| <= e = (sum |x| + 1) / 2^(S + 1),
where v is the value before rounding. The code of v thus lies between those of u - e and u + e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rmsmp_hls import reference
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntInput, IntMatmul, IntMultiply, IntOp, IntSumPool

Codes = npt.NDArray[np.int64]
_LARGE = 1 << 40
_FLOAT_ERROR = 1e-9  # of the training model's float64, relative


def disagreements(graph: IntGraph, trained: Mapping[str, npt.NDArray[np.integer]]) -> list[str]:
    """Return a sentence for every operation whose codes the integer formula cannot explain.

    Args:
        graph: the integer network.
        trained: what the training model computed, [N, ...]; logits are accumulators.
    """
    found = []
    for op in graph:
        if isinstance(op, IntInput):
            continue
        missing = [name for name in (op.name, *op.inputs) if name not in trained]
        if missing:
            found.append(f"the training model makes no codes of {', '.join(missing)}")
            continue
        sources = [_image(trained[name], graph.op(name)) for name in op.inputs]
        real = _image(trained[op.name], op)
        low, high = _bounds(graph, op, sources)
        wrong = (real < low) | (real > high)
        if wrong.any():
            at = tuple(int(i[0]) for i in np.nonzero(wrong))
            found.append(
                f"{op.name}: {int(wrong.sum())} of {wrong.size} codes differ by more than "
                f"roundings; at {at} the training model has {real[at]}, the integers allow "
                f"{low[at]}..{high[at]}"
            )
    return found


def _image(codes: npt.NDArray[np.integer], op: IntOp) -> Codes:
    return np.asarray(codes, dtype=np.int64).reshape(len(codes), *op.shape)


def _bounds(graph: IntGraph, op: IntOp, sources: list[Codes]) -> tuple[Codes, Codes]:
    """Return the smallest and the largest code that roundings can explain."""
    exact = reference.execute(graph, op, sources)
    if isinstance(op, IntMatmul) and op.output is not None:
        acc = reference.accumulate(op, sources[0])
        total = acc * _rows(op.multiplier.array) + _rows(op.bias.array)
        return _near(total, np.abs(acc), op.shift, op.low, op.high)
    if isinstance(op, IntAdd):
        first, second = op.multipliers
        total = sources[0] * first + sources[1] * second + op.bias
        size = np.abs(sources[0]) + np.abs(sources[1])
        return _near(total, size, op.shift, op.low, op.high)
    if isinstance(op, IntMultiply):
        product = sources[0] * sources[1]
        return _near(product * op.multiplier + op.bias, np.abs(product), op.shift, op.low, op.high)
    if isinstance(op, IntSumPool):
        plain = replace(op, multiplier=1, bias=0, shift=0, low=-_LARGE, high=_LARGE)
        acc = reference.execute(graph, plain, sources)
        return _near(acc * op.multiplier + op.bias, np.abs(acc), op.shift, op.low, op.high)
    return exact, exact


def _rows(values: npt.NDArray[np.generic]) -> Codes:
    return np.asarray(values, dtype=np.int64)[:, None, None]


def _near(total: Codes, size: Codes, shift: int, low: int, high: int) -> tuple[Codes, Codes]:
    unit = total / 2.0**shift
    error = (size + 1) / 2.0 ** (shift + 1) + _FLOAT_ERROR * (1 + np.abs(unit))
    return (
        np.clip(np.floor(unit - error), low, high).astype(np.int64),
        np.clip(np.floor(unit + error), low, high).astype(np.int64),
    )
