"""The Hessian of the loss over the outputs of each image, as a sum of squares.

C_n = sum over k of sign_nk c_nk c_nk', from its eigenvectors. With more outputs than `probes`, the
larger half of the probes are the leading c_nk, exactly, and the others random sums (signs) of the
rest, whose squares have the right mean; where that rest has negative signs, all are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError

Loss = Callable[[Tensor, Tensor], Tensor]

MOST_OUTPUTS = 2048  # per image: their Hessian is factored
_NOTHING = 1e-6  # of the largest eigenvalue: what float rounding leaves


@dataclass(frozen=True, slots=True)
class Curvature:
    """The loss over the outputs of each image: C_n = sum_k signs[k, n] c c', c = columns[k, n].

    Attributes:
        columns: [K, N, D].
        signs: [K, N], -1, 0 or 1.
    """

    columns: Tensor
    signs: Tensor


def output_curvature(
    outputs: Tensor, loss_fn: Loss, targets: Tensor, probes: int, generator: torch.Generator
) -> Curvature:
    """Factor the loss's Hessian over the outputs [N, ...] of each image.

    Raises:
        QuantizationError: NaN or infinity.
        ConfigError: the loss ties images together, or there are more than `MOST_OUTPUTS`.
    """
    leaf = outputs.detach().clone().requires_grad_(True)
    count = leaf[0].numel()
    if count > MOST_OUTPUTS:
        raise ConfigError(
            f"{count} outputs are too many for this curvature (at most {MOST_OUTPUTS})",
            where="hessian",
            fix="choose curvature='hessian', which is slow, or the assignment 'output-error'",
        )
    with torch.enable_grad():
        loss = loss_fn(leaf, targets)
        (gradient,) = torch.autograd.grad(loss, leaf, create_graph=True)
    if not gradient.requires_grad:  # the loss is linear in the outputs
        return Curvature(outputs.new_zeros(0, len(leaf), count), outputs.new_zeros(0, len(leaf)))

    def times(vectors: Tensor) -> Tensor:
        (made,) = torch.autograd.grad(
            gradient, leaf, vectors.reshape(leaf.shape), retain_graph=True, allow_unused=True
        )
        return torch.zeros_like(vectors) if made is None else made.reshape(len(leaf), count)

    unit = torch.eye(count, dtype=leaf.dtype, device=leaf.device)
    full = torch.stack([times(row.expand(len(leaf), count)) for row in unit], dim=1)
    if not bool(torch.isfinite(full).all()):
        raise QuantizationError(
            "the curvature of the loss over the outputs is NaN or infinite",
            where="loss",
            fix="look at the batch and the loss",
        )
    _check_separate(times, (len(leaf), count), leaf, generator)
    values, vectors = torch.linalg.eigh((full + full.transpose(1, 2)).double() / 2)
    return _probes(values, vectors, probes, generator, outputs.dtype)


def _check_separate(
    times: Callable[[Tensor], Tensor],
    shape: tuple[int, int],
    like: Tensor,
    generator: torch.Generator,
) -> None:
    """Refuse a loss whose second derivatives between images are not 0, shown by a random vector
    whose sign is changed in every other image."""
    vector = torch.randn(shape, generator=generator, dtype=torch.float64).to(like)
    signs = torch.ones(shape[0], 1, dtype=torch.float64).to(like)
    signs[::2] = -1
    plain, turned = times(vector), times(signs * vector)
    if not torch.allclose(turned, signs * plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max())):
        raise ConfigError(
            "the loss has second derivatives between images",
            where="hessian",
            fix="choose curvature='hessian', which is slow, or give a loss that is a mean or sum",
        )


def _probes(
    values: Tensor, vectors: Tensor, probes: int, generator: torch.Generator, dtype: torch.dtype
) -> Curvature:
    """Return at most `probes` columns if the rest is convex; values [N, D], vectors [N, D, D]."""
    order = values.abs().argsort(dim=1, descending=True)
    values = values.gather(1, order)
    vectors = vectors.gather(2, order.unsqueeze(1).expand_as(vectors))
    limit = _NOTHING * values.abs().amax(1, keepdim=True)
    signs = torch.where(values.abs() > limit, values.sign(), torch.zeros_like(values))
    columns = vectors * (values.abs().sqrt() * signs.abs()).unsqueeze(1)  # [N, D, k]
    live = int((signs != 0).any(0).sum())
    columns, signs = columns[:, :, :live], signs[:, :live]
    exact = (probes + 1) // 2
    if live > probes and not bool((signs[:, exact:] < 0).any()):
        rest, some = columns[:, :, exact:], probes - exact
        mix = torch.randint(0, 2, (len(rest), rest.shape[2], some), generator=generator) * 2 - 1
        random = torch.matmul(rest, mix.to(rest)) / max(1, some) ** 0.5
        columns = torch.cat([columns[:, :, :exact], random], dim=2)
        signs = torch.cat([signs[:, :exact], signs.new_ones(len(rest), some)], dim=1)
    return Curvature(columns.permute(2, 0, 1).to(dtype), signs.transpose(0, 1).to(dtype))
