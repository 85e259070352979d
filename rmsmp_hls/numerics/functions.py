"""Activation functions by name, in float64. docs/numerics.md lists them.

On the array each is a table with an entry per code, so a new one is a line here (and one in
`train.functions`, for the gradient).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Function:
    """An activation function; f(x) >= 0 for every x >= 0.

    Attributes:
        compute: (x float64 of any shape, parameter) -> float64 of the same shape.
        negative: whether the result can be negative.
        parameter: what its parameter is, "" if it has none.
    """

    compute: Callable[[Floats, float], Floats]
    negative: bool
    parameter: str = ""


def _sigmoid(x: Floats) -> Floats:
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _erf(x: Floats) -> Floats:
    return np.array([math.erf(v) for v in x.ravel().tolist()], dtype=np.float64).reshape(x.shape)


def _gelu_tanh(x: Floats) -> Floats:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FUNCTIONS = MappingProxyType(
    {
        "sigmoid": Function(lambda x, _: _sigmoid(x), False),
        "tanh": Function(lambda x, _: np.tanh(x), True),
        "hard_sigmoid": Function(lambda x, _: np.clip(x / 6 + 0.5, 0.0, 1.0), False),
        "silu": Function(lambda x, _: x * _sigmoid(x), True),
        "hard_swish": Function(lambda x, _: x * np.clip(x + 3, 0.0, 6.0) / 6, True),
        "leaky_relu": Function(
            lambda x, p: np.maximum(x, 0.0) + p * np.minimum(x, 0.0), True, "negative slope"
        ),
        "elu": Function(
            lambda x, p: np.where(x > 0, x, p * np.expm1(np.minimum(x, 0.0))), True, "alpha"
        ),
        "gelu": Function(lambda x, _: x / 2 * (1.0 + _erf(x / math.sqrt(2))), True),
        "gelu_tanh": Function(lambda x, _: _gelu_tanh(x), True),
        "mish": Function(lambda x, _: x * np.tanh(np.logaddexp(0.0, x)), True),
    }
)


def apply_function(name: str, parameter: float, x: npt.ArrayLike) -> Floats:
    """Return f(x), float64 of the shape of x; KeyError if there is no such function."""
    values = np.asarray(x, dtype=np.float64)
    return np.asarray(FUNCTIONS[name].compute(values, parameter), dtype=np.float64)
