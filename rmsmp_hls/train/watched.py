"""A forward pass that lets others look at, and correct, what every operation makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.train.coded import Coded
from rmsmp_hls.train.execute import Run

Watch = Callable[[FloatOp, list[Tensor], Tensor], Tensor]
"""Called with (operation, values it reads, value it makes); returns what to go on with."""


@dataclass
class WatchedRun(Run):
    """As `Run`; `watch` is called after every convolution, linear layer and batch norm, that is
    whenever a value is made that is not on codes, with values in place of codes."""

    watch: Watch | None = None

    def _compute(self, op: FloatOp, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        made = super()._compute(op, inputs)
        if self.watch is None or isinstance(made, Coded):
            return made
        return self.watch(op, [t.value if isinstance(t, Coded) else t for t in inputs], made)
