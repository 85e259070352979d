"""What one node of an exported graph says: its module, shape and named arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, fx

from rmsmp_hls.frontend.ops import Value

# Checks and sizes that torch adds; they compute no tensor.
_IGNORED = ("aten._assert", "aten.sym_")


def is_call(node: fx.Node) -> bool:
    """Return whether the node computes something."""
    return node.op == "call_function" and not str(node.target).startswith(_IGNORED)


def is_in_place(node: fx.Node) -> bool:
    """Return whether the node overwrites its first argument, as `relu_` does."""
    parts = str(node.target).split(".")
    return len(parts) > 1 and parts[1].endswith("_") and not parts[1].endswith("__")


def module_of(node: fx.Node) -> tuple[str, str]:
    """Return (key of the module's call, path of the module) of a node."""
    stack: Mapping[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
    if not stack:
        return "", ""
    key, (path, _) = list(stack.items())[-1]
    return key, str(path).split("@")[0]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Return the whole shape of the node's tensor, () if it makes several."""
    value = node.meta.get("val")
    return tuple(int(size) for size in value.shape) if isinstance(value, Tensor) else ()


def arguments_of(node: fx.Node, values: Mapping[fx.Node, Value]) -> dict[str, Any]:
    """Return the arguments by name, defaults filled in."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(i): values.get(a, a) for i, a in enumerate(node.all_input_nodes)}
    found: dict[str, Any] = {}
    for position, argument in enumerate(schema.arguments):
        if position < len(node.args):
            raw = node.args[position]
        elif argument.name in node.kwargs:
            raw = node.kwargs[argument.name]
        else:
            raw = argument.default_value if argument.has_default_value() else None
        mapped: Any = fx.node.map_arg(raw, lambda n: values.get(n, n))  # type: ignore[arg-type,return-value]
        found[argument.name] = mapped
    return found


def tensors_of(arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the arguments, those in lists too."""
    for value in arguments.values():
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def keeps_type(node: fx.Node) -> bool:
    """Return whether the result is of the number type of the first tensor argument."""
    sources = node.all_input_nodes
    values = [n.meta.get("val") for n in (node, *sources[:1])]
    types = {value.dtype for value in values if isinstance(value, Tensor)}
    return len(types) == 1
