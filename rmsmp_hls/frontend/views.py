"""Where the elements of a tensor lie in another: reshapes, permutations and slices, exactly.

A view says of every dimension of a tensor which elements of its base it walks over, as a
list of atoms (size, stride). Shape operations regroup, reorder and cut atoms and nothing is
moved; only when a layer reads the result must it be one of the layouts of `frontend.layouts`.
A numeric factor and summand of the whole tensor are carried along in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rmsmp_hls.ir.types import Shape

Atom = tuple[int, int]
"""(size, stride): a dimension, or a part of one; a stride of 0 repeats an element."""
Group = tuple[Atom, ...]
"""One dimension of a tensor, its outermost atom first; empty for size 1."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor [N, ...] whose elements are those of another.

    Attributes:
        base: name of the float operation that makes the elements.
        base_shape: shape of its result, (C, H, W) or (F,).
        batch: N.
        groups: the dimensions, N included; strides count elements of [N, *base_shape].
        offset: of the first element.
        scale, shift: the tensor is scale * elements + shift.
        chain: the operations that made the view of the base, with the last one's module.
        name, module: of what makes the tensor, should it have to be laid out.
    """

    base: str
    base_shape: Shape
    batch: int
    groups: tuple[Group, ...]
    offset: int = 0
    scale: float = 1.0
    shift: float = 0.0
    chain: tuple[str, ...] = field(default=(), compare=False)
    name: str = field(default="", compare=False)
    module: str = field(default="", compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Whole shape of the tensor."""
        return tuple(math.prod(size for size, _ in group) for group in self.groups)

    @property
    def image_size(self) -> int:
        """Elements of the base for one image."""
        return math.prod(self.base_shape)

    @property
    def atoms(self) -> Group:
        """All atoms, merged where one walk covers them."""
        return merged(atom for group in self.groups for atom in group)

    @property
    def is_whole(self) -> bool:
        """Whether the elements are all of the base's, in its order."""
        return self.offset == 0 and self.atoms == merged([(self.batch * self.image_size, 1)])

    @property
    def is_affine(self) -> bool:
        """Whether the values are other than the elements."""
        return not (math.isclose(self.scale, 1.0, rel_tol=2e-7) and self.shift == 0.0)

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """Return the elements in the same order as `shape`; None if no atoms can say it."""
        groups = regrouped(self.atoms, shape)
        return None if groups is None else replace(self, groups=groups)

    def permuted(self, order: Sequence[int]) -> View:
        """Return the view with its dimensions in another order."""
        if sorted(axis % len(self.groups) for axis in order) != list(range(len(self.groups))):
            raise ValueError(f"{order} is no permutation")
        return replace(self, groups=tuple(self.groups[axis] for axis in order))

    def cut(self, axis: int, start: int, length: int, step: int = 1) -> View | None:
        """Return every `step`-th of the elements from `start` on along one dimension.

        None if the dimension is not one walk there. The bounds must lie inside.
        """
        size = self.shape[axis]
        if length < 1 or step < 1 or start < 0 or start + (length - 1) * step >= size:
            raise ValueError(f"{start}, {length}, {step} do not lie in {size}")
        if (start, length, step) == (0, size, 1):
            return self
        group = merged(self.groups[axis])
        inner = math.prod(part for part, _ in group[1:])
        if length == 1:
            offset, rest = 0, start
            for part, stride in reversed(group):
                offset, rest = offset + rest % part * stride, rest // part
            new: Group = ()
        elif inner == 1:
            stride = group[0][1]
            offset, new = start * stride, ((length, stride * step),)
        elif step == 1 and start % inner == 0 and length % inner == 0:
            stride = group[0][1]
            offset = start // inner * stride
            new = merged([(length // inner, stride), *group[1:]])
        else:
            return None
        groups = (*self.groups[:axis], new, *self.groups[axis + 1 :])
        return replace(self, groups=groups, offset=self.offset + offset)

    def dropped(self, axis: int) -> View:
        """Return the view without a dimension of size 1."""
        if self.groups[axis]:
            raise ValueError("the dimension is not of size 1")
        return replace(self, groups=self.groups[:axis] + self.groups[axis + 1 :])

    def expanded(self, shape: Sequence[int]) -> View | None:
        """Return the view with dimensions of size 1 repeated; None if others would be."""
        if len(shape) != len(self.groups):
            return None
        groups = []
        for group, have, want in zip(self.groups, self.shape, shape, strict=True):
            if have not in (1, want):
                return None
            groups.append(group if have == want else ((want, 0),))
        return replace(self, groups=tuple(groups))

    def unexpanded(self) -> View:
        """Return the view without repeated pixels: height and width that repeat are of size 1."""
        pixels = tuple(tuple(atom for atom in group if atom[1]) for group in self.groups[2:])
        return replace(self, groups=(*self.groups[:2], *pixels))

    def affine(self, scale: float, shift: float) -> View:
        """Return scale * view + shift."""
        return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift)


def whole(base: str, base_shape: Shape, batch: int, shape: Sequence[int] | None = None) -> View:
    """Return the result of operation `base`, as a tensor of `shape` [N, ...]."""
    shape = (batch, *base_shape) if shape is None else tuple(shape)
    view = View(base, base_shape, batch, (merged([(batch * math.prod(base_shape), 1)]),))
    found = view.reshaped(shape)
    if found is None:
        raise ValueError(f"{shape} is not {base_shape} with a batch of {batch}")
    return found


def merged(atoms: Iterable[Atom]) -> Group:
    """Return the atoms without those of size 1, neighbours of one walk joined."""
    found: list[Atom] = []
    for size, stride in atoms:
        if size == 1:
            continue
        if found and found[-1][1] == size * stride:
            found[-1] = (found[-1][0] * size, stride)
        else:
            found.append((size, stride))
    return tuple(found)


def regrouped(atoms: Group, shape: Sequence[int]) -> tuple[Group, ...] | None:
    """Return the dimensions of `shape` over the elements of merged atoms, in their order.

    None if there are not as many elements, or atoms do not divide.
    """
    if math.prod(shape) != math.prod(size for size, _ in atoms):
        return None
    left = list(atoms)
    groups: list[Group] = []
    for size in shape:
        group: list[Atom] = []
        while size > 1:
            inner, stride = left.pop(0)
            if size % inner and inner % size:
                return None
            if inner > size:
                left.insert(0, (inner // size, stride))
                stride, inner = stride * (inner // size), size
            group.append((inner, stride))
            size //= inner
        groups.append(tuple(group))
    return tuple(groups)
