"""The product of a shift-add code and an activation nibble, in as few LUTs as the codebook allows.

Signs are folded in before the shifters: with a' = a ^ sign, and ones instead of zeros shifted in
where the sign is set, every term is the ones' complement of the wanted one. A term thus lacks
+1 where the weight is negative: that of the second term enters at the carry chain that adds the two
terms, that of the first, `minus`, at a carry input of the row's adder tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.codebooks import Codebook, Scheme
from rmsmp_hls.rtl.luts import Function, Lut, adder_bit, pack


@dataclass(frozen=True, slots=True)
class Control:
    """One decoded bit of a weight; bit k of `table` is its value for stored code k."""

    name: str
    table: int


@dataclass(frozen=True, slots=True)
class Product:
    """The product unit of one codebook.

    Attributes:
        bits: width of the product; its range is -2^(bits-1) .. 2^(bits-1) - 1 or narrower.
        low, high: its range; the true product is `product + minus`.
        controls: the decoded bits of a weight, the first one is `minus`.
        luts: the structure; `product` bits are the wires x[i].
        plain_bits: product bits 0 .. plain_bits - 1 are LUT outputs.
        chain: carry chain of the others: (propagate, data) wires; empty if there is none.
        carry: the chain's carry input.
        wires: names of all inner wires.
    """

    bits: int
    low: int
    high: int
    controls: tuple[Control, ...]
    luts: tuple[Lut, ...]
    plain_bits: int
    chain: tuple[tuple[str, str], ...]
    carry: str
    wires: tuple[str, ...]

    @property
    def decoder(self) -> tuple[Lut, ...]:
        """LUTs that make controls[k] of the bits of a stored code, code[3] .. code[0]."""
        bits = tuple(f"code[{i}]" for i in range(4))
        return pack(
            [
                Function(
                    f"controls[{k}]",
                    bits,
                    lambda *code, table=control.table: (
                        table >> sum(bit << i for i, bit in enumerate(code))
                    ),
                )
                for k, control in enumerate(self.controls)
            ]
        )


def product_of(book: Codebook) -> Product:
    """Plan the product unit of a shift-add codebook.

    Raises:
        ConfigError: the codebook is not shift-add, or its terms fit none of the structures.
    """
    if book.scheme is not Scheme.SHIFT_ADD:
        raise ConfigError(
            f"codebook {book.name} is not a shift-add codebook",
            where="shift-add lane",
            fix="use a table lane or a DSP slot for its rows",
        )
    firsts = sorted({terms[0] for terms in book.terms if terms})
    seconds = sorted({terms[1] for terms in book.terms if len(terms) > 1})
    one_chain = len(firsts) <= 3 and len(seconds) == 1 and seconds[0] >= max(firsts)
    fits = firsts[0] == 0 and (
        one_chain or (firsts[-1] <= 3 and len(seconds) <= 2) or (firsts[-1] <= 7 and not seconds)
    )
    if not fits:
        raise ConfigError(
            f"the shifts of codebook {book.name} fit no shift-add lane in SystemVerilog",
            where="shift-add lane",
            fix="use a table lane, or the lanes in C++",
        )
    if one_chain and len(firsts) == 3 and seconds[0] == max(firsts) == 2:
        return _one_chain(book, firsts, seconds[0])
    return _two_level(book, seconds)


def _control(book: Codebook, name: str, value: Callable[[tuple[int, ...], int], int]) -> Control:
    """Tabulate value(terms, sign) over the 16 codes; codes that mean 0 have all controls 0."""
    table = 0
    for code in range(16):
        index = code & 7
        terms = book.terms[index] if index < len(book.terms) else ()
        if terms:
            table |= (int(value(terms, code >> 3)) & 1) << code
    return Control(name, table)


def _shifted(i: int, shift: int, source: str, bits: int) -> str:
    """Bit i of source << shift with the sign's ones shifted in; source is signed."""
    at = i - shift
    return "minus" if at < 0 else f"{source}{min(at, bits - 1)}"


def _mux(output: str, choices: list[str], select: tuple[str, ...]) -> Function:
    """Multiplexer of named wires, each named once among the inputs."""
    names = tuple(dict.fromkeys(choices))

    def function(*values: int) -> int:
        chosen = sum(bit << i for i, bit in enumerate(values[len(names) :]))
        return values[names.index(choices[chosen])]

    return Function(output, (*names, *select), function)


def _signed_activation(gate: tuple[str, ...]) -> list[Function]:
    """a' = a ^ sign, 0 where a gate is 0."""
    return [
        Function(
            f"b{i}",
            (f"a[{i}]", "minus", *gate),
            lambda a, s, *g: (a ^ s) & min((1, *g)),
        )
        for i in range(4)
    ]


def _one_chain(book: Codebook, firsts: list[int], second: int) -> Product:
    """Shifts 0, 1, 2 and second shift 2: multiplexer and adder share the LUTs of one chain."""
    bits = (8 * book.max_magnitude - 1).bit_length() + 1
    controls = (
        _control(book, "minus", lambda terms, sign: sign),
        _control(book, "s0", lambda terms, sign: (firsts.index(terms[0]) + 1) & 1),
        _control(book, "s1", lambda terms, sign: (firsts.index(terms[0]) + 1) >> 1),
        _control(book, "e", lambda terms, sign: len(terms) > 1),
        _control(book, "c", lambda terms, sign: sign and len(terms) > 1),
    )

    def first(output: str, i: int) -> Function:
        choices = [_shifted(i, shift, "b", 4) for shift in firsts]
        names = tuple(dict.fromkeys(choices))

        def function(*values: int) -> int:
            chosen = values[-2] + 2 * values[-1]
            return values[names.index(choices[chosen - 1])] if chosen else 0

        return Function(output, (*names, "s0", "s1"), function)

    luts = list(pack(_signed_activation(())))
    luts += pack([first(f"x{i}", i) for i in range(second)])
    chain = []
    for i in range(second, bits):
        other = Function("", (_shifted(i, second, "b", 4), "e"), lambda a, e: a & e)
        luts.append(adder_bit(f"p{i}", f"d{i}", first("", i), other))
        chain.append((f"p{i}", f"d{i}"))
    wires = (
        *(f"b{i}" for i in range(4)),
        *(f"x{i}" for i in range(second)),
        *(wire for pair in chain for wire in pair),
    )
    return Product(bits, -8 * book.max_magnitude, 8 * book.max_magnitude - 1, controls,
                   tuple(luts), second, tuple(chain), "c", wires)  # fmt: skip


def _two_level(book: Codebook, seconds: list[int]) -> Product:
    """A first shifter of 0 .. 3, then a shifter by 4 (no second term) or an adder of the second."""
    bits = (8 * book.max_magnitude - 1).bit_length() + 1
    controls = [
        _control(book, "minus", lambda terms, sign: sign),
        _control(book, "n", lambda terms, sign: 1),
        _control(book, "s0", lambda terms, sign: terms[0] & 1),
        _control(book, "s1", lambda terms, sign: terms[0] >> 1),
    ]
    level = list(pack(_signed_activation(("n",))))
    last = 3 + min(3, max(terms[0] for terms in book.terms if terms))
    mux = [
        _mux(f"t{i}", [_shifted(i, shift, "b", 4) for shift in range(4)], ("s0", "s1"))
        for i in range(last)
    ]
    copies = {f"t{last}": "b3"}
    level += pack(mux)
    wires = [f"b{i}" for i in range(4)] + [f"t{i}" for i in range(last)]

    def shifted_first(i: int) -> str:
        name = f"t{min(i, last)}"
        return copies.get(name, name)

    chain: list[tuple[str, str]] = []
    plain = 0
    carry = "1'b0"
    if not seconds:
        controls.append(_control(book, "s2", lambda terms, sign: terms[0] >> 2))

        def far_bit(i: int) -> str:
            return "minus" if i < 4 else shifted_first(i - 4)

        level += pack([_mux(f"x{i}", [shifted_first(i), far_bit(i)], ("s2",)) for i in range(bits)])
        plain = bits
        wires += [f"x{i}" for i in range(bits)]
    else:
        shifts = [seconds[0], seconds[-1]]
        controls += [
            _control(book, "f", lambda terms, sign: len(terms) > 1 and terms[1] != shifts[0]),
            _control(book, "e", lambda terms, sign: len(terms) > 1),
            _control(book, "c", lambda terms, sign: sign and len(terms) > 1),
        ]
        carry = "c"
        for i in range(bits):
            names = [_shifted(i, shift, "b", 4) for shift in shifts]
            selected = _mux("", names, ("f",))
            inner = selected.function
            other = Function(
                "",
                (*selected.inputs, "e"),
                lambda *v, inner=inner: inner(*v[:-1]) & v[-1],
            )
            operand = Function("", (shifted_first(i),), lambda t: t)
            level.append(adder_bit(f"p{i}", f"d{i}", operand, other))
            chain.append((f"p{i}", f"d{i}"))
            wires += [f"p{i}", f"d{i}"]
    return Product(bits, -8 * book.max_magnitude, 8 * book.max_magnitude - 1, tuple(controls),
                   tuple(level), plain, tuple(chain), carry, tuple(wires))  # fmt: skip
