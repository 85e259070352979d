"""ADMM regularization: the float weights are pulled to the levels of their rows' formats.

Every layer's weights W have auxiliary weights Z, which lie on the levels, and scaled duals U of
the same shape. The loss gets rho / 2 * |W - Z + U|^2; at every update

    Z <- the level nearest to W + U, by its row's format and scale,    U <- U + W - Z,

so that a weight that stays away from its level is pulled the harder. As the forward pass quantizes
hard all the time, nothing is left to do at the end.

Source: MSQ (arXiv 2012.04240) trains its weights so; the updates are those of ADMM in scaled form
(Boyd et al. 2011, section 3.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError, RmsmpError
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.network import place
from rmsmp_hls.train.quantizers import quantize_rows

State = dict[str, dict[str, Tensor]]
"""Of `Admm.state_dict`: "auxiliary" and "dual" -> layer name -> tensor."""


class Admm:
    """The auxiliary and dual weights of all convolutions and linear layers of a model.

    Add `penalty()` to the loss of every step; call `update()` every epoch, or every so many steps,
    and after rows were assigned.

    Attributes:
        model: a prepared model; its weights are looked up anew at every call.
        rho: strength of the pull, > 0.
        auxiliary, dual: layer name -> Z and U, of the weights' shape.
    """

    def __init__(self, model: RmsmpModel, rho: float = 1e-4) -> None:
        """Begin with Z = the levels nearest to the weights, and U = 0.

        Raises:
            ConfigError: rho is not a number above 0.
            QuantizationError: weights hold NaN or infinity (all such layers are listed).
        """
        if not (math.isfinite(rho) and rho > 0):
            raise ConfigError(f"rho is {rho:g}", where="ADMM", fix="give a number above 0")
        self.model, self.rho = model, rho
        self.dual = {op.name: torch.zeros_like(model.weight(op)) for op in model.layers()}
        self.auxiliary: dict[str, Tensor] = {}
        self._project()

    def penalty(self) -> Tensor:
        """Return rho / 2 * the sum of all (W - Z + U)^2, a scalar with gradients to W."""
        terms = [
            (self.model.weight(op) - self.auxiliary[op.name] + self.dual[op.name]).square().sum()
            for op in self.model.layers()
        ]
        return self.rho / 2 * torch.stack(terms).sum() if terms else torch.zeros(())

    def update(self) -> None:
        """Move Z and U on, by the weights, formats and scales as they are now.

        Raises:
            QuantizationError: weights hold NaN or infinity (all such layers are listed); Z and U
                then are as before.
        """
        self._project()
        with torch.no_grad():
            for op in self.model.layers():
                self.dual[op.name] += self.model.weight(op) - self.auxiliary[op.name]

    @torch.no_grad()
    def distance(self) -> float:
        """Return the root of the mean square of W minus its nearest level, over all weights."""
        total, count = 0.0, 0
        for op in self.model.layers():
            weight = self.model.weight(op)
            total += float((weight - self._nearest(op.name, weight)).double().square().sum())
            count += weight.numel()
        return math.sqrt(total / max(1, count))

    def state_dict(self) -> State:
        """Return Z and U, which are no copies; `rho` is a setting and left out."""
        return {"auxiliary": dict(self.auxiliary), "dual": dict(self.dual)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            QuantizationError: it is of another network (all differences are listed).
        """
        findings: list[RmsmpError] = []
        for kind in ("auxiliary", "dual"):
            findings += self._differences(kind, state.get(kind, {}))
        if findings:
            raise QuantizationError.gather(findings)
        for op in self.model.layers():
            weight = self.model.weight(op).detach()
            self.auxiliary[op.name] = state["auxiliary"][op.name].detach().to(weight, copy=True)
            self.dual[op.name] = state["dual"][op.name].detach().to(weight, copy=True)

    def _differences(self, kind: str, found: Mapping[str, Tensor]) -> list[RmsmpError]:
        wanted = {op.name: tuple(self.model.weight(op).shape) for op in self.model.layers()}
        shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
        return [
            QuantizationError(
                f"the ADMM state has {shapes.get(name, 'nothing')}, the network "
                f"{wanted.get(name, 'nothing')}",
                where=f"layer {name!r}, {kind}",
                fix="use the state of this network's own training",
            )
            for name in sorted({*wanted, *shapes})
            if wanted.get(name) != shapes.get(name)
        ]

    @torch.no_grad()
    def _project(self) -> None:
        layers = list(self.model.layers())
        bad = [op for op in layers if not bool(torch.isfinite(self.model.weight(op)).all())]
        if bad:
            raise QuantizationError.gather(
                [QuantizationError("the weights hold NaN or infinity", where=place(op),
                                   fix="lower the learning rate, train again") for op in bad]
            )  # fmt: skip
        for op in layers:
            target = self.model.weight(op) + self.dual[op.name]
            self.auxiliary[op.name] = self._nearest(op.name, target)

    def _nearest(self, layer: str, weight: Tensor) -> Tensor:
        """Return the levels nearest to `weight` [O, ...], times their rows' scales."""
        quantizer = self.model.rmsmp.row(layer)
        scales = quantizer.scales().detach()
        shape = (-1,) + (1,) * (weight.dim() - 1)
        levels = quantize_rows(weight, scales, quantizer.names)
        return (levels.double() * scales.reshape(shape)).to(weight.dtype)
