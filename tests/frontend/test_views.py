"""Views say where every element lies: held against numpy on numbered elements."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.frontend.layouts import RANKS, image_shape, lay_out
from rmsmp_hls.frontend.views import View, whole
from rmsmp_hls.ir.float_ops import Flatten, SelectChannels, Unflatten, Upsample

Numbers = npt.NDArray[np.int64]


def elements(view: View) -> Numbers:
    """Number of the base's element at every place of a view, by counting alone."""
    places = np.zeros(view.shape, dtype=np.int64) + view.offset
    for axis, group in enumerate(view.groups):
        along = np.zeros(1, dtype=np.int64)
        for size, stride in group:
            along = (along[:, None] + np.arange(size) * stride).reshape(-1)
        places += along.reshape([-1 if a == axis else 1 for a in range(len(view.groups))])
    return places


def factorings(size: int, draw: st.DrawFn) -> list[int]:
    """Some shape of `size` elements."""
    shape = []
    while size > 1 and len(shape) < 4:
        factor = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
        shape.append(factor)
        size //= factor
    return [*shape, size]


@st.composite
def moved(draw: st.DrawFn) -> tuple[View, Numbers]:
    """A view after a few random shape operations, and the same of numbered elements."""
    batch = draw(st.integers(1, 3))
    base = draw(st.sampled_from([(4, 2, 3), (6, 1, 1), (12,), (4, 1, 6), (1, 2, 2)]))
    view = whole("x", base, batch)
    numbers = np.arange(batch * math.prod(base)).reshape(batch, *base)
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["reshape", "permute", "cut", "keep batch", "back"]))
        axis = draw(st.integers(0, numbers.ndim - 1))
        size = numbers.shape[axis]
        new: View | None = None
        if kind == "permute":
            order = draw(st.permutations(range(numbers.ndim)))
            new, changed = view.permuted(order), numbers.transpose(order)
        elif kind == "cut":
            step = draw(st.integers(1, size))
            start = draw(st.integers(0, size - 1))
            length = draw(st.integers(1, (size - 1 - start) // step + 1))
            new = view.cut(axis, start, length, step)
            changed = numbers.take(range(start, start + length * step, step), axis)
        else:
            shape = factorings(numbers.size, draw)
            if kind != "reshape" and numbers.shape[0] == batch:
                shape = [batch, *factorings(numbers.size // batch, draw)]
            if kind == "back" and numbers.size == batch * math.prod(base):
                shape = [batch, *base]
            new, changed = view.reshaped(shape), numbers.reshape(shape)
        if new is not None:
            view, numbers = new, changed
    return view, numbers


@settings(max_examples=150, deadline=None)
@given(moved())
def test_views_are_where_numpy_has_the_elements(case: tuple[View, Numbers]) -> None:
    """Reshapes, permutations and slices in any order; what cannot be said is None."""
    view, numbers = case
    assert view.shape == numbers.shape
    assert np.array_equal(elements(view), numbers)


@settings(max_examples=150, deadline=None)
@given(moved())
def test_layouts_make_the_elements_of_the_view(case: tuple[View, Numbers]) -> None:
    """The operations, executed, give exactly the elements in their order; or there are none."""
    view, numbers = case
    steps = lay_out(view)
    if steps is None:
        return
    x = torch.arange(view.batch * view.image_size).reshape(view.batch, *view.base_shape)
    for step in steps:
        if isinstance(step, SelectChannels):
            x = x[:, list(step.indices)]
        elif isinstance(step, Upsample):
            x = x.repeat_interleave(step.factors[0], 2).repeat_interleave(step.factors[1], 3)
        else:
            assert isinstance(step, (Flatten, Unflatten))
            x = x.reshape(view.batch, *step.shape)
        assert tuple(x.shape[1:]) == step.shape
    assert view.shape[0] == view.batch and len(view.shape) in RANKS
    assert tuple(x.shape[1:]) == image_shape(view.shape)
    assert np.array_equal(x.reshape(view.shape).numpy(), numbers)


def test_channel_operations_have_layouts() -> None:
    """A shuffle, a slice, a flatten and one pixel repeated are laid out; a transpose is not."""
    x = whole("x", (4, 2, 3), 2)
    parts = x.reshaped((2, 2, 2, 2, 3))
    assert parts is not None
    shuffled = parts.permuted([0, 2, 1, 3, 4]).reshaped((2, 4, 2, 3))
    assert shuffled is not None
    steps = lay_out(shuffled)
    assert steps is not None
    assert [step.indices for step in steps] == [(0, 2, 1, 3)]  # type: ignore[attr-defined]
    cut = x.cut(1, 1, 2)
    assert cut is not None and [type(step) for step in lay_out(cut) or ()] == [SelectChannels]
    assert lay_out(x) == () and lay_out(x.permuted([0, 1, 3, 2])) is None
    repeated = whole("y", (4, 1, 1), 2).expanded((2, 4, 2, 3))
    assert repeated is not None
    assert [type(step) for step in lay_out(repeated) or ()] == [Upsample]


def test_views_of_absurd_sizes_are_not_laid_out() -> None:
    """A file that states 2**40 channels fills no memory."""
    huge = whole("x", (1 << 40, 2, 2), 1)
    half = huge.cut(1, 0, 1 << 39)
    assert half is not None and lay_out(half) is None
