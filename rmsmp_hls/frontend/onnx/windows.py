"""Kernels, strides and padding of a node -> Window, and what of it cannot be one."""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.frontend.onnx.call import Call
from rmsmp_hls.ir.types import Shape, Window

_LARGEST = 1 << 20


def window_of(call: Call, kernel: tuple[int, ...], shape: Shape, rank: int) -> Window:
    """Return the window of a convolution or pool over an image.

    Args:
        call: the node, with strides, dilations, pads, auto_pad.
        kernel: its kernel size, one number of a 1-D node.
        shape: the image, (C, H, W).
        rank: of the tensor in the file: 3 of a 1-D node, 4 of a 2-D one.
    """
    dims = len(kernel)
    if dims != rank - 2 or dims not in (1, 2):
        raise call.refuse(
            f"has a kernel of {dims} dimensions for a tensor of rank {rank}",
            "use 1-D operations on [N, C, L], 2-D operations on [N, C, H, W]",
        )
    strides = _per_dimension(call, "strides", dims)
    dilations = _per_dimension(call, "dilations", dims)
    pads = [int(p) for p in call.attribute("pads") or [0] * (2 * dims)]
    if len(pads) != 2 * dims:
        raise call.refuse(f"has {len(pads)} pads", "export the model again")
    auto = call.text("auto_pad", "NOTSET")
    sizes = shape[3 - dims :]
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-size // s) - 1) * s + span - size, 0)
            for size, s, span in zip(sizes, strides, spans, strict=True)
        ]
        less = [total // 2 for total in totals]
        more = [total - part for total, part in zip(totals, less, strict=True)]
        pads = [*less, *more] if auto == "SAME_UPPER" else [*more, *less]
    elif auto == "VALID":
        pads = [0] * (2 * dims)
    elif auto != "NOTSET":
        raise call.refuse(f"has auto_pad {auto!r:.40}", "give pads")
    every = [*kernel, *strides, *dilations, *pads]
    if min(*kernel, *strides, *dilations) < 1 or min(pads) < 0 or max(every) > _LARGEST:
        raise call.refuse(
            f"has the impossible window {kernel}, strides {strides}, dilations {dilations}, "
            f"pads {pads}"[:300],
            "use positive kernel sizes and strides, and no negative padding",
        )
    if dims == 1:
        window = Window((1, kernel[0]), (1, strides[0]), (0, pads[0], 0, pads[1]),
                        (1, dilations[0]))  # fmt: skip
    else:
        window = Window(
            (kernel[0], kernel[1]),
            (strides[0], strides[1]),
            (pads[0], pads[1], pads[2], pads[3]),
            (dilations[0], dilations[1]),
        )
    if min(window.output_size(*shape[1:])) < 1:
        raise call.refuse(
            f"its window of {spans} does not fit an image of {shape[1:]}",
            "use a larger image or a smaller kernel",
        )
    return window


def ceiled(call: Call, window: Window, shape: Shape, extends: bool) -> Window:
    """Return the window with ceil_mode, which adds padding at the end where `extends`.

    Windows that would start behind the image and its first padding are left out, as by torch.
    """
    if not call.attribute("ceil_mode", 0):
        return window
    top, left, bottom, right = window.padding
    more = [0, 0]
    for axis, (first, last) in enumerate(((top, bottom), (left, right))):
        size, stride = shape[1 + axis], window.stride[axis]
        span = window.dilation[axis] * (window.kernel[axis] - 1) + 1
        count = -(-(size + first + last - span) // stride) + 1
        if (count - 1) * stride >= size + first:
            count -= 1
        more[axis] = max((count - 1) * stride + span - (size + first + last), 0)
    if any(more) and not extends:
        raise call.refuse(
            "has ceil_mode=1, which here adds windows that reach past the border",
            "use ceil_mode=0, or a size that the stride divides",
        )
    return replace(window, padding=(top, left, bottom + more[0], right + more[1]))


def _per_dimension(call: Call, name: str, dims: int) -> list[int]:
    given = [int(value) for value in call.attribute(name) or [1] * dims]
    if len(given) != dims:
        raise call.refuse(f"has {len(given)} {name} for {dims} dimensions", "export it again")
    return given
