"""Trees of ternary adders: what is added where, how wide, and which +1 enters at which carry.

Every ternary adder has two carry inputs besides its operands. An even number of operands with one
accumulator needs half as many adders as operands, so there is a carry input per operand:
each may bring a +1 along at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Operand:
    """A registered signal that takes part in a sum.

    Attributes:
        name: its wire; its bits are those of the stored number.
        width: bits of the wire.
        low, high: range of the number that the operand stands for, before `shift`.
        shift: the number counts 2^shift times.
        stage: cycle in which it is there.
        flip_top: the top bit is stored inverted (an offset of 2^(width-1)).
        negate: its ones' complement is added; the +1 is a carry of its own, at `shift`.
    """

    name: str
    width: int
    low: int
    high: int
    shift: int = 0
    stage: int = 0
    flip_top: bool = False
    negate: bool = False

    @property
    def range(self) -> tuple[int, int]:
        """What it adds to the sum (the ones' complement where negated)."""
        if self.negate:
            return -(self.high << self.shift) - 1, -(self.low << self.shift) - 1
        return self.low << self.shift, self.high << self.shift


@dataclass(frozen=True, slots=True)
class Carry:
    """A +1, constant or a wire that is there in cycle `stage`."""

    name: str
    stage: int = 0
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Adder:
    """One ternary adder with the register behind it.

    Attributes:
        name: the register, `width` bits, low bit of weight 2^shift.
        operands: one to three, already of the same stage.
        carries: up to two.
        base: weight (power of two) of the adder's lowest bit; the bits of the sum from
            `shift` up to it belong to operands[0] alone and are only registered.
        stage: cycle in which the register holds the sum.
        accumulates: operands[0] is this register itself, gated by `clear`.
    """

    name: str
    width: int
    shift: int
    operands: tuple[Operand, ...]
    carries: tuple[Carry, ...]
    base: int
    stage: int
    accumulates: bool = False

    @property
    def adder_bits(self) -> int:
        """LUTs of the adder."""
        return self.width - (self.base - self.shift)


@dataclass(frozen=True, slots=True)
class Delay:
    """A register that moves a wire from one stage to the next."""

    name: str
    source: str
    width: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A planned tree; `result` is the register that holds the sum in cycle `stage`."""

    adders: tuple[Adder, ...]
    delays: tuple[Delay, ...]
    result: str
    width: int
    stage: int

    @property
    def lut(self) -> int:
        """LUTs of all adders."""
        return sum(adder.adder_bits for adder in self.adders)


def signed_bits(low: int, high: int) -> int:
    """Width of a two's complement number for low .. high."""
    return max((-low - 1).bit_length() if low < 0 else 0, max(high, 0).bit_length()) + 1


class Planner:
    """Builds one tree; every method adds hardware."""

    def __init__(self, prefix: str, carries: Sequence[Carry] = ()) -> None:
        self._prefix = prefix
        self._carries = list(carries)
        self._adders: list[Adder] = []
        self._delays: dict[str, Delay] = {}

    def plan(self, result: str, width: int, stage: int) -> Tree:
        """Return what was built; all carries must have been placed."""
        assert not self._carries, f"{len(self._carries)} carries have no place"
        return Tree(tuple(self._adders), tuple(self._delays.values()), result, width, stage)

    def delayed(self, operand: Operand, stage: int) -> Operand:
        """Return the operand in a later stage."""
        name = self._delayed_wire(operand.name, operand.width, operand.stage, stage)
        return replace(operand, name=name, stage=stage)

    def add(
        self, operands: Sequence[Operand], stage: int, *, pinned: Sequence[Carry] = ()
    ) -> Operand:
        """Add operands between `stage` and the next; free carries join.

        Args:
            operands: one to three; they are delayed to `stage`.
            stage: cycle in which they are added; the sum is there one later.
            pinned: carries that must enter here (the +1 of a negated operand).
        """
        ready = sorted((self.delayed(o, stage) for o in operands), key=lambda o: o.shift)
        shift = ready[0].shift
        # Bits below the second operand need no adder, unless a +1 enters at the lowest bit.
        free_low = not pinned and len(ready) > 1 and not any(o.negate for o in ready)
        base = ready[1].shift if free_low else shift
        carries = list(pinned)
        if base == 0:
            while len(carries) < 2 and self._carries:
                carries.append(self._ready_carry(stage))
        units = sum(1 for _ in carries) << base
        low = sum(o.range[0] for o in ready)
        high = sum(o.range[1] for o in ready) + units
        width = signed_bits(low >> shift, (high + (1 << shift) - 1) >> shift)
        name = f"{self._prefix}{len(self._adders)}"
        self._adders.append(
            Adder(name, width, shift, tuple(ready), tuple(carries), base, stage + 1)
        )
        return Operand(name, width, low >> shift, high >> shift, shift, stage + 1)

    def accumulate(
        self, operands: Sequence[Operand], stage: int, width: int, *, pinned: Sequence[Carry] = ()
    ) -> str:
        """Add up to two operands to an accumulator of `width` bits; return its register."""
        ready = [self.delayed(o, stage) for o in operands]
        free = min(2 - len(pinned), len(self._carries))
        carries = [*pinned, *(self._ready_carry(stage) for _ in range(free))]
        name = f"{self._prefix}acc"
        own = Operand(name, width, -(1 << (width - 1)), (1 << (width - 1)) - 1, 0, stage)
        self._adders.append(
            Adder(name, width, 0, (own, *ready), tuple(carries), 0, stage + 1, True)
        )
        return name

    def _ready_carry(self, stage: int) -> Carry:
        carry = self._carries.pop(0)
        if carry.constant:
            return carry
        return Carry(self._delayed_wire(carry.name, 1, carry.stage, stage), stage)

    def _delayed_wire(self, name: str, width: int, stage: int, wanted: int) -> str:
        stem = name.replace("[", "_").replace(":", "_").replace("]", "")
        for step in range(stage, wanted):
            following = f"{stem}_at{step + 1}"
            self._delays.setdefault(following, Delay(following, name, width))
            name = following
        return name


def reduce_to(planner: Planner, operands: Sequence[Operand], count: int) -> list[Operand]:
    """Add operands of one stage in threes, level by level, until `count` are left.

    The widest are added first, the narrowest wait; an even number stays even.
    """
    left = list(operands)
    while len(left) > count:
        stage = max(o.stage for o in left)
        left.sort(key=lambda o: -o.width)
        threes = len(left) // 3
        sums = [planner.add(left[3 * k : 3 * k + 3], stage) for k in range(threes)]
        left = sums + left[3 * threes :]
    return left


def sum_tree(
    prefix: str, operands: Sequence[Operand], carries: Sequence[Carry], accumulator_bits: int
) -> Tree:
    """Plan the sum of an even number of unshifted operands, accumulated unless bits are 0.

    With one operand (a lone cascade) the accumulator takes it alone.
    """
    planner = Planner(prefix, carries)
    left = reduce_to(planner, operands, 2)
    stage = max(o.stage for o in left)
    if accumulator_bits:
        name = planner.accumulate(left, stage, accumulator_bits)
        return planner.plan(name, accumulator_bits, stage + 1)
    total = planner.add(left, stage)
    return planner.plan(total.name, total.width, total.stage)


def plane_tree(prefix: str, planes: Sequence[Sequence[Operand]], accumulator_bits: int) -> Tree:
    """Plan sum p0 + 2 p1 + 4 p2 - 8 p3 over four lists of operands of one stage.

    Each plane is added up to two operands; the two of plane 3 are subtracted last.
    """
    planner = Planner(prefix)
    pairs = [reduce_to(planner, plane, 2) for plane in planes]
    stage = max(o.stage for pair in pairs for o in pair)
    weighted = [
        [replace(o, shift=bit) for o in sorted(pair, key=lambda o: -o.width)]
        for bit, pair in enumerate(pairs)
    ]
    first = planner.add([weighted[b][0] for b in range(3)], stage)
    second = planner.add([weighted[b][1] for b in range(3)], stage)
    # -8 p = ~(8 p) + 1: the last two adders bring the ones, as their zeros are inverted too.
    one = Carry("1'b1", constant=True)
    minus = [replace(weighted[3][k], negate=True) for k in (0, 1)]
    both = planner.add([first, second, minus[1]], stage + 1, pinned=[one])
    if accumulator_bits:
        name = planner.accumulate([both, minus[0]], stage + 2, accumulator_bits, pinned=[one])
        return planner.plan(name, accumulator_bits, stage + 3)
    total = planner.add([both, minus[0]], stage + 2, pinned=[one])
    return planner.plan(total.name, total.width, total.stage)
