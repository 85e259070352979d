"""LUT primitives and their truth tables, from Python functions of the input bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

BitFunction = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Lut:
    """One LUT6_2: `o6` and, if named, `o5`; unused inputs are constants.

    Attributes:
        init: 64 bits, row `I5 .. I0` of the truth table.
        inputs: Verilog expressions at I0 .. I5.
        o6, o5: the wires that it drives; `o5` may be "".
    """

    init: int
    inputs: tuple[str, ...]
    o6: str
    o5: str = ""

    @property
    def init_hex(self) -> str:
        """The table as Verilog writes it."""
        return f"64'h{self.init:016X}"


@dataclass(frozen=True, slots=True)
class Function:
    """A wire and what it computes: `function` of the named inputs, in their order."""

    output: str
    inputs: tuple[str, ...]
    function: BitFunction


def _table(function: BitFunction, inputs: Sequence[str], among: Sequence[str], rows: int) -> int:
    at = [among.index(name) for name in inputs]
    return sum((int(function(*((row >> i) & 1 for i in at))) & 1) << row for row in range(rows))


def single(function: Function) -> Lut:
    """Return a LUT with one function of up to six inputs."""
    inputs = function.inputs + ("1'b0",) * (6 - len(function.inputs))
    return Lut(_table(function.function, function.inputs, function.inputs, 64), inputs,
               function.output)  # fmt: skip


def pair(first: Function, second: Function) -> Lut | None:
    """Return a LUT with both functions, or None if they have more than five inputs together."""
    names = tuple(dict.fromkeys(first.inputs + second.inputs))
    if len(names) > 5:
        return None
    high = _table(first.function, first.inputs, names, 32)
    low = _table(second.function, second.inputs, names, 32)
    inputs = (*names, *("1'b0",) * (5 - len(names)), "1'b1")
    return Lut(high << 32 | low, inputs, first.output, second.output)


def pack(functions: Sequence[Function]) -> tuple[Lut, ...]:
    """Return LUTs for all functions, two in one wherever neighbours share five inputs."""
    left = list(functions)
    luts = []
    while left:
        function = left.pop(0)
        for other in left:
            lut = pair(function, other)
            if lut is not None:
                left.remove(other)
                luts.append(lut)
                break
        else:
            luts.append(single(function))
    return tuple(luts)


def adder_bit(sum_wire: str, operand_wire: str, operand: Function, other: Function) -> Lut:
    """Return the LUT of one bit of `operand + other` on a carry chain.

    O5 is the operand, the chain's data input. O6 is operand ^ other, the propagate signal.
    The last input of `other` gates it, and is I5: where it is 0, O6 repeats O5.
    """
    names = tuple(dict.fromkeys(operand.inputs + other.inputs[:-1]))
    gate = other.inputs[-1]
    low = _table(operand.function, operand.inputs, names, 32)
    with_other = _table(other.function, (*other.inputs[:-1], gate), (*names, gate), 64)
    # Rows in which the gate is 1, for the five common inputs.
    shift = len(names)
    mask = (1 << shift) - 1
    added = sum(((with_other >> ((row & mask) | 1 << shift)) & 1) << row for row in range(32))
    inputs = (*names, *("1'b0",) * (5 - len(names)), gate)
    return Lut((low ^ added) << 32 | low, inputs, sum_wire, operand_wire)
