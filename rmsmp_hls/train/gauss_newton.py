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

Where a row has fewer weights than its result has positions, the images' own gradients X' a are
kept in place of a, and a product is two small matrix products per row.

Cost: one forward pass; K backward passes (to the layers' results, and to the weights of those early
layers), K <= D; and per step of the power iteration at most the forward and weight gradient of each
layer once, whatever the number of rows. The a_nrk of some layers are kept at a time (`_KEPT`
numbers); every further group of layers costs K backward passes down to it again. Of the c_nk:
`output_curvature`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.float_ops import Conv2d, FloatOp, Linear
from rmsmp_hls.train.execute import product
from rmsmp_hls.train.network import Network, place
from rmsmp_hls.train.output_curvature import Curvature, Loss, output_curvature

_KEPT = 1 << 28  # numbers a_nrk that are kept at once: 1 GiB of float32


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a layer, its weights, input [N, ...] and result."""

    op: Conv2d | Linear
    rows: slice
    weight: Tensor
    inputs: Tensor
    result: Tensor

    @property
    def by_weights(self) -> bool:
        """Whether gradients to the weights are kept, being fewer than those to the result."""
        return self.weight[0].numel() < self.result[0, 0].numel()

    @property
    def kept(self) -> int:
        """Numbers per row, image and column."""
        return min(self.weight[0].numel(), self.result[0, 0].numel())


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
    for group in _groups(network, layers, seen, len(curvature.columns)):
        for part, factors in zip(group, _factors(outputs, curvature, group), strict=True):
            values = _top(part, factors, curvature.signs, iterations, tolerance, generator)
            found[part.op.name][part.rows] = values.double().cpu()
    return found


def _groups(
    network: Network,
    layers: Sequence[Conv2d | Linear],
    seen: dict[str, tuple[Tensor, Tensor]],
    columns: int,
) -> Iterator[list[_Part]]:
    """Yield rows of layers, last layers first, whose factors can be kept at once."""
    group: list[_Part] = []
    room = _KEPT
    for op in reversed(layers):
        whole = _Part(op, slice(None), network.weight(op).detach(), *seen[op.name])
        each = max(1, columns * len(whole.inputs) * whole.kept)
        step = max(1, _KEPT // each)
        for start in range(0, len(whole.weight), step):
            stop = min(start + step, len(whole.weight))
            if group and each * (stop - start) > room:
                yield group
                group, room = [], _KEPT
            group.append(replace(whole, rows=slice(start, stop)))
            room -= each * (stop - start)
    if group:
        yield group


def _factors(outputs: Tensor, curvature: Curvature, group: list[_Part]) -> list[Tensor]:
    """Return a_nrk of every part, [N, rows, K, positions], or X' a_nrk, [N, rows, K, weights]."""
    columns = len(curvature.columns)
    made = [
        part.result.new_zeros(len(outputs), len(part.weight[part.rows]), columns, part.kept)
        for part in group
    ]
    folds = [_WeightGradients(part) if part.by_weights else None for part in group]
    for k in range(columns):
        gradients = torch.autograd.grad(
            outputs, [part.result for part in group], curvature.columns[k].reshape(outputs.shape),
            retain_graph=True, allow_unused=True,
        )  # fmt: skip
        for part, whole, fold, gradient in zip(group, made, folds, gradients, strict=True):
            if gradient is None:
                continue
            rows = fold(gradient) if fold else gradient
            whole[:, :, k] = rows[:, part.rows].reshape(len(outputs), -1, part.kept)
    for part, whole in zip(group, made, strict=True):
        if not bool(torch.isfinite(whole).all()):
            raise QuantizationError(
                "the gradient of its result is NaN or infinite",
                where=place(part.op),
                fix="look at the batch, the loss and the weights behind this layer",
            )
    return made


class _WeightGradients:
    """Turns gradients to a layer's result into each image's own gradients to the weights."""

    def __init__(self, part: _Part) -> None:
        self.leaf = part.weight.clone().requires_grad_(True)
        with torch.enable_grad():
            self.made = [
                product(part.op, one, self.leaf, None) for one in torch.split(part.inputs, 1)
            ]

    def __call__(self, gradient: Tensor) -> Tensor:
        """[N, O, ...] -> [N, *shape of the weights]."""
        images = zip(self.made, torch.split(gradient, 1), strict=True)
        found = [
            torch.autograd.grad(made, self.leaf, one, retain_graph=True)[0] for made, one in images
        ]
        return torch.stack(found)


def _top(
    part: _Part,
    factors: Tensor,
    signs: Tensor,
    iterations: int,
    tolerance: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the eigenvalue of largest magnitude of each of the part's rows."""
    weight = part.weight
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
    if part.by_weights:
        mine = vector[part.rows]
        image = torch.zeros_like(vector)
        image[part.rows] = _through(factors, weights, mine.unsqueeze(0)).sum(0).reshape(mine.shape)
        return image
    leaf = vector.detach().requires_grad_(True)
    with torch.enable_grad():
        made = product(part.op, part.inputs, leaf, None)
    moved = made.detach()[:, part.rows]
    back = torch.zeros_like(made)
    back[:, part.rows] = _through(factors, weights, moved).reshape(moved.shape)
    return torch.autograd.grad(made, leaf, back)[0]


def _through(factors: Tensor, weights: Tensor, moved: Tensor) -> Tensor:
    """Return the sum over k of weights[k] a <a, moved>, [N, rows, 1, kept].

    Args:
        factors: the a, [N, rows, K, kept].
        weights: [N, 1, 1, K].
        moved: [N or 1, rows, ...], kept numbers per row.
    """
    along = torch.matmul(factors, moved.reshape(*moved.shape[:2], -1, 1))
    return torch.matmul(along.transpose(2, 3) * weights, factors)


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors.flatten(1), dim=1)
    return lengths.reshape(-1, *[1] * (vectors.dim() - 1))
