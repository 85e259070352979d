"""torch.export.ExportedProgram in memory -> Program."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from rmsmp_hls.frontend.nodes import (
    GraphInput,
    InputKind,
    Node,
    Program,
    Ref,
    TensorInfo,
    integers_of,
    with_defaults,
)

# Checks and sizes that torch adds; they compute no tensor.
_IGNORED = ("aten._assert", "aten.sym_")


def program_of(module: nn.Module, exported: torch.export.ExportedProgram, batch: int) -> Program:
    """Return what `exported`, made of `module` with inputs of `batch` images, computes."""
    nodes = list(exported.graph.nodes)
    signature = exported.graph_signature
    keys = set(module.state_dict())
    results = next(node for node in nodes if node.op == "output").args[0]
    listed = results if isinstance(results, (tuple, list)) else (results,)
    returned = {node.name for node in listed if isinstance(node, fx.Node)}
    renamed = _same_items(nodes)
    return Program(
        inputs=tuple(_input(n, signature, keys) for n in nodes if n.op == "placeholder"),
        nodes=tuple(_node(n, renamed) for n in nodes if _is_call(n)),
        outputs=tuple(
            renamed.get(str(name), str(name)) if name in returned else ""
            for name in signature.user_outputs
        ),
        modules=frozenset(path for path, _ in module.named_modules(remove_duplicate=False)),
        batch=batch,
    )


def constant_integers(
    exported: torch.export.ExportedProgram, entry: GraphInput
) -> tuple[int, ...] | None:
    """Return the values of a constant vector of integers, None if it is something else."""
    signature = exported.graph_signature
    key = signature.inputs_to_lifted_tensor_constants.get(entry.tensor.name, entry.key)
    tensor = exported.constants.get(key, exported.state_dict.get(key))
    return integers_of(tensor)


def _is_call(node: fx.Node) -> bool:
    """Whether the node computes something; `getitem` only names what its source made."""
    return (
        node.op == "call_function"
        and node.target is not operator.getitem
        and not str(node.target).startswith(_IGNORED)
    )


def _input(
    node: fx.Node, signature: torch.export.ExportGraphSignature, keys: set[str]
) -> GraphInput:
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    key = named.get(node.name, "")
    if key:
        kind = InputKind.STATE if key in keys else InputKind.OTHER
    else:
        kind = InputKind.USER if node.name in signature.user_inputs else InputKind.OTHER
    return GraphInput(_tensor(node), kind, key)


def _same_items(nodes: list[fx.Node]) -> dict[str, str]:
    """Return the names of `getitem` nodes that read what another has read before -> its name."""
    first: dict[tuple[Any, Any], str] = {}
    items = [node for node in nodes if node.target is operator.getitem]
    return {node.name: first.setdefault((node.args[0], node.args[1]), node.name) for node in items}


def _node(node: fx.Node, renamed: Mapping[str, str]) -> Node:
    call, module = _module(node)
    return Node(
        results=_results(node),
        op=str(node.target),
        call=call,
        module=module,
        arguments=_arguments(node, renamed),
    )


def _results(node: fx.Node) -> tuple[TensorInfo, ...]:
    """Return the tensors that a node makes, of several each under the name of its `getitem`."""
    values = node.meta.get("val")
    if not isinstance(values, (tuple, list)):
        return (_tensor(node),)
    found = [TensorInfo(f"{node.name}[{i}]", *_of(value)) for i, value in enumerate(values)]
    for item in reversed([user for user in node.users if user.target is operator.getitem]):
        found[int(str(item.args[1]))] = _tensor(item)
    return tuple(found)


def _module(node: fx.Node) -> tuple[str, str]:
    """Return (key of the module's call, path of the module) of a node."""
    stack: Mapping[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
    if not stack:
        return "", ""
    key, (path, _) = list(stack.items())[-1]
    return key, str(path).split("@")[0]


def _tensor(node: fx.Node) -> TensorInfo:
    return TensorInfo(node.name, *_of(node.meta.get("val")))


def _of(value: Any) -> tuple[tuple[int, ...], str]:
    """Return (shape, number type) of a tensor, ((), "") of anything else."""
    if not isinstance(value, Tensor):
        return (), ""
    return tuple(int(size) for size in value.shape), str(value.dtype)


def _arguments(node: fx.Node, renamed: Mapping[str, str]) -> dict[str, Any]:
    schema = getattr(node.target, "_schema", None)
    if schema is None:  # an operation on graphs; its tensors are enough to refuse it
        return {str(i): Ref(source.name) for i, source in enumerate(node.all_input_nodes)}
    args, kwargs = (
        fx.node.map_arg(part, lambda n: Ref(renamed.get(n.name, n.name)))  # type: ignore[arg-type,return-value]
        for part in (tuple(node.args), dict(node.kwargs))
    )
    return with_defaults(schema, kwargs, args)  # type: ignore[arg-type]
