"""Importers of ATen operations, by kind; `IMPORTERS` is the table of all of them."""

from rmsmp_hls.frontend.ops.call import (
    Call,
    Importer,
    Kind,
    Made,
    Operand,
    Surroundings,
    Value,
)
from rmsmp_hls.frontend.ops.table import ALIASES, CONVERSIONS, IMPORTERS, MAY_COPY, unsupported

__all__ = [
    "ALIASES",
    "CONVERSIONS",
    "IMPORTERS",
    "MAY_COPY",
    "Call",
    "Importer",
    "Kind",
    "Made",
    "Operand",
    "Surroundings",
    "Value",
    "unsupported",
]
