"""Importers of quantizers: QONNX (Quant, BipolarQuant) and QuantizeLinear / DequantizeLinear.

Of weights the integers and scales are kept beside the values; on tensors that the network
computes a `Quantizer` marks the place, with the format of its codes.

Source: QONNX (arXiv 2206.07527), definition of Quant; ONNX, QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmsmp_hls.frontend.onnx.call import Call
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.tensors import bits_of
from rmsmp_hls.frontend.onnx.values import (
    Coded,
    Constant,
    Quantizer,
    Tensor,
    Value,
    WeightCodes,
)
from rmsmp_hls.ir.types import ActFormat

_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": lambda x: np.sign(x) * np.floor(np.abs(x)),
    "ROUND_TO_ZERO": lambda x: np.sign(x) * np.floor(np.abs(x)),
}
_NEAREST = ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN")  # differ in ties only
_MOST_BITS = 32
_OUTPUT_TYPES = {0: (False, 8), 2: (False, 8), 3: (True, 8), 4: (False, 16), 5: (True, 16),
                 21: (False, 4), 22: (True, 4)}  # fmt: skip
"""output_dtype of a QuantizeLinear without zero point -> (signed, bits)."""
_SYMMETRIC = "use a quantizer of zero point 0, with one scale for the tensor and 2 to 8 bits"


def quant(call: Call) -> list[Value]:
    """Quant(x, scale, zero_point, bit_width; signed, narrow, rounding_mode)."""
    scale, zero = call.constant(1).array, call.constant(2).array
    bits = call.scalar(3, "bit width")
    if bits != int(bits) or not 1 <= bits <= _MOST_BITS:
        raise call.refuse(f"has a width of {bits:g} bits", "use whole bits, 2 to 8")
    signed, narrow = bool(call.attribute("signed", 1)), bool(call.attribute("narrow", 0))
    high = (1 << int(bits) - signed) - 1 - (narrow and not signed)
    low = (narrow - (1 << int(bits) - 1)) if signed else 0
    mode = call.text("rounding_mode", "ROUND").upper()
    if mode not in _ROUNDINGS:
        raise call.refuse(f"has rounding mode {mode!r:.40}", "use ROUND")
    _check_scale(call, scale)
    source = call.operand(0)
    if isinstance(source, Constant):
        integers = _ROUNDINGS[mode](source.array / scale + zero)
        integers = np.clip(integers, low, high) - zero
        return [_weights(call, source, integers, scale, int(bits))]
    if mode not in _NEAREST:
        raise call.refuse(
            f"rounds by {mode}; the array rounds to the nearest", "use rounding mode ROUND"
        )
    return [_marked(call, call.tensor(), scale, zero, low, high)]


def bipolar(call: Call) -> list[Value]:
    """BipolarQuant(x, scale): -scale or +scale, of weights."""
    scale = call.constant(1).array
    _check_scale(call, scale)
    source = call.operand(0)
    if not isinstance(source, Constant):
        raise call.refuse(
            "makes activations of -1 and +1; codes of the array have a 0",
            "use a Quant of 2 bits or more on activations",
        )
    integers = np.where(source.array >= 0, 1.0, -1.0)
    return [_weights(call, source, integers, scale, 2)]


def truncate(call: Call) -> list[Value]:
    """Trunc: refused, the array rounds to the nearest."""
    raise call.refuse(
        "cuts low bits off; the array rounds to the nearest",
        "use an average pool with a quantizer behind it (Quant with ROUND)",
    )


def quantize_linear(call: Call) -> list[Value]:
    """QuantizeLinear: rounds half to even, saturates to the type of the zero point."""
    scale = call.constant(1).array
    zero = call.array(2)
    if zero is None:
        zero, kind = np.zeros((), np.uint8), int(call.attribute("output_dtype", 0))
        if kind not in _OUTPUT_TYPES:
            raise call.refuse(f"makes number type {kind}", _SYMMETRIC)
        signed, bits = _OUTPUT_TYPES[kind]
    else:
        signed, bits = zero.dtype.kind == "i", bits_of(zero)
    _check_scale(call, scale)
    if zero.dtype.kind not in "iu" or call.attribute("block_size", 0):
        raise call.refuse(f"makes {zero.dtype} in blocks or floats", _SYMMETRIC)
    source = call.operand(0)
    assert isinstance(source, (Tensor, Constant))
    low, high = -(1 << bits - 1) if signed else 0, (1 << bits - signed) - 1
    axis = int(call.attribute("axis", 1))
    return [Coded(source, scale, zero.astype(np.int64), low, high, axis)]


def clip_codes(call: Call) -> list[Value]:
    """Clip between QuantizeLinear and DequantizeLinear: narrows the range of the integers."""
    coded = call.operand(0)
    assert isinstance(coded, Coded)
    low = coded.low if call.operand(1) is None else int(call.scalar(1, "min"))
    high = coded.high if call.operand(2) is None else int(call.scalar(2, "max"))
    low, high = max(low, coded.low), min(high, coded.high)
    if low > high:
        raise call.refuse(f"has the bounds {low}, {high}", "give the lower bound first")
    return [Coded(coded.source, coded.scale, coded.zero_point, low, high, coded.axis)]


def dequantize_linear(call: Call) -> list[Value]:
    """DequantizeLinear: of stored integers, or of what a QuantizeLinear made."""
    source = call.operand(0)
    scale, zero = call.constant(1).array, call.array(2)
    zero = np.zeros((), np.int64) if zero is None else zero.astype(np.int64)
    _check_scale(call, scale)
    axis = int(call.attribute("axis", 1))
    if call.attribute("block_size", 0):
        raise call.refuse("has scales of blocks", "use a scale per tensor or per channel")
    if isinstance(source, Coded):
        return [_completed(call, source, scale, zero, axis)]
    stored = call.constant(0)
    if stored.array.dtype.kind not in "iu":
        raise call.refuse(f"reads {stored.array.dtype}", "store integers")
    scale, zero = _along(scale, axis, stored.shape), _along(zero, axis, stored.shape)
    integers = stored.array.astype(np.int64) - zero
    return [_weights(call, stored, integers, scale, bits_of(stored.array))]


def _completed(call: Call, coded: Coded, scale: Array, zero: Array, axis: int) -> Value:
    same = scale.size == 1 or axis == coded.axis
    same &= np.array_equal(scale, coded.scale) and np.array_equal(zero, coded.zero_point)
    if not same:
        raise call.refuse(
            "has another scale or zero point than the QuantizeLinear before it",
            "quantize and dequantize with the same ones",
        )
    source = coded.source
    if isinstance(source, Tensor):
        return _marked(call, source, scale, zero, coded.low, coded.high)
    scale = _along(scale, coded.axis, source.shape)
    zero = _along(zero, coded.axis, source.shape)
    integers = np.clip(np.rint(source.array / scale) + zero, coded.low, coded.high) - zero
    bits = max(int(coded.high).bit_length(), int(-coded.low - 1).bit_length() if coded.low else 0)
    return _weights(call, source, integers, scale, bits + (coded.low < 0))


def _along(array: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """Return scales [C] so that they lie along an axis of `shape`."""
    if array.size == 1:
        return array.reshape(())
    sizes = [1] * len(shape)
    sizes[axis] = array.size
    return array.reshape(sizes)


def _weights(call: Call, source: Constant, integers: Array, scale: Array, bits: int) -> Constant:
    """Return dequantized weights with their integers; they take the scale's number type."""
    shape = source.shape
    if not np.isfinite(integers).all():
        raise call.refuse("quantizes weights that are NaN or infinite", "train real weights")
    if bool((integers != np.rint(integers)).any()):
        raise call.refuse("has a zero point that is no integer", _SYMMETRIC)
    whole = np.asarray(np.broadcast_to(integers, shape), dtype=np.int64)
    wide = np.broadcast_to(np.asarray(scale, dtype=np.float64), shape)
    values = np.asarray(whole * wide, dtype=np.float32)
    return Constant(values, WeightCodes(whole, wide, bits))


def _marked(call: Call, source: Tensor, scale: Array, zero: Array, low: int, high: int) -> Tensor:
    if scale.size != 1 or zero.size != 1:
        raise call.refuse("has scales per channel on activations", _SYMMETRIC)
    shift = int(zero.reshape(-1)[0])
    made = _format(low - shift, high - shift, float(scale.reshape(-1)[0]))
    if made is None or float(zero.reshape(-1)[0]) != shift:
        raise call.refuse(
            f"makes integers {low}..{high} with zero point {zero.reshape(-1)[0]:g}", _SYMMETRIC
        )
    builder = call.builder
    name = call.add(Quantizer, source.op, shape=builder.shape(source.op), format=made)
    return Tensor(name, source.view)


def _format(low: int, high: int, scale: float) -> ActFormat | None:
    """Return the format whose codes are `low` to `high`, None if there is none."""
    for bits in range(2, 9):
        for signed, narrow in ((False, True), (True, True), (True, False)):
            made = ActFormat(bits, signed, scale, narrow)
            if (made.low, made.high) == (low, high):
                return made
    return None


def _check_scale(call: Call, scale: Array) -> None:
    if scale.dtype.kind != "f" or not np.isfinite(scale).all() or not (scale > 0).all():
        raise call.refuse("has a scale that is not positive and finite", "train or export it again")


IMPORTERS = {
    "Quant": quant,
    "BipolarQuant": bipolar,
    "Trunc": truncate,
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
}
"""Operation type -> importer; also of constants."""
