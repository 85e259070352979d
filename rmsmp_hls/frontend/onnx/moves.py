"""Importers of what moves elements and computes nothing: layout, channels, size of images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from rmsmp_hls.frontend.onnx.build import MOST_CHANNELS
from rmsmp_hls.frontend.onnx.call import Call
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.values import Constant, Tensor, Value
from rmsmp_hls.frontend.onnx.views import reshaped, transposed
from rmsmp_hls.ir.float_ops import Concat, Pad, SelectChannels, Upsample

_CHANNELS = "select along channels (axis 1) only"


def target_shape(shape: tuple[int, ...], wanted: list[int], allow_zero: bool) -> tuple[int, ...]:
    """Return the shape that Reshape makes of `shape`; ValueError if there is none."""
    if wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise ValueError("impossible shape")
    sizes = [
        shape[axis] if size == 0 and not allow_zero else size for axis, size in enumerate(wanted)
    ]
    total = math.prod(shape)
    if -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        if known == 0 or total % known:
            raise ValueError("impossible shape")
        sizes[sizes.index(-1)] = total // known
    if math.prod(sizes) != total:
        raise ValueError("impossible shape")
    return tuple(sizes)


def identity(call: Call) -> list[Value]:
    """The result is the operand."""
    return [call.tensor()]


def dropout(call: Call) -> list[Value]:
    """Dropout that only training computes."""
    given = call.array(2)
    if given is not None and bool(np.asarray(given).any()):
        raise call.refuse("is active in evaluation too", "export in evaluation mode: model.eval()")
    if len([name for name in call.node.outputs if name]) > 1:
        raise call.refuse("returns its mask", "use the values only")
    return [call.tensor()]


def cast(call: Call) -> list[Value]:
    """Cast from float to float."""
    if call.attribute("to") not in (1, 11):
        raise call.refuse(
            "changes the number type", "compute in float32 throughout, without half precision"
        )
    return [call.tensor()]


def reshape(call: Call) -> list[Value]:
    """Reshape."""
    wanted = call.numbers(1, "shape") or []
    shape = call.tensor().shape
    try:
        made = target_shape(shape, wanted, bool(call.attribute("allowzero", 0)))
    except ValueError as error:
        raise call.refuse(
            f"cannot make {wanted[:8]} of {list(shape)}",
            "let the batch be the only open size, and export with a batch of 1",
        ) from error
    return _in_shape(call, made)


def flatten(call: Call) -> list[Value]:
    """Flatten at an axis."""
    shape = call.tensor().shape
    axis = int(call.attribute("axis", 1))
    if not -len(shape) <= axis <= len(shape):
        raise call.refuse(f"has axis {axis}", "flatten at axis 1")
    axis = axis + len(shape) if axis < 0 else axis
    return _in_shape(call, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def squeeze(call: Call) -> list[Value]:
    """Squeeze: axes are an attribute up to opset 12, an input from 13 on."""
    shape = call.tensor().shape
    given = call.numbers(1, "axes")
    # The batch stands for any number of images: it is no size of 1 to be left out.
    axes = set(range(1, len(shape))) if given is None else {_axis(call, a, shape) for a in given}
    axes = {a for a in axes if given is not None or shape[a] == 1}
    if 0 in axes or any(shape[axis] != 1 for axis in axes):
        raise call.refuse(f"leaves out axes {sorted(axes)} of {list(shape)}", "keep the batch")
    return _in_shape(call, tuple(s for axis, s in enumerate(shape) if axis not in axes))


def unsqueeze(call: Call) -> list[Value]:
    """Unsqueeze: axes are an attribute up to opset 12, an input from 13 on."""
    shape = list(call.tensor().shape)
    given = call.numbers(1, "axes") or []
    rank = len(shape) + len(given)
    for axis in sorted(a + rank if a < 0 else a for a in given):
        if not 0 <= axis < rank:
            raise call.refuse(f"has axes {given[:8]}", "export the model again")
        shape.insert(axis, 1)
    return _in_shape(call, tuple(shape))


def transpose(call: Call) -> list[Value]:
    """Transpose: laid out where an operation reads it."""
    tensor = call.tensor()
    rank = len(tensor.shape)
    order = tuple(int(a) for a in call.attribute("perm") or reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise call.refuse(f"has perm {order[:8]} for rank {rank}", "export the model again")
    return [Tensor(tensor.op, transposed(tensor.view, order))]


def _in_shape(call: Call, shape: tuple[int, ...]) -> list[Value]:
    tensor = call.tensor()
    view = reshaped(tensor.view, shape)
    if view is None:
        raise call.refuse(
            f"makes {list(shape)} of a reordered tensor {list(tensor.shape)}",
            "of reshapes and transposes, keep to those that shuffle channels",
        )
    return [Tensor(tensor.op, view)]


def _axis(call: Call, axis: int, shape: tuple[int, ...]) -> int:
    if not -len(shape) <= axis < len(shape):
        raise call.refuse(f"has axis {axis} for rank {len(shape)}", "export the model again")
    return axis % len(shape)


def concat(call: Call) -> list[Value]:
    """Concat along channels."""
    builder = call.builder
    tensors = [call.tensor(position) for position in range(len(call.operands))]
    rank = len(tensors[0].shape)
    if _axis(call, int(call.attribute("axis", 1)), tensors[0].shape) != 1:
        raise call.refuse(f"joins along axis {call.attribute('axis')}", "join along channels")
    if len(tensors) == 1:
        return [tensors[0]]
    images = [builder.image(tensor) for tensor in tensors]
    shapes = [builder.shape(image) for image in images]
    if len({shape[1:] for shape in shapes}) != 1 or len({len(t.shape) for t in tensors}) != 1:
        raise call.refuse(f"joins shapes {[list(t.shape) for t in tensors][:6]}", "fit the sizes")
    shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return [builder.ranked(call.add(Concat, *images, shape=shape), rank)]


def split(call: Call) -> list[Value]:
    """Split along channels: sizes are an attribute up to opset 12, an input from 13 on."""
    tensor, parts = call.tensor(), len(call.node.outputs)
    axis = _axis(call, int(call.attribute("axis", 0)), tensor.shape)
    total = tensor.shape[axis]
    sizes = call.numbers(1, "split")
    if sizes is None:
        most = -(-total // parts)
        sizes = [min(most, total - most * i) for i in range(parts)]
    if total > MOST_CHANNELS or len(sizes) != parts or min(sizes) < 1 or sum(sizes) != total:
        raise call.refuse(f"splits {total} channels into {sizes[:8]}", "export the model again")
    starts = np.cumsum([0, *sizes])
    return [
        _selected(call, axis, np.arange(first, last), f".{number}")
        for number, (first, last) in enumerate(itertools.pairwise(starts))
    ]


def slice_channels(call: Call) -> list[Value]:
    """Slice along channels; along other axes only if it takes all."""
    tensor = call.tensor()
    starts, ends = call.numbers(1, "starts") or [], call.numbers(2, "ends") or []
    axes = call.numbers(3, "axes") or list(range(len(starts)))
    steps = call.numbers(4, "steps") or [1] * len(starts)
    value: Value = tensor
    for start, end, given, step in zip(starts, ends, axes, steps, strict=True):
        axis = _axis(call, given, tensor.shape)
        size = tensor.shape[axis]
        if range(size)[slice(*_bounds(start, end, step, size))] == range(size):
            continue
        if size > MOST_CHANNELS:
            raise call.refuse(f"cuts {size} channels", _CHANNELS)
        picked = np.arange(size)[slice(*_bounds(start, end, step, size))]
        if value is not tensor:
            raise call.refuse("cuts along several axes", _CHANNELS)
        value = _selected(call, axis, picked, "")
    return [value]


def _bounds(start: int, end: int, step: int, size: int) -> tuple[int | None, int | None, int]:
    """Return Python's slice of ONNX's: an end before the first element is none, backwards."""
    backwards_to_first = step < 0 and end < -size
    return start, None if backwards_to_first else end, step


def gather(call: Call) -> list[Value]:
    """Gather of constant channels."""
    tensor = call.tensor()
    indices = call.constant(1).array
    axis = _axis(call, int(call.attribute("axis", 0)), tensor.shape)
    size = tensor.shape[axis]
    if indices.ndim != 1 or indices.dtype.kind != "i" or indices.size == 0:
        raise call.refuse(f"has indices of shape {list(indices.shape)}", "give a list of channels")
    if int(indices.min()) < -size or int(indices.max()) >= size:
        raise call.refuse(f"has indices beyond {size} channels", "export the model again")
    return [_selected(call, axis, indices % size, "")]


def _selected(call: Call, axis: int, indices: Array, suffix: str) -> Tensor:
    builder, tensor = call.builder, call.tensor()
    if axis != 1 or len(tensor.shape) not in (2, 3, 4):
        raise call.refuse(f"selects along axis {axis} of {list(tensor.shape)}", _CHANNELS)
    if len(indices) == 0:
        raise call.refuse("selects no channel", "remove it")
    image = builder.image(tensor)
    shape = (len(indices), *builder.shape(image)[1:])
    picked = tuple(int(i) for i in indices)
    name = f"{call.name}{suffix}"
    made = builder.add(SelectChannels, name, image, shape=shape, indices=picked, **call.base)
    return builder.ranked(made, len(tensor.shape))


def pad(call: Call) -> list[Value]:
    """Pad with zeros around the image."""
    builder, tensor = call.builder, call.tensor()
    rank = len(tensor.shape)
    pads = call.numbers(1, "pads") or []
    axes = call.numbers(3, "axes") or list(range(rank))
    mode = call.text("mode", "constant")
    value = call.array(2) if call.operand(2) is not None else call.attribute("value", 0.0)
    number = float(np.asarray(value).reshape(-1)[0])
    if mode != "constant" or number != 0.0:
        raise call.refuse(f"pads with mode {mode!r:.40}, value {number:g}", "pad with zeros")
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0 or max(pads, default=0) > 1 << 20:
        raise call.refuse(f"has pads {pads[:16]}", "pad by positive numbers")
    before, after = [0] * rank, [0] * rank
    for position, given in enumerate(axes):
        axis = _axis(call, given, tensor.shape)
        before[axis], after[axis] = pads[position], pads[position + len(axes)]
    if not any(pads):
        return [tensor]
    if any(before[:2]) or any(after[:2]) or rank not in (3, 4):
        raise call.refuse("pads the batch or channels", "pad height and width only")
    image = builder.image(tensor)
    channels, height, width = builder.shape(image)
    top, bottom = (before[2], after[2]) if rank == 4 else (0, 0)
    left, right = before[-1], after[-1]
    shape = (channels, top + height + bottom, left + width + right)
    made = call.add(Pad, image, shape=shape, padding=(top, left, bottom, right))
    return [builder.ranked(made, rank)]


def resize(call: Call) -> list[Value]:
    """Resize and Upsample where every pixel is repeated: nearest, by whole factors."""
    builder, tensor = call.builder, call.tensor()
    rank, shape = len(tensor.shape), tensor.shape
    mode = call.text("mode", "nearest")
    advice = "use nearest neighbour upsampling by whole factors, e.g. nn.Upsample(scale_factor=2)"
    if mode != "nearest" or rank not in (3, 4) or call.attribute("axes") is not None:
        raise call.refuse(f"has mode {mode!r:.40}", advice)
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise call.refuse(f"has keep_aspect_ratio_policy {policy!r:.40}", advice)
    at = 1 if call.node.op == "Upsample" or call.opset == 10 else 2
    given, made_sizes = call.array(at), call.numbers(3, "")
    scales: list[float]
    if given is not None and given.size:
        scales = [float(scale) for scale in given.reshape(-1)]
    elif made_sizes is not None:
        scales = [new / old for new, old in zip(made_sizes, shape, strict=True)]
    else:
        raise call.refuse("has neither scales nor sizes", advice)
    if len(scales) != rank or scales[:2] != [1.0, 1.0]:
        raise call.refuse(f"has scales {scales[:8]}", advice)
    factors = [round(scale) for scale in scales[2:]]
    whole = all(s == f and 1 <= f <= 1 << 10 for s, f in zip(scales[2:], factors, strict=True))
    old = call.node.op == "Upsample" or call.opset == 10
    if not whole or not all(
        old or _repeats(call, size, factor) for size, factor in zip(shape[2:], factors, strict=True)
    ):
        raise call.refuse(f"has scales {scales[2:]} and does not repeat every pixel", advice)
    if all(factor == 1 for factor in factors):
        return [tensor]
    image = builder.image(tensor)
    channels, height, width = builder.shape(image)
    pair = (factors[0] if rank == 4 else 1, factors[-1])
    size = (channels, height * pair[0], width * pair[1])
    return [builder.ranked(call.add(Upsample, image, shape=size, factors=pair), rank)]


def _repeats(call: Call, size: int, factor: int) -> bool:
    """Whether pixel i of the result is pixel i div factor; by the definition of Resize."""
    mode = call.text("coordinate_transformation_mode", "half_pixel")
    rounding = call.text("nearest_mode", "round_prefer_floor")
    size = min(size, 1 << 10)  # pixels behind these repeat the pattern
    new = np.arange(size * factor, dtype=np.float64)
    positions = {
        "asymmetric": new / factor,
        "half_pixel": (new + 0.5) / factor - 0.5,
        "half_pixel_symmetric": (new + 0.5) / factor - 0.5,
        "pytorch_half_pixel": (new + 0.5) / factor - 0.5 if size * factor > 1 else new * 0,
        "tf_half_pixel_for_nn": (new + 0.5) / factor,
    }.get(mode)
    roundings: dict[str, Callable[[Array], Array]] = {
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    rounded = roundings.get(rounding)
    if positions is None or rounded is None:
        return False
    picked = np.clip(rounded(positions), 0, size - 1)
    return bool(np.array_equal(picked, np.arange(size * factor) // factor))


def shape_of(call: Call) -> list[Value]:
    """Shape: all sizes are known."""
    shape = call.tensor().shape
    end = call.attribute("end")
    cut = shape[int(call.attribute("start", 0)) : None if end is None else int(end)]
    return [Constant(np.array(cut, dtype=np.int64))]


IMPORTERS = {
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": slice_channels,
    "Gather": gather,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "Shape": shape_of,
}
"""Operation type -> importer."""
