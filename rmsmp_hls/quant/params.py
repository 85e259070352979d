"""What quantization needs to know beside the float network: formats and scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.quant.ends import SAME


@dataclass(frozen=True, slots=True)
class RowParams:
    """Of one convolution or linear layer: per row the codebook's name and the scale.

    Attributes:
        formats: codebook name of every row.
        scales: float64 [O], value of weight integer 1, > 0.
    """

    formats: tuple[str, ...]
    scales: ConstTensor


@dataclass(frozen=True)
class QuantParams:
    """Row formats, scales and activation formats of a whole network.

    Attributes:
        activations: quantizer name (`QuantPlan.quantizers`) -> format.
        rows: Conv2d / Linear name -> row parameters.
        ratio: asked shares shift-add : Fixed-4 : Fixed-8.
        codebook: name of the shift-add codebook.
        activation_bits, residual_bits, input_bits: what the quantizers were placed with.
        multiplier_terms: most signed powers of two of every integer multiplier, 1..3; 0: any
            18-bit number.
        first_last: policy of the first and last layers, see `quant.ends`.
    """

    activations: Mapping[str, ActFormat]
    rows: Mapping[str, RowParams]
    ratio: tuple[float, float, float]
    codebook: str
    activation_bits: int = 4
    residual_bits: int = 8
    input_bits: int = 8
    multiplier_terms: int = 0
    first_last: str = SAME

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "activations", MappingProxyType(dict(self.activations)))
        object.__setattr__(self, "rows", MappingProxyType(dict(self.rows)))
