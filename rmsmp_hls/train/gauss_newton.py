"""The curvature of all rows at once, where the network bends nowhere between kinks.

Let z be a layer's result. Row r of its weights moves channel r of z alone, and linearly:
z_r = X w_r, X being the layer's input patches. Where everything behind z is linear by pieces (ReLU,
max pool, batch norm by its running statistics ...), so are the outputs in w_r, and the Hessian's
block of the row is, wherever it exists, its Gauss-Newton form

    H_rr = sum over images n of  X_n' J_nr' C_n J_nr X_n,   J_nr = d outputs_n / d z_nr,

with C_n the Hessian of the loss over the image's D outputs. C_n = sum_k sign_nk c_nk c_nk', so one
backward pass per k gives a_nrk = J_nr' c_nk for every row of every layer, and a product with
all blocks of a layer is three cheap steps without any cross term between rows:

    t = layer(x; v) (row r of v makes channel r),  u_nr = sum_k sign_nk a_nrk <a_nrk, t_nr>,
    H_rr v_r = gradient of <layer(x; v), u> to v_r.

Cost: one forward pass; K backward passes (to the layers' results, not to weights), K <= D; and per
step of the power iteration the forward and weight gradient of each layer once, whatever the number
of rows. The a_nrk of some layers are kept at a time (`_KEPT` numbers); every further group of
layers costs K backward passes down to it again. With more outputs than `probes`, the larger
half of the probes are the leading c_nk, exactly, and the others random sums (signs) of the
rest, whose squares have the right mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.ir.float_ops import Conv2d, FloatOp, Linear
from rmsmp_hls.train.execute import product
from rmsmp_hls.train.network import Network, place

Loss = Callable[[Tensor, Tensor], Tensor]

MOST_OUTPUTS = 2048  # per image: their Hessian is factored
_KEPT = 1 << 28  # numbers a_nrk that are kept at once: 1 GiB of float32
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


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a layer, its input [N, ...] and its result."""

    op: Conv2d | Linear
    rows: slice
    inputs: Tensor
    result: Tensor


def gauss_newton_eigenvalues(
    network: Network,
    layers: Sequence[Conv2d | Linear],
    loss_fn: Loss,
    batch: tuple[Tensor, Tensor],
    *,
    iterations: int,
    tolerance: float,
    seed: int,
    probes: int,
) -> dict[str, Tensor]:
    """Return, per layer, the Gauss-Newton block's eigenvalue of largest magnitude of every row.

    Args: as of `hessian.row_eigenvalues`; `layers` are those wanted.

    Returns:
        Layer name -> float64 [rows].

    Raises:
        QuantizationError: NaN or infinite derivatives, by layer.
        ConfigError: the loss ties images together, or there are too many outputs.
    """
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    wanted = {op.name for op in layers}

    def note(op: FloatOp, inputs: list[Tensor], made: Tensor) -> Tensor:
        if op.name in wanted:
            seen[op.name] = inputs[0].detach(), made
        return made

    with torch.enable_grad():
        outputs = network.run(batch[0].detach().clone().requires_grad_(True), note)
    generator = torch.Generator().manual_seed(seed)
    curvature = output_curvature(outputs, loss_fn, batch[1], probes, generator)
    found = {op.name: torch.zeros(op.shape[0], dtype=torch.float64) for op in layers}
    for group in _groups(layers, seen, len(curvature.columns)):
        for part, factors in zip(group, _factors(outputs, curvature, group), strict=True):
            values = _top(network, part, factors, curvature.signs, iterations, tolerance, generator)
            found[part.op.name][part.rows] = values.double().cpu()
    return found


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

    _check_separate(times, (len(leaf), count), leaf, generator)
    unit = torch.eye(count, dtype=leaf.dtype, device=leaf.device)
    full = torch.stack([times(row.expand(len(leaf), count)) for row in unit], dim=1)
    if not bool(torch.isfinite(full).all()):
        raise QuantizationError(
            "the curvature of the loss over the outputs is NaN or infinite",
            where="loss",
            fix="look at the batch and the loss",
        )
    values, vectors = torch.linalg.eigh((full + full.transpose(1, 2)).double() / 2)
    return _probes(values, vectors, probes, generator, outputs.dtype)


def _check_separate(
    times: Callable[[Tensor], Tensor],
    shape: tuple[int, int],
    like: Tensor,
    generator: torch.Generator,
) -> None:
    """Refuse a loss whose second derivatives between images are not 0, shown by a random vector
    that has the sign changed in a random half of the images."""
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


def _groups(
    layers: Sequence[Conv2d | Linear], seen: dict[str, tuple[Tensor, Tensor]], columns: int
) -> Iterator[list[_Part]]:
    """Yield rows of layers, last layers first, whose factors can be kept at once."""
    group: list[_Part] = []
    kept = 0
    for op in reversed(layers):
        inputs, result = seen[op.name]
        rows = result.shape[1]
        each = max(1, columns * result.numel() // rows)
        step = max(1, _KEPT // each)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            if group and kept + each * (stop - start) > _KEPT:
                yield group
                group, kept = [], 0
            group.append(_Part(op, slice(start, stop), inputs, result))
            kept += each * (stop - start)
    if group:
        yield group


def _factors(outputs: Tensor, curvature: Curvature, group: list[_Part]) -> list[Tensor]:
    """Return a_nrk of every part, [N, rows, K, positions]."""
    columns = len(curvature.columns)
    made = []
    for part in group:
        images, rows, *image = part.result[:, part.rows].shape
        made.append(part.result.new_zeros(images, rows, columns, math.prod(image)))
    for k in range(columns):
        gradients = torch.autograd.grad(
            outputs, [part.result for part in group], curvature.columns[k].reshape(outputs.shape),
            retain_graph=True, allow_unused=True,
        )  # fmt: skip
        for part, whole, gradient in zip(group, made, gradients, strict=True):
            if gradient is not None:
                some = gradient[:, part.rows]
                whole[:, :, k] = some.reshape(*some.shape[:2], -1)
    for part, whole in zip(group, made, strict=True):
        if not bool(torch.isfinite(whole).all()):
            raise QuantizationError(
                "the gradient of its result is NaN or infinite",
                where=place(part.op),
                fix="look at the batch, the loss and the weights behind this layer",
            )
    return made


def _top(
    network: Network,
    part: _Part,
    factors: Tensor,
    signs: Tensor,
    iterations: int,
    tolerance: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the eigenvalue of largest magnitude of each of the part's rows."""
    weight = network.weight(part.op)
    vector = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)
    vector = vector / _lengths(vector)
    weights = signs.transpose(0, 1)[:, None, None, :]  # [N, 1, 1, K]
    found = torch.zeros(len(weight), dtype=weight.dtype, device=weight.device)[part.rows]
    for _ in range(iterations):
        image = _blocks_times(part, factors, weights, vector)
        before, found = found, (vector * image).flatten(1).sum(1)[part.rows]
        lengths = _lengths(image)
        vector = torch.where(lengths > 0, image / lengths, vector)
        if bool(((found - before).abs() <= tolerance * found.abs()).all()):
            break
    if not bool(torch.isfinite(found).all()):
        raise QuantizationError(
            "the curvature of the loss is NaN or infinite",
            where=place(part.op),
            fix="look at the batch, the loss and the weights",
        )
    return found


def _blocks_times(part: _Part, factors: Tensor, weights: Tensor, vector: Tensor) -> Tensor:
    """Return H_rr v_r of the part's rows, 0 of the others; shaped as the weights."""
    leaf = vector.detach().requires_grad_(True)
    with torch.enable_grad():
        made = product(part.op, part.inputs, leaf, None)
    moved = made.detach()[:, part.rows]
    flat = moved.reshape(*moved.shape[:2], -1, 1)
    along = torch.matmul(factors, flat).transpose(2, 3) * weights  # [N, rows, 1, K]
    back = torch.zeros_like(made)
    back[:, part.rows] = torch.matmul(along, factors).reshape(moved.shape)
    (image,) = torch.autograd.grad(made, leaf, back)
    return image


def _lengths(vectors: Tensor) -> Tensor:
    lengths = vectors.flatten(1).norm(dim=1)
    return lengths.reshape(-1, *[1] * (vectors.dim() - 1))
