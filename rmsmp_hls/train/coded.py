"""A tensor of codes, as the training model passes it on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Coded:
    """A quantized tensor: codes [N, ...] as floats, scalar scale, largest |code| possible."""

    codes: Tensor
    scale: Tensor
    bound: int

    @property
    def value(self) -> Tensor:
        """scale * code."""
        return self.codes * self.scale
