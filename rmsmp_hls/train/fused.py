"""Quantizers of the training step: one autograd function for activations, one for weights.

They compute what `quantizers.py` does, in the tensors' own type: a quotient that float32 rounds
onto or across a tie may get another code than in evaluation, which computes it in float64. Few
passes over the memory are made, temporaries are reused, and what backward needs beside weights and
codes, which are there anyway, is one tensor per quantized tensor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from rmsmp_hls.numerics.codebooks import CODEBOOKS
from rmsmp_hls.train.quantizers import nearest_levels, row_blocks

_hardtanh_backward = torch.ops.aten.hardtanh_backward.default
_MARGIN = 2.0**-12  # codes: rounding is far less
_WHOLE = 1 + 1e-6  # the same of a quotient by the largest level
_BLOCK = 1 << 17  # weights that are quantized at once, so that temporaries stay in the cache
_NAMES = tuple(CODEBOOKS)
# Magnitudes are integers: nearest levels change at multiples of 1/2. Past twice the last of them:
_LAST = max(book.magnitudes[-1] + book.magnitudes[-2] for book in CODEBOOKS.values()) + 1
_CELLS = 4 * _LAST + 1  # a cell per multiple of 1/2 within +-_LAST / 2, and one between two


class _Codes(torch.autograd.Function):
    """clamp(floor(sum of x * multiplier + 1/2), low, high); straight through within low..high."""

    @staticmethod
    def forward(
        ctx: Any, low: int, high: int, relu: bool, scale: Tensor | None, *terms: Tensor | None
    ) -> Tensor:
        """Take (x, multiplier) for every term; a single multiplier None: x is the sum and 1/2."""
        first, multiplier = terms[:2]
        assert first is not None
        shifted = first
        if multiplier is not None:
            shifted = first * multiplier
            for x, factor in zip(terms[2::2], terms[3::2], strict=True):
                assert x is not None and factor is not None
                shifted.addcmul_(x, factor)
            shifted.add_(0.5)
        codes = shifted.clamp(low, high).floor_()
        # On the bound is inside; but the gradient of ReLU at 0 is 0, as torch has it.
        ctx.bounds = low + 0.5 + (_MARGIN if relu else -_MARGIN), high + 0.5 + _MARGIN
        kept = terms if len(terms) > 2 else (None, multiplier)
        ctx.save_for_backward(shifted, scale, None if scale is None else codes, *kept)
        return codes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the scale (see `quantize_terms`), and of every term's parts."""
        shifted, scale, codes, *terms = ctx.saved_tensors
        inside = _hardtanh_backward(grads[0], shifted, *ctx.bounds)
        found: list[Tensor | None] = [None, None, None, None]
        if scale is not None and ctx.needs_input_grad[3]:
            found[3] = -_dot(inside, codes) / scale
        for position in range(0, len(terms), 2):
            x, multiplier = terms[position : position + 2]
            needed = ctx.needs_input_grad[4 + position : 6 + position]
            last = position + 2 == len(terms)
            to_x, to_multiplier = None, None
            if multiplier is None:
                to_x = inside
            else:
                if needed[1] and x is None:  # the only term: x is what was not kept
                    whole = _dot(inside, shifted) - 0.5 * inside.sum()
                    to_multiplier = whole / multiplier
                elif needed[1]:
                    to_multiplier = _dot(inside, x)
                if needed[0]:
                    to_x = inside.mul_(multiplier) if last else inside * multiplier
            found += [to_x, to_multiplier]
        return tuple(found)


def quantize_terms(
    terms: tuple[tuple[Tensor, Tensor | None], ...],
    low: int,
    high: int,
    scale: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """Return the codes of a sum of products, clamp(floor(sum of x * multiplier + 1/2), low, high).

    Gradients: to every x and multiplier straight through where the sum lies in low..high.

    Args:
        terms: (x [N, ...], multiplier scalar), all x of one shape; or a single (sum + 1/2, None).
        low, high: the codes' range.
        scale: of the codes, for PACT's gradient: the code within the range is taken to
            change with 1 / scale as itself, -code / scale, so that in `code * scale` only clipped
            numbers have a gradient to the scale. The multipliers then must not depend on it.
        relu: the codes of the sum's ReLU.
    """
    low = max(low, 0) if relu else low
    flat = [part for term in terms for part in term]
    return _Codes.apply(low, high, relu, scale, *flat)  # type: ignore[no-untyped-call,no-any-return]


class _Rows(torch.autograd.Function):
    """level(weight / scale) * gain, row by row."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, scales: Tensor, gains: Tensor, offsets: Tensor, largest: Tensor
    ) -> Tensor:
        """Look up the cell of every quotient in its row's codebook."""
        table = _cells(str(rows.device), rows.dtype)
        columns = (scales * 0.5).unsqueeze(1), offsets.unsqueeze(1), gains.unsqueeze(1)
        if rows.numel() <= _BLOCK:
            result = _looked_up(table, rows, *columns)
        else:
            result = torch.empty_like(rows)
            for some in row_blocks(len(rows), rows.shape[1], _BLOCK):
                result[some] = _looked_up(table, rows[some], *(part[some] for part in columns))
        ctx.save_for_backward(rows, scales, gains, largest, result)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Straight through within the codebook's range; to scales and gains row by row."""
        rows, scales, gains, largest, result = ctx.saved_tensors
        (grad,) = grads
        to_gains = torch.linalg.vecdot(grad, result) / gains if ctx.needs_input_grad[2] else None
        bounds, slopes = (scales * largest).unsqueeze(1), gains / scales
        to_rows = torch.empty_like(rows)
        products = torch.empty_like(scales)
        for some in row_blocks(len(rows), rows.shape[1], _BLOCK):
            inside = _hardtanh_backward(grad[some], rows[some] / bounds[some], -_WHOLE, _WHOLE)
            products[some] = torch.linalg.vecdot(inside, rows[some])
            torch.mul(inside, slopes[some].unsqueeze(1), out=to_rows[some])
        return to_rows, products.mul_(slopes).div_(scales).neg_(), to_gains, None, None


def _looked_up(
    table: Tensor, rows: Tensor, halves: Tensor, offsets: Tensor, gains: Tensor
) -> Tensor:
    """Return level * gain of a block of rows; NaN in a row makes it NaN, as the loss then is."""
    quotient = (rows / halves).clamp_(-_LAST, _LAST)
    gains = torch.add(gains, quotient.sum(1, keepdim=True), alpha=0)
    up = quotient.ceil()
    cells = quotient.floor_().add_(up).to(torch.int32).add_(offsets)
    cells.clamp_(0, len(table) - 1)  # NaN has no cell: any will do
    return table.index_select(0, cells.flatten()).view_as(quotient).mul_(gains)


def row_values(
    weight: Tensor, scales: Tensor, gains: Tensor, offsets: Tensor, largest: Tensor
) -> Tensor:
    """Return level(weight / scale) * gain of every row, the nearest level of its codebook.

    Gradients: to the weights straight through within the codebook's range, else 0; to the
    scales as of the quotient weight / scale, to the gains the level.

    Args:
        weight: [O, ...].
        scales, gains: [O], of weight's type; gains not 0.
        offsets, largest: of the rows' codebooks, `row_offsets` and `row_bounds`.
    """
    rows = weight.reshape(weight.shape[0], -1)
    made: Tensor = _Rows.apply(rows, scales, gains, offsets, largest)  # type: ignore[no-untyped-call]
    return made.reshape(weight.shape)


def row_offsets(formats: Tensor) -> Tensor:
    """Return where in the table of cells each row's number 0 is, int32 [O].

    Args:
        formats: positions in `CODEBOOKS`, [O].
    """
    return (formats * _CELLS + _CELLS // 2).to(torch.int32)


def row_bounds(formats: Tensor) -> Tensor:
    """Return the largest magnitude of each row's codebook, float32 [O]."""
    largest = [float(CODEBOOKS[name].max_magnitude) for name in _NAMES]
    return torch.tensor(largest, device=formats.device)[formats]


@lru_cache(maxsize=16)
def _cells(device: str, dtype: torch.dtype) -> Tensor:
    """Return the level of every cell, all codebooks one after the other.

    Cell 2 n of a codebook is the quotient n / 2 itself, which may be a tie; cell 2 n + 1 all
    that lies between n / 2 and (n + 1) / 2. Twice the quotient thus is in floor + ceil.
    """
    quotients = (torch.arange(_CELLS, dtype=torch.float64) - _CELLS // 2) / 4
    levels = [nearest_levels(quotients, CODEBOOKS[name]) for name in _NAMES]
    return torch.cat(levels).to(device, dtype)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum of products of two tensors of one shape, however they lie in memory."""
    if a.dim() == 4 and not a.is_contiguous():
        a, b = a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1)
    return torch.dot(a.reshape(-1), b.reshape(-1))
