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

Atom = tuple[int, int]
Dim = tuple[Atom, ...]
View = tuple[Dim, ...]


def plain(shape: tuple[int, ...]) -> View:
    """Return the view of a tensor that lies as it is."""
    return tuple(joined(((size, math.prod(shape[axis + 1 :])),)) for axis, size in enumerate(shape))


def sizes(view: View) -> tuple[int, ...]:
    """Return the shape of the view."""
    return tuple(math.prod(size for size, _ in dim) for dim in view)


def joined(dim: Dim) -> Dim:
    """Return the dimension in as few atoms as possible; () if it has one element."""
    made: list[Atom] = []
    for size, stride in dim:
        if size == 1:
            continue
        if made and made[-1][1] == size * stride:
            made[-1] = (made[-1][0] * size, stride)
        else:
            made.append((size, stride))
    return tuple(made)


def transposed(view: View, order: tuple[int, ...]) -> View:
    """Return the view with its dimensions in another order."""
    return tuple(view[axis] for axis in order)


def reshaped(view: View, shape: tuple[int, ...]) -> View | None:
    """Return the view in another shape of as many elements; None if atoms do not divide."""
    left = list(joined(tuple(atom for dim in view for atom in dim)))
    made: list[Dim] = []
    for size in shape:
        dim: list[Atom] = []
        while size > 1:
            if not left:
                return None
            count, stride = left.pop(0)
            if size % count == 0:
                dim.append((count, stride))
                size //= count
            elif count % size == 0:
                inner = count // size
                dim.append((size, stride * inner))
                left.insert(0, (inner, stride))
                size = 1
            else:
                return None
        made.append(joined(tuple(dim)))
    return tuple(made) if not left else None


def offsets(dim: Dim) -> npt.NDArray[np.int64]:
    """Return where the elements of a dimension lie, in order."""
    found = np.zeros(1, dtype=np.int64)
    for size, stride in dim:
        found = (found[:, None] + np.arange(size, dtype=np.int64) * stride).reshape(-1)
    return found
