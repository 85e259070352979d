"""What a quantization is asked for: shift-add codebook, ratio, widths of activations, scales."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES
from rmsmp_hls.numerics.codebooks import codebook as find_codebook
from rmsmp_hls.train.ratio import Ratio, parse_ratio

ActivationScale = Literal["lsq", "pact", "fixed"]
WeightScale = Literal["lsq", "refit"]
WeightFit = Literal["mse", "max-abs", "max-abs-row"]


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Where scales come from during training; docs/training.md.

    Attributes:
        activation_scale: one per tensor, from calibration, then learned with LSQ's gradient, with
            PACT's, or left as it is.
        weight_scale: one per row, learned with LSQ's gradient, or fitted to the weights
            whenever rows are assigned.
        weight_fit: least squared error, or max-abs (of the layer, or of the row) at the
            largest level.

    Raises:
        ConfigError: a name is unknown (all are listed).
    """

    activation_scale: ActivationScale = "lsq"
    weight_scale: WeightScale = "lsq"
    weight_fit: WeightFit = "mse"

    def __post_init__(self) -> None:
        wrong = [
            ConfigError(
                f"unknown {name} {getattr(self, name)!r}",
                where=name,
                fix=f"choose one of {', '.join(known)}",
            )
            for name, known in _CHOICES.items()
            if getattr(self, name) not in known
        ]
        if wrong:
            raise ConfigError.gather(wrong)

    def encoded(self) -> tuple[int, ...]:
        """Return the position of every choice among those of its field."""
        return tuple(known.index(getattr(self, name)) for name, known in _CHOICES.items())

    @classmethod
    def decoded(cls, positions: tuple[int, ...]) -> ScaleSettings:
        """Return the settings that `encoded` gave."""
        chosen = zip(_CHOICES.items(), positions, strict=True)
        names: dict[str, Any] = {name: known[at] for (name, known), at in chosen}
        return cls(**names)


_CHOICES: dict[str, tuple[str, ...]] = {
    field.name: get_args(get_type_hints(ScaleSettings)[field.name])
    for field in fields(ScaleSettings)
}


def checked_settings(
    codebook: str, ratio: Ratio, widths: tuple[int, int, int]
) -> tuple[str, tuple[float, float, float]]:
    """Return the codebook's own name and the shares shift-add : Fixed-4 : Fixed-8.

    Args:
        codebook: of the shift-add rows, in any case; of 3 or 2 bits, the fixed rows are so too.
        ratio: as people write it.
        widths: bits of (activations, residual tensors, input).

    Raises:
        ConfigError: unknown codebook or one that is not shift-add, impossible ratio or width.
    """
    if not all(2 <= bits <= 8 for bits in widths):
        raise ConfigError(f"activation widths {widths}", fix="choose 2 to 8 bits")
    shift_add = find_codebook(codebook).name
    if shift_add not in SHIFT_ADD_NAMES:
        raise ConfigError(
            f"{shift_add} is not a shift-add codebook",
            where="codebook",
            fix=f"choose one of {', '.join(SHIFT_ADD_NAMES)}; the fixed rows come with the ratio",
        )
    return shift_add, parse_ratio(ratio)
