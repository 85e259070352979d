"""The training model and the integer model differ by roundings near a tie and what follows."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls import reference
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.evaluate import evaluate
from tests.networks import params_for, residual_network


@pytest.mark.parametrize(
    ("seed", "shift_add"), [(0, "SP2-4"), (1, "SP2-4"), (2, "SP2-4"), (3, "PoT-3"), (4, "PoT-2")]
)
def test_of_equal_inputs_codes_differ_by_one_and_only_near_a_tie(seed: int, shift_add: str) -> None:
    """Where a layer of the same input codes gives another code, the value before rounding is
    within the multiplier's rounding error of a tie."""
    graph = residual_network(seed)
    params = params_for(graph, shift_add)
    integer = lower(quantize(graph, params))
    inputs = np.random.default_rng(seed).normal(0, 3, (24, *graph.input.shape)).astype(np.float32)
    trained = evaluate(graph, params, inputs).codes
    checked = 0
    for op in integer:
        if not isinstance(op, IntMatmul) or op.output is None:
            continue
        source = trained[op.inputs[0]].astype(np.int64)
        source = source.reshape(len(inputs), *integer.op(op.inputs[0]).shape)
        acc = reference.accumulate(op, source)
        codes = reference.execute(integer, op, [source])
        real = trained[op.name].reshape(codes.shape).astype(np.int64)
        assert np.abs(codes - real).max() <= 1
        exact = acc * op.multiplier.array[:, None, None] + op.bias.array[:, None, None]
        distance = np.abs(exact / 2.0**op.shift - np.rint(exact / 2.0**op.shift))
        allowed = (np.abs(acc) + 1) / 2.0 ** (op.shift + 1) + 2.0**-op.shift
        assert (distance <= allowed)[codes != real].all()
        checked += codes.size
    assert checked > 10_000
