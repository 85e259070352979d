"""The plan: which tensors are quantized, with which widths, and which scales they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rmsmp_hls.ir.float_ops import Concat, Conv2d, FloatOp, Linear


@dataclass(frozen=True, slots=True)
class QuantPoint:
    """One chain of operations, at whose end codes are made.

    Attributes:
        tensor: the last operation of the chain; names the quantized tensor.
        head: the operation that starts it. A concatenation makes no codes of its own: it passes
            those of its operands, which have its format.
        batchnorm, clamp: names of these operations of the chain, or "".
        bits: width of the codes.
        signed: False if nothing negative can leave the chain, nor any other of its scale
            group. Of the network's input: True until calibration has seen that it is never
            negative.
        scale: name of the quantizer whose scale it uses: the first tensor of its scale group
            that makes codes, or, by default, `tensor`.
    """

    tensor: str
    head: str
    batchnorm: str
    clamp: str
    bits: int
    signed: bool
    scale: str = ""

    def __post_init__(self) -> None:
        """Fill in the default."""
        object.__setattr__(self, "scale", self.scale or self.tensor)


@dataclass(frozen=True, slots=True)
class Narrow:
    """A second quantization of `source`.

    Attributes:
        name: of the tensor that it makes.
        source: what it reads.
        bits, signed: its format.
        scale: name of the quantizer whose scale it uses.
        reader: the concatenation that reads it, to which it brings the network's input in the
            format of the group; "" if it is the narrower copy that every convolution and linear
            layer behind `source` reads.
    """

    name: str
    source: str
    bits: int
    signed: bool
    scale: str
    reader: str = ""


@dataclass(frozen=True, slots=True)
class Quantizer:
    """One scale to be found, of one tensor or of a whole scale group."""

    name: str
    bits: int
    signed: bool


@dataclass(frozen=True)
class QuantPlan:
    """All quantizers of a network.

    Attributes:
        points: every quantized tensor, in topological order.
        narrows: second quantizations.
        logits: the chain of the network's result. It makes no codes, and is not among
            `points`, if it is a convolution or linear layer (with batch norm) of one pixel.
    """

    points: tuple[QuantPoint, ...]
    narrows: tuple[Narrow, ...]
    logits: QuantPoint

    def point(self, tensor: str) -> QuantPoint | None:
        """Return the point whose codes are `tensor`, if there is one."""
        return self._by_tensor.get(tensor)

    def narrow_of(self, source: str) -> Narrow | None:
        """Return what a convolution or linear layer reads instead of `source`, if anything."""
        return self._by_reader.get((source, ""))

    def read(self, op: FloatOp, source: str) -> Narrow | None:
        """Return what `op` reads instead of `source`, if anything."""
        if isinstance(op, (Conv2d, Linear)):
            return self.narrow_of(source)
        return self._by_reader.get((source, op.name)) if isinstance(op, Concat) else None

    @cached_property
    def quantizers(self) -> tuple[Quantizer, ...]:
        """Every scale once, in the order of `points`, then of `narrows`."""
        found = {p.scale: Quantizer(p.scale, p.bits, p.signed) for p in self.points}
        for narrow in self.narrows:
            found.setdefault(narrow.scale, Quantizer(narrow.scale, narrow.bits, narrow.signed))
        return tuple(found.values())

    def quantizer_of(self, tensor: str) -> str:
        """Return the name of the quantizer of a quantized tensor or narrow; KeyError if none."""
        return self._scales[tensor]

    @cached_property
    def _by_tensor(self) -> dict[str, QuantPoint]:
        return {point.tensor: point for point in self.points}

    @cached_property
    def _by_reader(self) -> dict[tuple[str, str], Narrow]:
        return {(narrow.source, narrow.reader): narrow for narrow in self.narrows}

    @cached_property
    def _scales(self) -> dict[str, str]:
        scales = {point.tensor: point.scale for point in self.points}
        return scales | {narrow.name: narrow.scale for narrow in self.narrows}
