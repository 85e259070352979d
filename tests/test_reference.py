"""The integer reference against loops over elements."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls import reference
from rmsmp_hls.ir.graph import Graph, IntGraph, Level
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Window
from rmsmp_hls.numerics.codebooks import codebook

EMPTY = ConstTensor(np.zeros(0))
SIGNED8, UNSIGNED4 = ActFormat(8, True, 1.0), ActFormat(4, False, 1.0)


def convolution(
    channels: int, rows: int, groups: int, size: tuple[int, int], window: Window, seed: int
) -> tuple[IntMatmul, np.ndarray]:
    """Return an operation of random rows, and its weight integers."""
    rng = np.random.default_rng(seed)
    formats = tuple(
        str(name) for name in rng.choice(["SP2-4", "PoT-4", "Fixed-4", "Fixed-8"], rows)
    )
    shape = (channels // groups, *window.kernel)
    integers = np.array([rng.choice(codebook(name).levels, shape) for name in formats])
    codes = [codebook(f).encode(row) for f, row in zip(formats, integers, strict=True)]
    zeros = ConstTensor(np.zeros(rows, dtype=np.int64))
    op = IntMatmul(
        name="y", inputs=("x",), shape=(rows, *window.output_size(*size)), output=None,
        codes=ConstTensor(np.array(codes)), formats=formats, window=window, multiplier=zeros,
        bias=zeros, shift=0, low=0, high=0, acc_bits=32, logit_scale=EMPTY, logit_offset=EMPTY,
        groups=groups,
    )  # fmt: skip
    return op, integers


def by_elements(op: IntMatmul, weights: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """acc[n, r, y, x], product by product."""
    made = np.zeros((len(codes), *op.shape), dtype=np.int64)
    _, channels, height, width = codes.shape
    read, window = channels // op.groups, op.window
    for n, r, y, x in product(*map(range, made.shape)):
        first = r // (op.shape[0] // op.groups) * read
        for c, ky, kx in product(range(read), *map(range, window.kernel)):
            iy = y * window.stride[0] - window.padding[0] + ky * window.dilation[0]
            ix = x * window.stride[1] - window.padding[1] + kx * window.dilation[1]
            if 0 <= iy < height and 0 <= ix < width:
                made[n, r, y, x] += weights[r, c, ky, kx] * codes[n, first + c, iy, ix]
    return made


@settings(max_examples=25, deadline=None)
@given(
    groups=st.integers(1, 4),
    per_group=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    tile=st.sampled_from([1, 1 << 21]),
    block=st.sampled_from([1, 20, 1 << 23]),
    seed=st.integers(0, 1000),
)
def test_grouped_convolution(
    groups, per_group, kernel, stride, padding, dilation, tile, block, seed
) -> None:
    """Any groups, window and tiling: what the loops over elements give."""
    window = Window(kernel, stride, padding, dilation)
    if min(window.output_size(5, 6)) < 1:
        return
    channels, rows = groups * per_group[0], groups * per_group[1]
    op, weights = convolution(channels, rows, groups, (5, 6), window, seed)
    codes = np.random.default_rng(seed).integers(-128, 128, (2, channels, 5, 6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "_TILE_NUMBERS", tile)
        patch.setattr("rmsmp_hls.numerics.codebooks._BLOCK_NUMBERS", block)
        found = reference.accumulate(op, codes)
    assert found.dtype == np.int64
    assert np.array_equal(found, by_elements(op, weights, codes))


def test_sums_that_float32_cannot_hold_are_exact() -> None:
    """Sums above 2^24, odd ones among them."""
    op, _ = convolution(700, 2, 1, (1, 1), Window(), 0)
    book = codebook("Fixed-8")
    weights = np.full((2, 700, 1, 1), 119)
    weights[1, ::2] = 118
    fixed = ConstTensor(book.encode(weights))
    changed = {"codes": fixed, "formats": ("Fixed-8", "Fixed-8")}
    op = IntMatmul(**{f: getattr(op, f) for f in op.__dataclass_fields__} | changed)
    codes = np.full((1, 700, 1, 1), 255)
    codes[0, 0] = 254
    found = reference.accumulate(op, codes)[0, :, 0, 0]
    wanted = [sum(int(w) * int(a) for w, a in zip(row.ravel(), codes.ravel(), strict=True))
              for row in weights]  # fmt: skip
    assert wanted[0] > 1 << 24 and found.tolist() == wanted


def run(op: IntOp, *formats: ActFormat, images: tuple[np.ndarray, ...]) -> np.ndarray:
    inputs = [
        IntInput(name=name, inputs=(), shape=image.shape[1:], output=form)
        for name, form, image in zip(op.inputs, formats, images, strict=True)
    ]
    graph: IntGraph = Graph(Level.INT, (*inputs, op), op.name)
    return reference.execute(graph, op, list(images))


@pytest.mark.parametrize("form", [SIGNED8, UNSIGNED4, ActFormat(3, True, 1.0, narrow=False)])
def test_table(form: ActFormat) -> None:
    """Entry 0 belongs to the smallest code of the operand's format."""
    codes = np.arange(form.low, form.high + 1).reshape(1, 1, 1, -1)
    entries = np.random.default_rng(0).integers(0, 16, codes.size)
    op = IntTable(
        name="y", inputs=("x",), shape=codes.shape[1:], output=UNSIGNED4,
        table=ConstTensor(entries),
    )  # fmt: skip
    assert run(op, form, images=(codes,)).ravel().tolist() == entries.tolist()


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("kind", ["add", "multiply"])
def test_sums_and_products(kind: str, small: bool) -> None:
    """The second operand may be one number per channel."""
    rng = np.random.default_rng(1)
    a = rng.integers(-127, 128, (2, 3, 4, 5))
    b = rng.integers(0, 16, (2, 3, 1, 1) if small else a.shape)
    common = {"name": "y", "inputs": ("a", "b"), "shape": (3, 4, 5), "output": SIGNED8,
              "bias": 77, "shift": 4, "low": -100, "high": 90}  # fmt: skip
    op = IntAdd(**common, multipliers=(5, -9)) if kind == "add" else IntMultiply(
        **common, multiplier=3)  # fmt: skip
    found = run(op, SIGNED8, UNSIGNED4, images=(a, b))
    for n, c, y, x in product(*map(range, a.shape)):
        p, q = int(a[n, c, y, x]), int(b[n, c, 0, 0] if small else b[n, c, y, x])
        total = p * 5 - q * 9 if kind == "add" else p * q * 3
        assert found[n, c, y, x] == min(max((total + 77) // 16, -100), 90)


def test_codes_are_moved_unchanged() -> None:
    """Concatenation, selection and upsampling, element by element."""
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 16, (2, 3, 2, 3)), rng.integers(0, 16, (2, 1, 2, 3))
    common = {"name": "y", "output": UNSIGNED4}
    joined = run(IntConcat(**common, inputs=("a", "b"), shape=(4, 2, 3)), UNSIGNED4, UNSIGNED4,
                 images=(a, b))  # fmt: skip
    assert np.array_equal(joined[:, :3], a) and np.array_equal(joined[:, 3:], b)
    chosen = run(IntSelect(**common, inputs=("a",), shape=(4, 2, 3), indices=(2, 0, 0, 1)),
                 UNSIGNED4, images=(a,))  # fmt: skip
    assert all(np.array_equal(chosen[:, i], a[:, c]) for i, c in enumerate((2, 0, 0, 1)))
    large = run(IntUpsample(**common, inputs=("a",), shape=(3, 6, 6), factors=(3, 2)), UNSIGNED4,
                images=(a,))  # fmt: skip
    assert large.shape == (2, 3, 6, 6)
    for n, c, y, x in product(*map(range, large.shape)):
        assert large[n, c, y, x] == a[n, c, y // 3, x // 2]


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 1)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    seed=st.integers(0, 1000),
)
def test_pools(kernel, stride, padding, dilation, seed) -> None:
    """Maxima ignore padding, sums count it as 0."""
    window = Window(kernel, stride, padding, dilation)
    if min(window.output_size(5, 6)) < 1:
        return
    codes = np.random.default_rng(seed).integers(-127, 128, (1, 2, 5, 6))
    shape = (2, *window.output_size(5, 6))
    common = {"name": "y", "inputs": ("x",), "shape": shape, "output": SIGNED8, "window": window}
    largest = run(IntMaxPool(**common), SIGNED8, images=(codes,))
    sums = run(IntSumPool(**common, multiplier=3, bias=-5, shift=2, low=-127, high=127), SIGNED8,
               images=(codes,))  # fmt: skip
    for c, y, x in product(*map(range, shape)):
        seen = []
        for ky, kx in product(*map(range, kernel)):
            iy = y * stride[0] - padding[0] + ky * dilation[0]
            ix = x * stride[1] - padding[1] + kx * dilation[1]
            if 0 <= iy < 5 and 0 <= ix < 6:
                seen.append(int(codes[0, c, iy, ix]))
        assert largest[0, c, y, x] == max(seen, default=np.iinfo(np.int64).min)
        assert sums[0, c, y, x] == min(max((3 * sum(seen) - 5) // 4, -127), 127)
