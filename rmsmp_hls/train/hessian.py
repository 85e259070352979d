"""Curvature of the loss along single rows: RMSMP's sensitivity (arXiv 2111.00153).

For every row the eigenvalue of largest magnitude of the Hessian's diagonal block that
belongs to the row's weights, by power iteration on products of that block with a vector. Two ways:

- `gauss_newton`: all rows of all layers share each pass. It is the Hessian for layers that only
  operations linear by pieces follow, as in ResNet, VGG, MobileNet-v2.
- Double backward, for any network: one forward and one differentiable backward pass per layer,
  then up to `iterations` double backward passes per row, each of about three forward passes of the
  network on the batch. One vector that is random in all rows at once would need a pass per step
  only, but mixes the rows: of H v, row r's part is H_rr v_r plus the sum of H_rs v_s over the
  other rows, which is of the size of what is sought. So each row has passes of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.ir.float_ops import Activation, Conv2d, FloatOp, Linear, Multiply
from rmsmp_hls.train.gauss_newton import gauss_newton_eigenvalues
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.network import Network, place
from rmsmp_hls.train.output_curvature import MOST_OUTPUTS, Loss

Kind = Literal["auto", "hessian", "gauss-newton"]
KINDS = ("auto", "hessian", "gauss-newton")
PROBES = 128

_BY_PIECES = ("leaky_relu", "hard_sigmoid")  # activation functions linear by pieces


def row_eigenvalues(
    model: RmsmpModel | Network,
    loss_fn: Loss,
    batch: tuple[Tensor, Tensor],
    *,
    iterations: int = 10,
    tolerance: float = 0.02,
    seed: int = 0,
    curvature: Kind = "auto",
    probes: int = PROBES,
) -> dict[str, Tensor]:
    """Return, per convolution and linear layer, the top eigenvalue of every row's block.

    The float network is differentiated in evaluation mode: no quantizer, no dropout,
    batch norm by its running statistics.

    Args:
        model: a prepared model, or a network.
        loss_fn: (outputs, targets) -> scalar, twice differentiable almost everywhere.
        batch: (inputs, targets).
        iterations: most products with a row's block.
        tolerance: relative change of the eigenvalue at which a row (in Gauss-Newton passes: a
            layer, by its last row) stops.
        seed: of the start vectors, and of random probes.
        curvature: "hessian", by double backward; "gauss-newton"; or "auto": Gauss-Newton for the
            layers where that is the Hessian, double backward for the others.
        probes: most backward passes per group of layers in Gauss-Newton passes, >= 1: exact up to
            that number of outputs per image, of which the leading half beyond it.

    Returns:
        Layer name -> float64 [rows]; signed, of largest magnitude.

    Raises:
        ConfigError: unknown curvature, no probes, a loss or network that Gauss-Newton passes do
            not fit though asked for.
        QuantizationError: the loss, a layer's result or a product is NaN or infinite.
    """
    if curvature not in KINDS or probes < 1 or iterations < 1:
        raise ConfigError(
            f"curvature {curvature!r} with {probes} probes, {iterations} iterations",
            where="hessian",
            fix=f"choose one of {', '.join(KINDS)}, and at least one probe and iteration",
        )
    network = Network.of(model) if isinstance(model, RmsmpModel) else model
    outputs = _check_forward(network, loss_fn, batch)
    layers = tuple(network.layers())
    fast = layers if curvature == "gauss-newton" else ()
    if curvature == "auto" and outputs[0].numel() <= MOST_OUTPUTS:
        fast = linear_by_pieces(network)
    found: dict[str, Tensor] = {}
    if fast:
        try:
            found = gauss_newton_eigenvalues(
                network, fast, loss_fn, batch, iterations=iterations, tolerance=tolerance,
                seed=seed, probes=probes,
            )  # fmt: skip
        except ConfigError:  # a loss that is no sum over images
            if curvature == "gauss-newton":
                raise
    for op in layers:
        if op.name not in found:
            found[op.name] = _double_backward(
                network, op, loss_fn, batch, iterations, tolerance, seed
            )
    return {op.name: found[op.name] for op in layers}


def linear_by_pieces(network: Network) -> tuple[Conv2d | Linear, ...]:
    """Return the layers in whose weights the outputs are linear between kinks: none that
    shares its weights with another, or that a smooth function or a product follows."""
    bent: set[str] = set()
    for op in reversed(network.graph.ops):
        curved = isinstance(op, Multiply) or (
            isinstance(op, Activation) and op.function not in _BY_PIECES
        )
        if curved or op.name in bent:
            bent.update(op.inputs)
    uses = Counter(op.weight for op in network.layers())
    return tuple(op for op in network.layers() if op.name not in bent and uses[op.weight] == 1)


def _check_forward(network: Network, loss_fn: Loss, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the outputs; refuse NaN and infinity where they first appear."""
    bad: list[str] = []

    def note(op: FloatOp, _: list[Tensor], made: Tensor) -> Tensor:
        if not bad and not bool(torch.isfinite(made).all()):
            where = place(op) if isinstance(op, (Conv2d, Linear)) else f"operation {op.name!r}"
            bad.append(where)
        return made

    with torch.no_grad():
        outputs = network.run(batch[0], note)
        loss = loss_fn(outputs, batch[1])
    if bad or not bool(torch.isfinite(loss).all()):
        what = "its result" if bad else "the loss"
        raise QuantizationError(
            f"{what} is NaN or infinite",
            where=bad[0] if bad else "loss",
            fix="look at the batch, the loss and the weights",
        )
    return outputs


def _double_backward(
    network: Network,
    op: Conv2d | Linear,
    loss_fn: Loss,
    batch: tuple[Tensor, Tensor],
    iterations: int,
    tolerance: float,
    seed: int,
) -> Tensor:
    """Return the eigenvalues of one layer's rows, float64 [rows]."""
    weight = network.weight(op)
    was = weight.requires_grad
    weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            loss = loss_fn(network.run(batch[0]), batch[1])
            (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
            generator = torch.Generator().manual_seed(seed)
            values = [
                _power_iteration(gradient[row], weight, row, iterations, tolerance, generator)
                for row in range(weight.shape[0])
            ]
    finally:
        weight.requires_grad_(was)
    found = torch.tensor(values, dtype=torch.float64)
    if not bool(torch.isfinite(found).all()):
        raise QuantizationError(
            "the curvature of the loss is NaN or infinite",
            where=place(op),
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
