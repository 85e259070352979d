"""Where the nibbles of a tensor lie: the strides of docs/hardware.md, "Activation memory"."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import IntOp


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """One activation tensor in the activation memory.

    Attributes:
        name: the tensor.
        base: first address, the same in every bank and position.
        channels, height, width: shape.
        bits, signed: format of the codes.
        planes: nibbles of a code.
        blocks: channel blocks, ceil(channels / TN).
        pixel_stride: addresses of one pixel of a bank.
        line_stride: addresses of one line of a bank.
    """

    name: str
    base: int
    channels: int
    height: int
    width: int
    bits: int
    signed: bool
    planes: int
    blocks: int
    pixel_stride: int
    line_stride: int

    @property
    def words(self) -> int:
        """Addresses that the tensor takes in every bank."""
        return self.height * self.line_stride

    @property
    def transfer_words(self) -> int:
        """32-bit words of the tensor in the input or output: four codes each."""
        return self.height * self.width * ceil_div(self.channels, 4)


def layout_of(op: IntOp, channels: int, banks: int, base: int = 0) -> TensorLayout:
    """Return the layout of the tensor that `op` makes, for TN = `channels` and NB = `banks`.

    `op.output` must not be None: logits have no place in the activation memory.
    """
    assert op.output is not None, "logits leave the array"
    depth, height, width = op.shape
    blocks = ceil_div(depth, channels)
    pixel_stride = blocks * op.output.planes
    return TensorLayout(
        name=op.name,
        base=base,
        channels=depth,
        height=height,
        width=width,
        bits=op.output.bits,
        signed=op.output.signed,
        planes=op.output.planes,
        blocks=blocks,
        pixel_stride=pixel_stride,
        line_stride=ceil_div(width, banks) * pixel_stride,
    )
