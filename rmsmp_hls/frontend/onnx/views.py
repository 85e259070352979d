"""How a tensor of the file lies in the tensor of an operation: reshapes and transposes.

A dimension is a row of atoms (size, stride), outermost first, strides in elements of the
batch of the operation's tensors [N, C, H, W]. Reshapes and transposes regroup atoms and
compute nothing; only when an operation reads the result is it seen whether the order was
kept, or whether channels were shuffled.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rmsmp_hls.frontend.views import Group, merged, regrouped

View = tuple[Group, ...]


def plain(shape: tuple[int, ...]) -> View:
    """Return the view of a tensor that lies as it is."""
    return tuple(merged([(size, math.prod(shape[axis + 1 :]))]) for axis, size in enumerate(shape))


def sizes(view: View) -> tuple[int, ...]:
    """Return the shape of the view."""
    return tuple(math.prod(size for size, _ in dim) for dim in view)


def transposed(view: View, order: tuple[int, ...]) -> View:
    """Return the view with its dimensions in another order."""
    return tuple(view[axis] for axis in order)


def reshaped(view: View, shape: tuple[int, ...]) -> View | None:
    """Return the view in another shape of as many elements; None if atoms do not divide."""
    return regrouped(merged(atom for dim in view for atom in dim), shape)


def offsets(dim: Group) -> npt.NDArray[np.int64]:
    """Return where the elements of a dimension lie, in order."""
    found = np.zeros(1, dtype=np.int64)
    for size, stride in dim:
        found = (found[:, None] + np.arange(size, dtype=np.int64) * stride).reshape(-1)
    return found
