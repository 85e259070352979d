"""The activation functions of `numerics.functions` in torch, for training."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

_FUNCTIONS: MappingProxyType[str, Callable[[Tensor, float], Tensor]] = MappingProxyType(
    {
        "sigmoid": lambda x, _: torch.sigmoid(x),
        "tanh": lambda x, _: torch.tanh(x),
        "hard_sigmoid": lambda x, _: F.hardsigmoid(x),
        "silu": lambda x, _: F.silu(x),
        "hard_swish": lambda x, _: F.hardswish(x),
        "leaky_relu": lambda x, p: F.leaky_relu(x, p),
        "elu": lambda x, p: F.elu(x, p),
        "gelu": lambda x, _: F.gelu(x),
        "gelu_tanh": lambda x, _: F.gelu(x, approximate="tanh"),
        "mish": lambda x, _: F.mish(x),
    }
)


def activation(name: str, parameter: float, x: Tensor) -> Tensor:
    """Return f(x), of the type and shape of x; KeyError if there is no such function."""
    return _FUNCTIONS[name](x, parameter)
