"""The operations made so far, their names, and the layouts that views need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.layouts import lay_out
from rmsmp_hls.frontend.ops.call import FOLD, Operand
from rmsmp_hls.frontend.views import View, merged
from rmsmp_hls.ir.float_ops import FloatOp

Refuse = Callable[[str, str], ModelImportError]


class Placing:
    """Collects operations.

    Attributes:
        made: name -> operation, in order.
    """

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules
        self.made: dict[str, FloatOp] = {}
        self._taken: set[str] = set()
        self._placed: dict[View, Operand] = {}

    def add(self, op: FloatOp) -> None:
        """Note an operation, whose name is taken from now on."""
        self.made[op.name] = op
        self._taken.add(op.name)

    def fresh(self, name: str, owned: bool = False) -> str:
        """Return `name`, numbered if it is taken; module paths are kept for their modules."""
        number, candidate = 0, name
        while (
            candidate in self._taken
            or f"{candidate}.pool" in self._taken
            or (candidate in self.modules and not (owned and candidate == name))
        ):
            number += 1
            candidate = f"{name}_{number}"
        self._taken.add(candidate)
        return candidate

    def lay_out(self, view: View, refuse: Refuse) -> Operand:
        """Return a view as the result of an operation, made if it is not there yet.

        Args:
            view: any.
            refuse: makes the error of (what the view is, what to do).

        Raises:
            ModelImportError: no operations make it.
        """
        made_by = " -> ".join(view.chain[-6:]) or view.base
        if view.is_affine:
            raise refuse(
                f"{view.scale:g} * x + {view.shift:g}, which {made_by} made"
                + (f" in module {view.module!r}" if view.module else ""),
                FOLD,
            )
        groups = tuple(merged(group) for group in view.groups)
        key = replace(view, groups=groups, scale=1.0, shift=0.0)
        if key not in self._placed:
            self._placed[key] = self._make(key, made_by, refuse)
        return self._placed[key]

    def _make(self, view: View, made_by: str, refuse: Refuse) -> Operand:
        steps = lay_out(view)
        if steps is None:
            where = f" in module {view.module!r}" if view.module else ""
            first = view.shape[:1] == (view.batch,)
            raise refuse(
                f"a tensor of shape {view.shape} that {made_by} made{where}, in an order "
                "that no selection of channels has",
                "keep whole channels together; move no pixels, and flatten by torch.flatten(x, 1)"
                if first
                else "keep the batch as the first dimension, e.g. x.view(x.size(0), -1)",
            )
        name, shape = view.base, view.base_shape
        for number, step in enumerate(steps):
            last = number == len(steps) - 1
            new = self._name(view) if last else self.fresh(f"{view.name}.{type(step).__name__}")
            self.add(replace(step, name=new, inputs=(name,), module=view.module))
            name, shape = new, step.shape
        return Operand(name, shape)

    def _name(self, view: View) -> str:
        """Return the name of the call that made the view, which it has kept free for it."""
        name = view.name or f"{view.base}.view"
        return name if name in self._taken and name not in self.made else self.fresh(name)
