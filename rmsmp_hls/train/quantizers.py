"""Fake quantization: integer codes forward, straight-through gradients backward.

Codes are floats that hold integers. A value is `scale * code`; the gradient of that
product to the scale is LSQ's (arXiv 1902.08153): `code - value / scale` inside the range,
the bound outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.numerics.codebooks import Codebook, codebook

_BLOCK = 1 << 20  # weights that are quantized at once where no gradient is needed


class _StraightThrough(torch.autograd.Function):
    """The second tensor forward, the first one's gradient backward."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, result: Tensor) -> Tensor:
        """Return `result`, exactly."""
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient to `source`."""
        return grads[0], None


def straight_through(source: Tensor, result: Tensor) -> Tensor:
    """Return `result`, with the gradient going to `source` unchanged (same shapes)."""
    return _StraightThrough.apply(source, result)  # type: ignore[no-untyped-call,no-any-return]


def quantize_activation(
    value: Tensor, scale: Tensor, low: int, high: int, clips: bool = False
) -> Tensor:
    """Return codes clamp(floor(value / scale + 1/2), low, high), docs/numerics.md.

    Gradients: straight through where value / scale lies in [low, high], else 0; to the scale
    as of the quotient, so that of `scale * code` is LSQ's. With `clips` it is PACT's (arXiv
    1805.06085): code * scale changes with the scale where it is clipped only.
    """
    quotient = value / (scale.detach() if clips else scale)
    clamped = torch.clamp(quotient, low, high)
    codes = torch.floor(clamped.detach() + 0.5)
    if clips:
        inside = codes * ((quotient >= low) & (quotient <= high))
        clamped = clamped - inside.detach() * (scale / scale.detach())
    return straight_through(clamped, codes)


def nearest_levels(ratio: Tensor, book: Codebook) -> Tensor:
    """Return the nearest level of every number; a tie goes to the smaller magnitude.

    Args:
        ratio: float64, weight / scale.
        book: the codebook.

    Returns:
        float64 tensor of signed integers, same shape.
    """
    limits, magnitudes = _tables(book.name, str(ratio.device))
    index = torch.bucketize(ratio.abs(), limits)  # limits[i-1] < |ratio| <= limits[i]
    return torch.sign(ratio) * magnitudes[index]


@lru_cache(maxsize=64)
def _tables(name: str, device: str) -> tuple[Tensor, Tensor]:
    magnitudes = torch.tensor(codebook(name).magnitudes, dtype=torch.float64, device=device)
    return (magnitudes[1:] + magnitudes[:-1]) / 2, magnitudes


def quantize_rows(weight: Tensor, scales: Tensor, formats: tuple[str, ...]) -> Tensor:
    """Return the weights as integers of their rows' codebooks.

    Args:
        weight: [O, ...].
        scales: float64 [O], value of weight integer 1.
        formats: codebook name of every row.

    Returns:
        Shape of `weight`, float64; without gradients of weight's type, made block by block, as
        large layers do not fit the memory several times. Gradients: straight through within the
        codebook's range, else 0; to the scales as of the quotient weight / scale.
    """
    rows = weight.reshape(weight.shape[0], -1)
    if not torch.is_grad_enabled():
        return _levels(rows, scales, formats).reshape(weight.shape)
    ratio = rows.double() / scales.unsqueeze(1)
    largest = torch.tensor(
        [codebook(name).max_magnitude for name in formats], dtype=ratio.dtype, device=ratio.device
    ).unsqueeze(1)
    clamped = torch.minimum(torch.maximum(ratio, -largest), largest)
    levels = torch.zeros_like(ratio)
    detached = ratio.detach()
    for name in sorted(set(formats)):
        mine = torch.tensor([f == name for f in formats], device=ratio.device)
        levels[mine] = nearest_levels(detached[mine], codebook(name))
    return straight_through(clamped, levels).reshape(weight.shape)


def row_blocks(rows: int, cols: int, numbers: int | None = None) -> Iterator[slice]:
    """Yield slices of rows that together hold so many weights (a million) or fewer."""
    step = max(1, (numbers or _BLOCK) // max(1, cols))
    return (slice(start, start + step) for start in range(0, rows, step))


def _levels(rows: Tensor, scales: Tensor, formats: tuple[str, ...]) -> Tensor:
    result = torch.empty_like(rows)
    for name in sorted(set(formats)):
        mine = torch.tensor([i for i, f in enumerate(formats) if f == name], device=rows.device)
        for block in row_blocks(len(mine), rows.shape[1]):
            some = mine[block]
            ratio = rows[some].double() / scales[some].unsqueeze(1)
            result[some] = nearest_levels(ratio, codebook(name)).to(rows.dtype)
    return result
