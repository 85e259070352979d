"""How close the quantized network stays to the float one: SQNR and cosine, tensor by tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.types import ActFormat


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Of one tensor, over all elements of all images.

    Attributes:
        tensor: its name in the graph.
        head: the operation that makes it (what is folded into it comes behind).
        module: module path of that operation.
        operation: its kind, e.g. "Conv2d".
        sqnr_db: 10 * log10(sum of float^2 / sum of (quantized - float)^2); infinite if nothing
            differs, minus infinity if the float tensor is zero everywhere and the other is not.
        cosine: of the angle between both, -1..1; 1 if both are zero, 0 if one of them is.
        form: of its codes; None for sums, which have none.
    """

    tensor: str
    head: str
    module: str
    operation: str
    sqnr_db: float
    cosine: float
    form: ActFormat | None = None


class Comparison:
    """Sums over batches, float64."""

    def __init__(self) -> None:
        self.signal = self.noise = self.power = self.product = 0.0

    def see(self, plain: Tensor, quantized: Tensor) -> None:
        """Add a batch of the float and of the quantized tensor, equal in number of elements."""
        a, b = plain.detach().double().flatten(), quantized.detach().double().flatten()
        self.signal += float(a @ a)
        self.power += float(b @ b)
        self.product += float(a @ b)
        self.noise += float(((b - a) ** 2).sum())

    def sqnr_db(self) -> float:
        """Return the ratio of signal to quantization noise, see `Fidelity`."""
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal > 0 else -math.inf

    def cosine(self) -> float:
        """Return the cosine, see `Fidelity`."""
        if self.signal == 0 or self.power == 0:
            return float(self.signal == self.power)
        return max(-1.0, min(1.0, self.product / math.sqrt(self.signal) / math.sqrt(self.power)))

    def fidelity(
        self, tensor: str, op: FloatOp, form: ActFormat | None, operation: str = ""
    ) -> Fidelity:
        """Return the figures of all batches seen, of a tensor that `op` makes."""
        kind = operation or type(op).__name__
        sqnr, cosine = self.sqnr_db(), self.cosine()
        return Fidelity(tensor, op.name, op.module or op.name, kind, sqnr, cosine, form)
