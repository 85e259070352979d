"""First and last layers: all their rows in 8 bits, or as all others.

RMSMP treats all layers alike ("same"); the designs that it is compared with keep the first and the
last layer in 8 bits ("fixed8"). A convolution or linear layer is a first one if no other lies
between it and the network's input, on any path, and a last one if none lies behind it: several
branches may begin at the input, and a gate or a sum may end the network.

Source: RMSMP (arXiv 2111.00153); the baselines of its hardware table.
"""

from __future__ import annotations

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph

SAME, FIXED8 = "same", "fixed8"
POLICIES = (SAME, FIXED8)
PINNED_FORMAT = "Fixed-8"
"""What "fixed8" gives every row of these layers."""


def check_policy(first_last: str) -> str:
    """Return the policy; refuse what is none.

    Raises:
        ConfigError: not one of `POLICIES`.
    """
    if first_last not in POLICIES:
        raise ConfigError(
            f"unknown policy {first_last!r}",
            where="first_last",
            fix=f"choose one of {', '.join(POLICIES)}",
        )
    return first_last


def end_layers(graph: FloatGraph) -> frozenset[str]:
    """Return the names of the first and the last convolutions and linear layers."""
    return _without_layers_before(graph) | _without_layers_behind(graph)


def pinned_layers(graph: FloatGraph, first_last: str) -> frozenset[str]:
    """Return the layers whose rows the policy decides, none under "same"."""
    return end_layers(graph) if first_last == FIXED8 else frozenset()


def _without_layers_before(graph: FloatGraph) -> frozenset[str]:
    behind: dict[str, bool] = {}  # tensor -> whether a layer had a part in it
    first = set()
    for op in graph:
        touched = any(behind[name] for name in op.inputs)
        if isinstance(op, (Conv2d, Linear)) and not touched:
            first.add(op.name)
        behind[op.name] = touched or isinstance(op, (Conv2d, Linear))
    return frozenset(first)


def _without_layers_behind(graph: FloatGraph) -> frozenset[str]:
    read: set[str] = set()  # tensors that some layer, however far behind, has a part of
    last = set()
    for op in reversed(graph.ops):
        if isinstance(op, (Conv2d, Linear)) and op.name not in read:
            last.add(op.name)
        if isinstance(op, (Conv2d, Linear)) or op.name in read:
            read.update(op.inputs)
    return frozenset(last)
