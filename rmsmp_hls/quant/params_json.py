"""QuantParams as JSON values, every field checked on the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import CODEBOOKS
from rmsmp_hls.numerics.multipliers import MOST_TERMS
from rmsmp_hls.quant.ends import POLICIES, SAME
from rmsmp_hls.quant.params import QuantParams, RowParams


def params_to_json(params: QuantParams) -> dict[str, Any]:
    """Return JSON values; floats survive exactly (shortest round-trip text)."""
    return {
        "activations": {
            name: {"bits": f.bits, "signed": f.signed, "scale": f.scale, "narrow": f.narrow}
            for name, f in sorted(params.activations.items())
        },
        "rows": {
            name: {
                "formats": list(r.formats),
                "scales": [float(s) for s in np.asarray(r.scales.array, dtype=np.float64)],
            }
            for name, r in sorted(params.rows.items())
        },
        "ratio": list(params.ratio),
        "codebook": params.codebook,
        "activation_bits": params.activation_bits,
        "residual_bits": params.residual_bits,
        "input_bits": params.input_bits,
        "multiplier_terms": params.multiplier_terms,
        "first_last": params.first_last,
    }


def params_from_json(data: Any) -> QuantParams:
    """Return what `params_to_json` wrote.

    Raises:
        ArtefactError: a field is missing, of the wrong type or out of range.
    """
    try:
        activations = {str(n): _activation(f) for n, f in data["activations"].items()}
        rows = {str(n): _rows(r) for n, r in data["rows"].items()}
        first, second, third = (float(share) for share in data["ratio"])
        bits = (
            int(data["activation_bits"]), int(data["residual_bits"]), int(data["input_bits"])
        )  # fmt: skip
        name = str(data["codebook"])
        terms = int(data.get("multiplier_terms", 0))  # absent in files of earlier versions
        first_last = data.get("first_last", SAME)  # absent in files of earlier versions
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(
            f"the quantization parameters are damaged ({type(error).__name__}: {error})",
            fix="save the model again",
        ) from error
    if name not in CODEBOOKS or any(not 2 <= b <= 8 for b in bits):
        raise ArtefactError(
            f"the quantization parameters name codebook {name[:40]!r} and bit widths {bits}",
            fix=f"known codebooks: {', '.join(CODEBOOKS)}; bit widths are 2..8",
        )
    if not 0 <= terms <= MOST_TERMS:
        raise ArtefactError(
            f"the quantization parameters ask for multipliers of {terms} terms",
            fix=f"multipliers have 0..{MOST_TERMS} terms",
        )
    if first_last not in POLICIES:
        raise ArtefactError(
            f"the quantization parameters name the policy {str(first_last)[:40]!r}",
            fix=f"known policies of the first and last layers: {', '.join(POLICIES)}",
        )
    return QuantParams(activations, rows, (first, second, third), name, *bits, terms, first_last)


def _activation(data: Any) -> ActFormat:
    bits, signed, scale = int(data["bits"]), data["signed"], float(data["scale"])
    narrow = data.get("narrow", True)  # absent in files of earlier versions
    if not isinstance(signed, bool) or not isinstance(narrow, bool) or not 2 <= bits <= 8:
        raise ValueError(f"activation format of {bits} bits")
    return ActFormat(bits, signed, scale, narrow)


def _rows(data: Any) -> RowParams:
    formats = tuple(str(name) for name in data["formats"])
    unknown = sorted(set(formats) - set(CODEBOOKS))
    if unknown:
        raise ValueError(f"unknown row format {unknown[0][:40]!r}")
    scales = np.array([float(s) for s in data["scales"]], dtype=np.float64)
    if len(scales) != len(formats):
        raise ValueError(f"{len(formats)} formats but {len(scales)} scales")
    return RowParams(formats, ConstTensor(scales))
