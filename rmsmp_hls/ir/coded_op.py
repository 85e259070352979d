"""What operations on codes have in common, before and after their scales become integers."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.ir.types import ActFormat, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedOp:
    """One operation, one tensor of `shape`.

    Attributes:
        name: of the operation and of its tensor, unique.
        inputs: names of the tensors it reads.
        shape: of its tensor.
        output: format of its codes; None for the last layer, whose sums stay as they are.
        module: path in the trained model, for messages.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    output: ActFormat | None
    module: str = ""
