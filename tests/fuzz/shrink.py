"""A failing case, made smaller step by step while it fails in the same stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.fuzz.case import Case, Network, Node
from tests.fuzz.layers import RandomNetwork
from tests.fuzz.networks import prune

_SMALLEST = {
    "kernel": 1, "stride": 1, "padding": 0, "dilation": 1, "out": 1, "groups": 1, "bias": 0,
    "weights": "normal", "affine": 1, "sides": 0, "factors": 1, "seed": 0,
}  # fmt: skip


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = 60.0) -> Case:
    """Return a smaller case for which `fails` still holds.

    Args:
        case: `fails(case)` holds.
        fails: whether a case fails as the first one did; only called with networks that torch
            can run.
        seconds: no new attempt after so much time.
    """
    end = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(case):
            if time.monotonic() > end:
                return case
            if _runs(candidate.network) and fails(candidate):
                case, smaller = candidate, True
                break
    return case


def candidates(case: Case) -> Iterator[Case]:
    """Yield cases that are simpler in one respect, the largest steps first."""
    for network in _networks(case.network):
        if network.nodes and network != case.network:
            yield replace(case, network=network)
    plain = replace(case.quantization, spread=0, bits=(4, 8, 8))
    free = replace(case.quantization, powers=False)
    for quantization in (plain, replace(case.quantization, spread=0), free):
        if quantization != case.quantization:
            yield replace(case, quantization=quantization)
    for simple in (
        replace(case, images=1), replace(case, tile_groups=0), replace(case, depth=0),
        replace(case, seed=0),
    ):  # fmt: skip
        if simple != case:
            yield simple


def _runs(network: Network) -> bool:
    try:
        RandomNetwork(network)
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return False
    return True


def _networks(network: Network) -> Iterator[Network]:
    nodes = network.nodes
    for count in range(1, len(nodes)):  # the first nodes only
        yield prune(Network(network.shape, nodes[:count]))
    for number in range(len(nodes)):  # without one node: its readers read what it read
        for source in sorted(set(nodes[number].inputs)):
            yield _without(network, number, source)
    for number, node in enumerate(nodes):
        for simpler in _nodes(node):
            yield Network(network.shape, (*nodes[:number], simpler, *nodes[number + 1 :]))
    widths = sorted({n["out"] for n in nodes if n.op == "conv"} | {network.shape[0]})
    for width in (1, 2, 4, 5, 8, 9):
        if widths and width < widths[-1]:  # all convolutions at once: sums stay possible
            shape = (min(width, network.shape[0]), *network.shape[1:])
            yield Network(shape, tuple(_narrow(node, width) for node in nodes))
    for axis, size in enumerate(network.shape):
        for smaller in sorted({1, size // 2, size - 1} - {0, size}):
            yield Network((*network.shape[:axis], smaller, *network.shape[axis + 1 :]), nodes)


def _narrow(node: Node, width: int) -> Node:
    return node.with_values(out=min(width, node["out"])) if node.op == "conv" else node


def _without(network: Network, number: int, source: int) -> Network:
    def renamed(tensor: int) -> int:
        tensor = source if tensor == number + 1 else tensor
        return tensor - 1 if tensor > number + 1 else tensor

    kept = (node for index, node in enumerate(network.nodes) if index != number)
    nodes = tuple(Node(n.op, tuple(map(renamed, n.inputs)), n.values) for n in kept)
    return prune(Network(network.shape, nodes))


def _nodes(node: Node) -> Iterator[Node]:
    """Yield the node with one parameter made simpler."""
    for name, value in node.values:
        if name not in _SMALLEST:
            continue
        least = _SMALLEST[name]
        if isinstance(value, tuple):
            assert isinstance(least, int)
            options: list[object] = [(least,) * len(value)]
            options += [(*value[:axis], least, *value[axis + 1 :]) for axis in range(len(value))]
        elif name == "out":
            options = [1, 2, value // 2, value - 1]  # type: ignore[operator]
        else:
            options = [least]
        for option in options:
            if option != value and (option != 0 or least == 0):
                yield node.with_values(**{name: option})  # type: ignore[arg-type]
