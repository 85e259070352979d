"""Verilog expressions of a planned tree: operands at the bits of their adder, inversion masks."""

from __future__ import annotations

from rmsmp_hls.rtl.tree import Adder, Operand


def aligned(operand: Operand, base: int, width: int) -> str:
    """Return the operand's bits base .. base + width - 1, sign extended, not yet inverted."""
    zeros = max(0, min(width, operand.shift - base))
    first = max(0, base - operand.shift)
    count = min(operand.width - first, width - zeros)
    extension = width - zeros - max(0, count)
    top = f"{operand.name}[{operand.width - 1}]" if operand.width > 1 else operand.name
    parts = []
    if extension > 0:
        parts.append(f"{{{extension}{{{top}}}}}")
    if count > 0:
        parts.append(f"{operand.name}[{first + count - 1}:{first}]")
    if zeros:
        parts.append(f"{zeros}'d0")
    return parts[0] if len(parts) == 1 and not extension else "{" + ", ".join(parts) + "}"


def inverted(operand: Operand, base: int, width: int) -> str:
    """Return the mask of the bits that the adder inverts."""
    if operand.negate:
        mask = (1 << width) - 1
    elif operand.flip_top:
        top = operand.shift + operand.width - 1 - base
        mask = ((1 << width) - 1) >> max(0, top) << max(0, top)
    else:
        mask = 0
    return f"{width}'h{mask:X}"


def adder_ports(adder: Adder) -> dict[str, str]:
    """Return the parameters and connections of an adder's instance, by name."""
    width = adder.adder_bits
    ports = {}
    for letter, index in (("a", 0), ("b", 1), ("c", 2)):
        if index < len(adder.operands):
            operand = adder.operands[index]
            ports[letter] = aligned(operand, adder.base, width)
            ports[f"INVERT_{letter.upper()}"] = inverted(operand, adder.base, width)
        else:
            ports[letter] = f"{width}'d0"
            ports[f"INVERT_{letter.upper()}"] = f"{width}'d0"
    carries = [carry.name for carry in adder.carries] + ["1'b0", "1'b0"]
    return {**ports, "carry0": carries[0], "carry1": carries[1]}


def passed_bits(adder: Adder) -> str:
    """Return the bits below the adder, of its first operand; "" if there are none."""
    count = adder.base - adder.shift
    return f"{adder.operands[0].name}[{count - 1}:0]" if count else ""
