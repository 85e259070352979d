"""Truth tables and product units, evaluated LUT by LUT in Python: no tool is needed."""

from __future__ import annotations

import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.codebooks import (
    CODEBOOKS,
    FIXED_4,
    LANE_CODEBOOKS,
    Codebook,
    Scheme,
    codebook,
)
from rmsmp_hls.rtl.lanes import code_weights
from rmsmp_hls.rtl.luts import Function, Lut, pack, pair
from rmsmp_hls.rtl.product import Product, product_of


def _drive(lut: Lut, values: dict[str, int]) -> None:
    """Set the outputs of a LUT6_2 from its inputs."""
    constant = {"1'b0": 0, "1'b1": 1}
    bits = [constant[name] if name in constant else values[name] for name in lut.inputs]
    row = sum(bit << i for i, bit in enumerate(bits))
    values[lut.o6] = (lut.init >> row) & 1
    if lut.o5:
        values[lut.o5] = (lut.init >> (row & 31)) & 1


def _evaluate(product: Product, code: int, activation: int) -> int:
    """The product of the structure, carry chain included, plus `minus`."""
    values = {f"a[{i}]": (activation >> i) & 1 for i in range(4)}
    values |= {c.name: (c.table >> code) & 1 for c in product.controls}
    for lut in product.luts:
        _drive(lut, values)
    word = sum(values[f"x{i}"] << i for i in range(product.plain_bits))
    carry = values.get(product.carry, 0)
    for i, (propagate, data) in enumerate(product.chain):
        word |= (values[propagate] ^ carry) << (product.plain_bits + i)
        carry = carry if values[propagate] else values[data]
    if word >> (product.bits - 1):
        word -= 1 << product.bits
    assert product.low <= word <= product.high
    return word + values["minus"]


BOOKS = [book for book in CODEBOOKS.values() if book.scheme is Scheme.SHIFT_ADD]


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.name)
def test_every_product(book: Codebook) -> None:
    """Every code times every activation, codes that mean -0 or nothing included."""
    product = product_of(book)
    weights = code_weights(book.name)
    for code in range(16):
        for activation in range(-8, 8):
            assert _evaluate(product, code, activation) == weights[code] * activation


def test_products_are_small() -> None:
    """LUTs of a product: 8 for SP2-4, 11 for PoT-4, 14 for APoT-4, which the lanes compute."""
    assert {name: len(product_of(codebook(name)).luts) for name in LANE_CODEBOOKS} == {
        "SP2-4": 8, "PoT-4": 11, "APoT-4": 14,
    }  # fmt: skip


def test_fixed_codes_have_no_shift_add_product() -> None:
    """The message says what to use instead."""
    with pytest.raises(ConfigError, match="table lane or a DSP slot"):
        product_of(FIXED_4)


def test_shifts_that_fit_nothing_are_refused() -> None:
    """Three different second shifts have no structure."""
    terms = ((), (0,), (1, 0), (2, 1), (3, 2), (3,))
    book = Codebook(
        "Odd-4", Scheme.SHIFT_ADD, 4, tuple(sum(1 << s for s in t) for t in terms), terms
    )
    with pytest.raises(ConfigError, match="Odd-4 fit no shift-add lane"):
        product_of(book)


def test_two_functions_share_a_lut_of_five_inputs() -> None:
    """Pairs with at most five inputs share, others do not."""
    first = Function("p", ("a", "b", "c"), lambda a, b, c: a ^ b ^ c)
    second = Function("q", ("c", "d", "e"), lambda c, d, e: c & d & e)
    wide = Function("r", ("c", "d", "e", "f"), lambda c, d, e, f: c | d | e | f)
    assert pair(first, second) is not None and pair(first, wide) is None
    luts = pack([first, wide, second])
    assert [(lut.o6, lut.o5) for lut in luts] == [("p", "q"), ("r", "")]
    for row in range(64):
        values = {name: (row >> i) & 1 for i, name in enumerate("abcdef")}
        for lut in luts:
            _drive(lut, values)
        a, b, c, d, e, f = (values[name] for name in "abcdef")
        assert (values["p"], values["q"], values["r"]) == (a ^ b ^ c, c & d & e, c | d | e | f)
