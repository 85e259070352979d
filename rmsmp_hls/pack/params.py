"""Row parameters: one 128-bit word per row lane and row tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.ir.int_ops import IntMatmul, IntTable
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.multipliers import store_multiplier
from rmsmp_hls.pack.weights import corrections
from rmsmp_hls.schedule.layout import Slots

_LAYOUT = (
    # name, first bit, bits, signed
    ("multiplier", 0, 18, True),
    ("bias", 18, 48, True),
    ("correction", 66, 32, True),
    ("position", 98, 8, False),
    ("block", 106, 16, False),
    ("valid", 122, 1, False),
)


@dataclass(frozen=True, slots=True)
class RowParameters:
    """What the drain needs of one row; all 0 for a lane without a row.

    `multiplier` holds the 18 stored bits, of which `numerics.multipliers` knows the meaning.
    """

    multiplier: int = 0
    bias: int = 0
    correction: int = 0
    position: int = 0
    block: int = 0
    valid: int = 0

    def encode(self) -> bytes:
        """Return the 16 bytes, low byte first; OverflowError if a field does not fit."""
        word = 0
        for name, first, bits, signed in _LAYOUT:
            value = getattr(self, name)
            low = -(1 << (bits - 1)) if signed else 0
            if not low <= value < low + (1 << bits):
                raise OverflowError(f"{name} = {value} does not fit {bits} bits")
            word |= (value & ((1 << bits) - 1)) << first
        return word.to_bytes(PARAM_BYTES, "little")

    @classmethod
    def decode(cls, data: bytes) -> RowParameters:
        """Return the parameters in 16 bytes; the inverse of `encode`."""
        word = int.from_bytes(data, "little")
        fields = {}
        for name, first, bits, signed in _LAYOUT:
            value = (word >> first) & ((1 << bits) - 1)
            fields[name] = value - (1 << bits) if signed and value >> (bits - 1) else value
        return cls(**fields)


def pack_params(
    op: IntMatmul, lanes: tuple[int, ...], array: ArrayShape, source: ActFormat, slots: Slots
) -> bytes:
    """Return the parameter words of one matrix multiplication, row tiles in lane order.

    `slots` are those of the result; of logits, channel c has slot c.
    """
    correction = corrections(op, source)
    multiplier, bias = op.multiplier.array, op.bias.array
    empty = RowParameters().encode()
    return b"".join(
        empty
        if channel < 0
        else RowParameters(
            multiplier=store_multiplier(int(multiplier[channel]), array.multiplier_terms),
            bias=int(bias[channel]),
            correction=int(correction[channel]),
            position=slots[channel] % array.channels,
            block=slots[channel] // array.channels,
            valid=1,
        ).encode()
        for channel in lanes
    )


def pack_table(op: IntTable, source: ActFormat) -> bytes:
    """Return the 16 parameter words of a table: the result of code c in byte c mod 256."""
    entries = np.zeros(256, dtype=np.uint8)
    codes = np.arange(source.low, source.high + 1)
    entries[codes & 255] = np.asarray(op.table.array).astype(np.int64) & 255
    return entries.tobytes()
