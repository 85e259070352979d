"""The verifier finds what is illegal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rmsmp_hls.errors import IrVerificationError
from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.printer import to_text
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from tests.blocks import BLOCKS
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
        ({"formats": ("Fixed-3",) * 10}, "stores Fixed-3 as Fixed-4"),
        ({"multiplier": ConstTensor(np.full(10, 1 << 20))}, "18 bits"),
        ({"output": None}, "not the result"),
    ],
)
def test_broken_rules_are_named(changes: dict, message: str) -> None:
    """Each broken rule is reported with the operation and the stage."""
    with pytest.raises(IrVerificationError, match=message) as error:
        verify(_with(_integer(), "relu3", **changes), "lower")
    assert "after lower" in str(error.value)


@pytest.mark.parametrize(
    ("block", "name", "changes", "message"),
    [
        ("csp_block", "cat13", {"inputs": ("select7",)}, "1 inputs, not 2"),
        ("csp_block", "cat13", {"shape": (13, 4, 4)}, "operands give"),
        ("csp_block", "cat13", {"output": ActFormat(8, True, 0.5)}, "another format"),
        ("csp_block", "select7", {"indices": (0, 1, 2, 8)}, "does not have"),
        ("csp_block", "select7", {"indices": (0, 1, 2)}, "operands give"),
        ("csp_block", "up17", {"factors": (2, 3)}, "operands give"),
        ("csp_block", "silu3", {"table": ConstTensor(np.zeros(256, dtype=int))}, "255 codes"),
        ("csp_block", "silu3", {"table": ConstTensor(np.full(255, 99))}, "entries beyond"),
        ("shuffle_unit", "relu3", {"groups": 5}, "do not divide"),
        ("shuffle_unit", "relu3", {"groups": 4}, "weights are not"),
        ("squeeze_and_excite", "mul9", {"inputs": ("sigmoid8", "relu3")}, "multiplies unequal"),
        ("squeeze_and_excite", "mul9", {"multiplier": 1 << 17}, "18 bits"),
    ],
)
def test_broken_rules_of_moved_codes_tables_and_groups(
    block: str, name: str, changes: dict, message: str
) -> None:
    """Arity, shapes, formats, tables and groups of the operations beside convolutions."""
    graph = BLOCKS[block](0)
    integer = lower(quantize(graph, params_for(graph)))
    verify(integer, "lower")
    with pytest.raises(IrVerificationError, match=message):
        verify(_with(integer, name, **changes), "lower")


def test_broken_formats_of_moved_codes_are_named_before_lowering() -> None:
    """A concatenation whose operands have other formats is illegal in the QuantGraph too."""
    graph = BLOCKS["csp_block"](0)
    quantized = quantize(graph, params_for(graph))
    verify(quantized, "quantize")
    with pytest.raises(IrVerificationError, match="another format"):
        verify(_with(quantized, "cat13", output=ActFormat(8, True, 0.5)), "quantize")


def test_text_form_has_one_line_per_operation() -> None:
    """The text shows shape, format, row mix and window of every operation."""
    graph = _integer()
    lines = to_text(graph).splitlines()
    assert len(lines) == len(graph.ops) + 1
    assert lines[0] == "int-graph -> fc15 +argmax"
    conv = next(line for line in lines if line.startswith("relu3:"))
    assert "10x9x7 u8*" in conv and "IntMatmul(x)" in conv and "k3x3.s1x1.p1,1,1,1" in conv
    assert "7*SP2-4" in conv
