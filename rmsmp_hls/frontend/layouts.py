"""Views -> the float operations that lay them out: selections of channels, flatten, unflatten."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from rmsmp_hls.frontend.views import Group, View, merged
from rmsmp_hls.ir.float_ops import Flatten, FloatOp, SelectChannels, Unflatten, Upsample
from rmsmp_hls.ir.types import Shape

RANKS = (2, 3, 4)
"""Dimensions of the tensors that layers read: [N, F], [N, C, L] or [N, C, H, W]."""
_MOST_CHANNELS = 1 << 20


def image_shape(shape: tuple[int, ...]) -> Shape:
    """Return the shape that float operations have for a tensor of `shape` [N, ...].

    [N, F] is (F,), [N, C, L] is (C, 1, L), [N, C, H, W] is (C, H, W).
    """
    return (shape[1], 1, shape[2]) if len(shape) == 3 else tuple(shape[1:])


def lay_out(view: View) -> tuple[FloatOp, ...] | None:
    """Return operations whose last makes the elements of `view` in its order.

    None at all if the base itself is it. Names are numbers, to be given later; each reads
    the one before it, the first the base. The factor and summand of the view are not looked at.

    Returns:
        None if no float operations make it: pixels would have to move.
    """
    if len(view.groups) not in RANKS or not _keeps_batch(view):
        return None
    repeated = _repeated(view)
    if repeated is not None:
        before = lay_out(view.unexpanded())
        shape = image_shape(view.shape)
        return None if before is None else (*before, _step(Upsample, shape, factors=repeated))
    target, base = image_shape(view.shape), view.base_shape
    rest = merged(atom for group in view.groups[1:] for atom in group)
    if view.offset == 0 and rest == merged([(view.image_size, 1)]):
        return _reshape(base, target)
    image = base if len(base) == 3 else (*base, 1, 1)
    indices = _channels(rest, view.offset, image)
    if indices is None:
        return None
    selected = (len(indices), *image[1:])
    after = _reshape(selected, target)
    if after is None:
        return None
    before = () if len(base) == 3 else (_step(Unflatten, image),)
    return (*before, _step(SelectChannels, selected, indices=indices), *after)


def pooled_axes(view: View, axes: set[int]) -> tuple[bool, bool] | None:
    """Return whether (height, width) of the base are what `axes` of the view walk over.

    None if the axes walk over anything else, or over parts of them only.
    """
    if len(view.base_shape) != 3 or 0 in axes:
        return None
    _, height, width = view.base_shape
    over = merged(
        sorted((atom for axis in axes for atom in view.groups[axis]), key=lambda atom: -atom[1])
    )
    cases: dict[Group, tuple[bool, bool]] = {
        merged([(height, width), (width, 1)]): (True, True),
        merged([(width, 1)]): (False, True),
        merged([(height, width)]): (True, False),
    }
    return cases.get(over) if over else (True, True) if height == width == 1 else None


def without_axes(view: View, axes: set[int], pooled: tuple[bool, bool], keep: bool) -> View | None:
    """Return the view of a base whose height and width are pooled, `axes` being of size 1.

    Args:
        view: of the base before pooling.
        axes: dimensions of the view that walk over what is pooled.
        pooled: whether (height, width) became 1.
        keep: whether `axes` stay as dimensions of size 1.
    """
    channels, height, width = view.base_shape
    new = (channels, 1 if pooled[0] else height, 1 if pooled[1] else width)
    groups: list[Group] = []
    for axis, group in enumerate(view.groups):
        if axis in axes:
            groups += [()] if keep else []
            continue
        parts: list[tuple[int, int]] = []
        for size, stride in group:
            if stride % (height * width) == 0:
                step = stride // (height * width) * new[1] * new[2]
            elif (size, stride) == (height, width) and not pooled[0]:
                step = new[2]
            elif (size, stride) == (width, 1) and not pooled[1]:
                step = 1
            else:
                return None
            parts.append((size, step))
        groups.append(tuple(parts))
    if view.offset % (height * width):
        return None
    offset = view.offset // (height * width) * new[1] * new[2]
    return replace(view, base_shape=new, groups=tuple(groups), offset=offset)


def _keeps_batch(view: View) -> bool:
    return merged(view.groups[0]) == merged([(view.batch, view.image_size)])


def _repeated(view: View) -> tuple[int, int] | None:
    """Return how often one pixel is repeated, vertically and horizontally; None if it is not."""
    if len(view.groups) != 4:
        return None
    pair = view.groups[2:]
    if not any(pair) or any(stride for group in pair for _, stride in group):
        return None
    return (view.shape[2], view.shape[3])


def _channels(atoms: Group, offset: int, image: Shape) -> tuple[int, ...] | None:
    """Return which channels of `image` the atoms walk over, None if not over whole ones."""
    pixels = image[1] * image[2]
    outer = list(atoms)
    if pixels > 1:
        if not outer or outer[-1][1] != 1 or outer[-1][0] % pixels:
            return None
        size, _ = outer.pop()
        outer.append((size // pixels, pixels))
    steps = [(size, stride // pixels) for size, stride in outer if size > 1]
    if offset % pixels or any(stride % pixels for size, stride in outer if size > 1):
        return None
    if math.prod(size for size, _ in steps) > _MOST_CHANNELS:
        return None
    walks = [range(0, size * step, step) if step else [0] * size for size, step in steps]
    return tuple(offset // pixels + sum(at) for at in itertools.product(*walks))


def _reshape(have: Shape, want: Shape) -> tuple[FloatOp, ...] | None:
    """Return operations that give elements in order another shape."""
    if have == want:
        return ()
    flat = (math.prod(have),)
    if want == flat:
        return (_step(Flatten, flat),)
    if want == (*flat, 1, 1):
        before = () if len(have) == 1 else (_step(Flatten, flat),)
        return (*before, _step(Unflatten, want))
    return None


def _step(kind: type[FloatOp], shape: Shape, **fields: Any) -> FloatOp:
    return kind(name="", inputs=("",), shape=shape, **fields)
