"""Multipliers of few terms: training model and integers agree, all multipliers have few terms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntMatmul, IntMultiply, IntSumPool
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.multipliers import most_terms
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.evaluate import evaluate
from tests.blocks import BLOCKS, fitted_params, images_for
from tests.train.test_blocks import differences


def multipliers(graph: IntGraph) -> dict[str, list[int]]:
    """Operation -> its multipliers."""
    found: dict[str, list[int]] = {}
    for op in graph:
        if isinstance(op, IntMatmul):
            found[op.name] = [int(m) for m in np.asarray(op.multiplier.array)]
        elif isinstance(op, IntAdd):
            found[op.name] = list(op.multipliers)
        elif isinstance(op, (IntMultiply, IntSumPool)):
            found[op.name] = [op.multiplier]
    return found


@pytest.mark.parametrize("terms", [1, 2, 3])
@pytest.mark.parametrize("name", list(BLOCKS))
def test_evaluation_is_the_integer_model(name: str, terms: int) -> None:
    """Every multiplier has few terms; of the same codes every operation makes the same codes."""
    graph = BLOCKS[name](2)
    params = dataclasses.replace(fitted_params(graph), multiplier_terms=terms)
    images = images_for(graph, 12, 1)
    integer = lower(quantize(graph, params))
    verify(integer, "lower")
    assert max(most_terms(found) for found in multipliers(integer).values()) <= terms
    trained = evaluate(graph, params, images).codes
    assert max(differences(integer, dict(trained)).values()) < 1e-3
