"""Curvature of the loss along single rows: RMSMP's sensitivity (arXiv 2111.00153).

For every row the eigenvalue of largest magnitude of the Hessian's diagonal block that
belongs to the row's weights, by power iteration on Hessian-vector products.

Cost: one forward and one differentiable backward per layer, then `iterations` double
backwards per row, each of about three forwards of the network on the batch; with
`tolerance`, a row stops as soon as its eigenvalue stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.train.model import RmsmpModel, evaluating

Loss = Callable[[Tensor, Tensor], Tensor]


def row_eigenvalues(
    model: RmsmpModel,
    loss_fn: Loss,
    batch: tuple[Tensor, Tensor],
    *,
    iterations: int = 10,
    tolerance: float = 0.02,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return, per convolution and linear layer, the top eigenvalue of every row's block.

    The float network is differentiated in evaluation mode: no quantizer, no dropout,
    batch norm by its running statistics.

    Args:
        model: a prepared model.
        loss_fn: (outputs, targets) -> scalar, twice differentiable almost everywhere.
        batch: (inputs, targets).
        iterations: most Hessian-vector products per row.
        tolerance: relative change of the eigenvalue at which a row stops.
        seed: of the start vectors.

    Returns:
        Layer name -> float64 [rows]; signed, of largest magnitude.

    Raises:
        QuantizationError: the loss or a product is NaN or infinite.
    """
    inputs, targets = batch
    found: dict[str, Tensor] = {}
    with evaluating(model, quantized=False), torch.enable_grad():
        for op in model.layers():
            weight = model.weight(op)
            was = weight.requires_grad
            weight.requires_grad_(True)
            try:
                loss = loss_fn(model(inputs), targets)
                (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
                generator = torch.Generator().manual_seed(seed)
                values = [
                    _power_iteration(gradient[row], weight, row, iterations, tolerance, generator)
                    for row in range(weight.shape[0])
                ]
            finally:
                weight.requires_grad_(was)
            found[op.name] = torch.tensor(values, dtype=torch.float64)
            if not bool(torch.isfinite(found[op.name]).all()):
                raise QuantizationError(
                    "the curvature of the loss is NaN or infinite",
                    where=f"layer {op.module or op.name!r}",
                    fix="look at the batch, the loss and the weights",
                )
    return found


def _power_iteration(
    gradient: Tensor,
    weight: Tensor,
    row: int,
    iterations: int,
    tolerance: float,
    generator: torch.Generator,
) -> float:
    """Return the eigenvalue of largest magnitude of d gradient / d weight[row]."""
    vector = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    vector = (vector / vector.norm()).to(gradient)
    eigenvalue = 0.0
    for _ in range(iterations):
        if not gradient.requires_grad:
            return 0.0  # the loss is linear in this row
        (product,) = torch.autograd.grad(
            gradient, weight, grad_outputs=vector, retain_graph=True, allow_unused=True
        )
        if product is None:
            return 0.0
        image = product[row]
        before, eigenvalue = eigenvalue, float((vector * image).sum())
        length = float(image.norm())
        if length == 0.0 or math.isnan(eigenvalue):
            return eigenvalue
        if abs(eigenvalue - before) <= tolerance * abs(eigenvalue):
            break
        vector = image / length
    return eigenvalue
