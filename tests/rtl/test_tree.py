"""Adder trees: every operand and every +1 is added once, in ranges that fit."""

from __future__ import annotations

import pytest

from rmsmp_hls.rtl.tree import Carry, Operand, Tree, plane_tree, signed_bits, sum_tree


def _evaluate(tree: Tree, values: dict[str, int], accumulator: int) -> int:
    """The result of a tree whose inputs stand still, one addition after another."""
    known = dict(values)
    for delay in tree.delays:  # each after its source
        if delay.source in known:
            known[delay.name] = known[delay.source]
    for adder in tree.adders:
        total = 0
        for operand in adder.operands:
            if adder.accumulates and operand.name == adder.name:
                total += accumulator
                continue
            value = known[operand.name]
            total += -(value << operand.shift) - 1 if operand.negate else value << operand.shift
        for carry in adder.carries:
            total += (1 if carry.constant else known[carry.name]) << adder.base
        width = adder.width + adder.shift
        assert -(1 << (width - 1)) <= total < 1 << (width - 1)
        known[adder.name] = total >> adder.shift
        for delay in tree.delays:
            if delay.source in known:
                known[delay.name] = known[delay.source]
    return known[tree.result]


@pytest.mark.parametrize("count", [2, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("accumulator_bits", [24, 0])
def test_sums(count: int, accumulator_bits: int) -> None:
    """Extremes of both signs, with a +1 per operand; two carries per adder suffice."""
    operands = [Operand(f"x{k}", 7, -64, 63, stage=1) for k in range(count)]
    carries = [Carry(f"c{k}", stage=1) for k in range(count)]
    tree = sum_tree("s", operands, carries, accumulator_bits)
    assert all(len(adder.carries) <= 2 for adder in tree.adders)
    for value, one in ((-64, 0), (-64, 1), (63, 0), (63, 1)):
        inputs = {f"x{k}": value for k in range(count)} | {f"c{k}": one for k in range(count)}
        started = 1000 if accumulator_bits else 0
        assert _evaluate(tree, inputs, started) == started + count * (value + one)


@pytest.mark.parametrize("groups", [2, 4, 8, 16, 32])
def test_planes_are_weighted(groups: int) -> None:
    """p0 + 2 p1 + 4 p2 - 8 p3 at the extremes of every plane."""
    planes = [[Operand(f"e{b}_{g}", 6, -32, 31, stage=1) for g in range(groups)] for b in range(4)]
    for accumulator_bits in (24, 0):
        tree = plane_tree("s", planes, accumulator_bits)
        for corner in range(16):
            levels = [31 if corner >> b & 1 else -32 for b in range(4)]
            inputs = {f"e{b}_{g}": levels[b] for b in range(4) for g in range(groups)}
            wanted = groups * (levels[0] + 2 * levels[1] + 4 * levels[2] - 8 * levels[3])
            assert _evaluate(tree, inputs, 0) == wanted


def test_operands_meet_in_their_stage() -> None:
    """All operands of an adder are of one stage, the result comes one later."""
    operands = [Operand(f"x{k}", 7, -64, 63, stage=1) for k in range(32)]
    tree = sum_tree("s", operands, [], 24)
    for adder in tree.adders:
        assert {operand.stage for operand in adder.operands} == {adder.stage - 1}
    assert tree.stage == 5


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(-64, 63, 7), (-64, 64, 8), (0, 1, 2), (-1, 0, 1), (-896, 1024, 12)]
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    """The least width of two's complement."""
    assert signed_bits(low, high) == bits
