"""The verifier finds what is illegal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rmsmp_hls.errors import IrVerificationError
from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.printer import to_text
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from tests.networks import params_for, residual_network


def _integer() -> Graph:
    graph = residual_network(2)
    return lower(quantize(graph, params_for(graph)))


def _with(graph: Graph, name: str, **changes) -> Graph:
    ops = tuple(dataclasses.replace(o, **changes) if o.name == name else o for o in graph.ops)
    return dataclasses.replace(graph, ops=ops)


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"shape": (10, 3, 3)}, "its window gives"),
        ({"low": 9, "high": 3}, "are empty"),
        ({"shift": 60}, "shift 60"),
        ({"inputs": ("nowhere",)}, "before it is made"),
        ({"formats": ("SP2-4",)}, "formats"),
        ({"multiplier": ConstTensor(np.full(10, 1 << 20))}, "18 bits"),
        ({"output": None}, "not the result"),
    ],
)
def test_broken_rules_are_named(changes: dict, message: str) -> None:
    """Each broken rule is reported with the operation and the stage."""
    with pytest.raises(IrVerificationError, match=message) as error:
        verify(_with(_integer(), "relu3", **changes), "lower")
    assert "after lower" in str(error.value)


def test_text_form_has_one_line_per_operation() -> None:
    """The text shows shape, format, row mix and window of every operation."""
    graph = _integer()
    lines = to_text(graph).splitlines()
    assert len(lines) == len(graph.ops) + 1
    assert lines[0] == "int-graph -> fc15 +argmax"
    conv = next(line for line in lines if line.startswith("relu3:"))
    assert "10x9x7 u8*" in conv and "IntMatmul(x)" in conv and "k3x3.s1x1.p1,1,1,1" in conv
    assert "7*SP2-4" in conv
