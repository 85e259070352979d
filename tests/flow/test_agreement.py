"""The training model and the integer model differ by roundings near a tie and what follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rmsmp_hls import reference
from rmsmp_hls.ir import float_ops, int_ops
from rmsmp_hls.ir.graph import FloatGraph, IntGraph
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntInput,
    IntMatmul,
    IntMultiply,
    IntOp,
    IntSumPool,
)
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.evaluate import evaluate
from tests.blocks import BLOCKS, fitted_params, images_for
from tests.networks import params_for, residual_network

NETWORKS: dict[str, Callable[[int], FloatGraph]] = {"residual": residual_network, **BLOCKS}


def before_rounding(
    integer: IntGraph, op: IntOp, sources: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (value of each code before it is rounded, how far rounded factors put it off)."""
    assert isinstance(op, (IntMatmul, IntAdd, IntMultiply, IntSumPool))
    if isinstance(op, IntMatmul):
        terms = [reference.accumulate(op, sources[0])]
        total = terms[0] * op.multiplier.array[:, None, None] + op.bias.array[:, None, None]
    elif isinstance(op, IntAdd):
        terms = [np.broadcast_to(source, (len(source), *op.shape)) for source in sources]
        total = terms[0] * op.multipliers[0] + terms[1] * op.multipliers[1] + op.bias
    elif isinstance(op, IntMultiply):
        terms = [sources[0] * sources[1]]
        total = terms[0] * op.multiplier + op.bias
    else:
        window = op.window
        top, left, bottom, right = window.padding
        image = np.pad(sources[0], ((0, 0), (0, 0), (top, bottom), (left, right)))
        height, width = op.shape[1:]
        (down, across), (tall, wide) = window.stride, window.kernel
        sums = np.empty((len(sources[0]), *op.shape), dtype=np.int64)
        for y in range(height):
            for x in range(width):
                part = image[:, :, y * down : y * down + tall, x * across : x * across + wide]
                sums[:, :, y, x] = part.sum((2, 3))
        terms = [sums]
        total = sums * op.multiplier + op.bias
    reach = sum(np.abs(term) for term in terms)
    return total / 2.0**op.shift, (reach + 1) / 2.0 ** (op.shift + 1) + 2.0**-op.shift


@pytest.mark.parametrize(
    ("name", "seed", "shift_add"),
    [
        *((name, seed, "SP2-4") for name in NETWORKS for seed in range(2)),
        ("residual", 3, "PoT-3"),
        ("residual", 4, "PoT-2"),
    ],
)
def test_of_equal_inputs_codes_differ_by_one_and_only_near_a_tie(
    name: str, seed: int, shift_add: str
) -> None:
    """Where an operation makes another code of the same codes, the value before rounding is within
    the multipliers' rounding error of a tie; moved codes, tables and sums are equal."""
    graph = NETWORKS[name](seed)
    params = params_for(graph, shift_add) if name == "residual" else fitted_params(graph)
    integer = lower(quantize(graph, params))
    inputs = images_for(graph, 24, seed + 5) * 2
    trained = evaluate(graph, params, inputs).codes
    checked = 0
    for op in integer:
        if isinstance(op, IntInput):
            continue
        sources = [
            trained[source].astype(np.int64).reshape(len(inputs), *integer.op(source).shape)
            for source in op.inputs
        ]
        codes = reference.execute(integer, op, sources)
        real = trained[op.name].reshape(codes.shape).astype(np.int64)
        checked += codes.size
        rounded = isinstance(op, (IntMatmul, IntAdd, IntMultiply, IntSumPool))
        if not rounded or op.output is None:
            assert np.array_equal(codes, real), op.name
            continue
        assert np.abs(codes - real).max() <= 1, op.name
        exact, allowed = before_rounding(integer, op, sources)
        assert np.array_equal(np.clip(np.floor(exact), codes.min(), codes.max()), codes)
        distance = np.abs(exact - np.rint(exact))
        assert (distance <= allowed)[codes != real].all(), op.name
    assert checked > 1000


def test_these_networks_have_every_operation() -> None:
    """Of floats (dropout does nothing in evaluation) and of integers."""

    def kinds(module: object, base: type) -> set[type]:
        found = vars(module).values()
        return {c for c in found if isinstance(c, type) and issubclass(c, base)} - {base}

    floats, integers = set(), set()
    for make in NETWORKS.values():
        graph = make(0)
        params = params_for(graph) if make is residual_network else fitted_params(graph)
        floats |= {type(op) for op in graph}
        integers |= {type(op) for op in lower(quantize(graph, params))}
    assert kinds(float_ops, float_ops.FloatOp) - floats == {float_ops.Dropout}
    assert kinds(int_ops, int_ops.IntOp) == integers
