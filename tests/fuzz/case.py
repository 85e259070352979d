"""One case of the fuzzer as plain data: network, quantization, array; and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from rmsmp_hls.hw.array import ArrayShape, DspFamily

Value = int | float | str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a network.

    Attributes:
        op: a key of `layers.LAYERS`.
        inputs: numbers of the tensors it reads: 0 is the network's input, i + 1 what node i makes.
        values: its parameters, by name.
    """

    op: str
    inputs: tuple[int, ...]
    values: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, op: str, *inputs: int, **values: Value) -> Node:
        """Return a node with the given parameters."""
        return cls(op, inputs, tuple(sorted(values.items())))

    def __getitem__(self, name: str) -> Any:
        return dict(self.values)[name]

    def get(self, name: str, default: Value) -> Any:
        """Return a parameter, or the default where the node has none of that name."""
        return dict(self.values).get(name, default)

    def with_values(self, **values: Value) -> Node:
        """Return the node with some parameters replaced."""
        return replace(self, values=tuple(sorted((dict(self.values) | values).items())))


@dataclass(frozen=True, slots=True)
class Network:
    """A network: shape of one input without the batch, and nodes; the last one is the result."""

    shape: tuple[int, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Quantization:
    """How formats and scales are chosen.

    Attributes:
        codebook: of the shift-add rows.
        shares: of shift-add, Fixed-4 and Fixed-8 rows; formats are drawn row by row.
        bits: of activations, of residual tensors, of the input.
        input_signed: whether the input's codes are signed.
        spread: scales are those that the data ask for, times up to 2^spread or 2^-spread.
        seed: of all that is drawn here.
        terms: most terms of a multiplier; 0 for any number.
        powers: whether activation scales are powers of two.
    """

    codebook: str
    shares: tuple[int, int, int]
    bits: tuple[int, int, int]
    input_signed: bool
    spread: int
    seed: int
    terms: int = 0
    powers: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a run of the pipeline depends on.

    Attributes:
        network, quantization: what is computed.
        array: what computes it.
        board: if given, the array is chosen for this board instead.
        images: in one call of the accelerator.
        tile_groups: partial sums that the schedule may use; 0 for all that the array has.
        depth: percent of the activation memory that the schedule would take, which is all that
            it gets; 0 for as much as it takes. Where that does not do, it gets more.
        seed: of the input codes.
    """

    network: Network
    quantization: Quantization
    array: ArrayShape
    board: str = ""
    images: int = 1
    tile_groups: int = 0
    depth: int = 0
    seed: int = 0


def to_json(case: Case) -> dict[str, Any]:
    """Return the case as JSON values; nodes are objects {"op", "inputs", parameters ...}."""
    tree = asdict(case)
    tree["network"]["nodes"] = [
        {"op": n.op, "inputs": n.inputs, **dict(n.values)} for n in case.network.nodes
    ]
    tree["array"]["dsp"] = case.array.dsp.name
    return json.loads(json.dumps(tree))  # type: ignore[no-any-return]


def from_json(tree: Mapping[str, Any]) -> Case:
    """Return the case of a JSON object that `to_json` made."""
    network = tree["network"]
    nodes = tuple(
        Node.of(
            node["op"],
            *node["inputs"],
            **{k: _value(v) for k, v in node.items() if k not in ("op", "inputs")},
        )
        for node in network["nodes"]
    )
    array = dict(tree["array"])
    array["dsp"] = DspFamily[array["dsp"]]
    plain = {f.name: tree[f.name] for f in fields(Case) if f.name not in _NESTED and f.name in tree}
    return Case(
        Network(tuple(network["shape"]), nodes),
        Quantization(**{name: _value(v) for name, v in tree["quantization"].items()}),
        ArrayShape(**array),
        **plain,
    )


_NESTED = ("network", "quantization", "array")


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
