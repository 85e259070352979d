"""JSON graph of torch.export.save -> Program.

Source: torch/_export/serde/schema.py (major version 8) and serialize.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.nodes import (
    GraphInput,
    InputKind,
    Node,
    Program,
    Ref,
    TensorInfo,
    with_defaults,
)
from rmsmp_hls.frontend.pt2_arguments import argument_of
from rmsmp_hls.frontend.pt2_json import Json
from rmsmp_hls.frontend.pt2_sizes import SYMBOLIC, Sizes

_MAJOR = 8
_ATEN = re.compile(r"aten\.(\w+)\.(\w+)")
_STACK_ENTRY = re.compile(r"(?P<key>[^,]*),(?P<path>[^,]{0,1000}),[^,]*(\[.*\])?")
_LONGEST_STACK = 20_000  # characters
_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
_IGNORED = ("aten._assert", "aten.sym_")  # checks and sizes that torch adds


def program_from_json(document: Json) -> Program:
    """Return what the document computes.

    Raises:
        ModelImportError: it is damaged, of another version of the schema, has symbolic
            sizes beyond the batch, or calls with arguments that this PyTorch does not know.
    """
    version = document.field("schema_version").field("major").integer()
    if version != _MAJOR:
        raise ModelImportError(
            f"has version {version} of PyTorch's schema, known is {_MAJOR}",
            fix="export it with PyTorch 2.6 or later, and update rmsmp-hls",
        )
    return _Reader(document.field("graph_module")).program()


class _Reader:
    """Reads one graph; `defined` are the tensors made so far."""

    def __init__(self, module: Json) -> None:
        self.module = module
        self.graph = module.field("graph")
        self.signature = module.field("signature")
        self.sizes = Sizes(self.graph)
        self.defined: set[str] = set()
        entries = module.field("module_call_graph").items()
        calls = (_module_of(node.field("metadata")) for node in self.graph.field("nodes").items())
        paths = {entry.field("fqn").text().split("@")[0] for entry in entries}
        self.modules = _with_parents(paths | {path for _, path in calls})
        self.findings: list[RmsmpError] = []

    def program(self) -> Program:
        """Return the whole program."""
        specs = [spec.union() for spec in self.signature.field("input_specs").items()]
        users = [spec.field("arg").union() for kind, spec in specs if kind == "user_input"]
        tensors = [value.field("name") for tag, value in users if tag == "as_tensor"]
        if len(tensors) != 1 or len(users) != 1:
            raise ModelImportError(
                f"takes {len(users)} inputs, {len(tensors)} of them tensors",
                where="the network",
                fix="wrap the network so that forward takes one tensor",
            )
        self.sizes.fix_batch(tensors[0])
        inputs = tuple(self._input(kind, spec) for kind, spec in specs)
        nodes = tuple(self._nodes())
        outputs = tuple(self._outputs())
        if self.findings:
            raise ModelImportError.gather(self.findings)
        return Program(inputs, nodes, outputs, self.modules, self.sizes.batch)

    def _input(self, kind: str, spec: Json) -> GraphInput:
        if kind == "constant_input":
            return GraphInput(self._made(spec.field("name"), tensor=False), InputKind.OTHER)
        argument = spec.field("arg")
        if kind == "user_input":
            name = argument.field("as_tensor").field("name")
            return GraphInput(self._made(name), InputKind.USER)
        name = argument.field("name")
        if kind == "parameter":
            key = spec.field("parameter_name").text()
            return GraphInput(self._made(name), InputKind.STATE, key)
        if kind == "buffer":
            saved = spec.optional("persistent")
            state = InputKind.STATE if saved is None or saved.flag() else InputKind.OTHER
            return GraphInput(self._made(name), state, spec.field("buffer_name").text())
        if kind == "tensor_constant":
            key = spec.field("tensor_constant_name").text()
            return GraphInput(self._made(name), InputKind.OTHER, key)
        return GraphInput(self._made(name, tensor=False), InputKind.OTHER)

    def _made(self, name: Json, tensor: bool = True) -> TensorInfo:
        """Return the tensor of a new name."""
        text = name.text()
        if not text or text in self.defined:
            raise name.wrong(f"is made twice or has no name: {text!r}")
        self.defined.add(text)
        return self.sizes.tensor(name) if tensor else TensorInfo(text)

    def _nodes(self) -> Iterator[Node]:
        for item in self.graph.field("nodes").items():
            op = item.field("target").text().removeprefix("torch.ops.")
            outputs = [output.union() for output in item.field("outputs").items()]
            symbols = bool(outputs) and all(tag.startswith("as_sym_") for tag, _ in outputs)
            if not symbols and not op.startswith(_IGNORED):
                yield self._node(item, op, outputs)

    def _node(self, item: Json, op: str, outputs: list[tuple[str, Json]]) -> Node:
        given: dict[str, Any] = {}
        for entry in item.field("inputs").items():
            value = argument_of(entry.field("arg"), self.sizes)
            self._check_defined(value, entry)
            name = entry.field("name").text()
            given[name or str(len(given))] = value
        call, module = _module_of(item.field("metadata"))
        made = tuple(self._results(outputs))
        arguments = self._all_arguments(item, op, given)
        symbolic = [self.sizes.printed(t.name) for t in made if SYMBOLIC in t.shape]
        if symbolic:
            where = f"module {module!r}" if module else "the network's forward"
            self._find(
                f"{op}: makes a tensor of symbolic shape {', '.join(symbolic)}",
                where,
                "only the batch may be symbolic, and stays the first dimension",
            )
        return Node(made, op, call, module, arguments)

    def _results(self, outputs: list[tuple[str, Json]]) -> Iterator[TensorInfo]:
        for tag, value in outputs:
            if tag == "as_optional_tensor":
                tag, value = value.union()
            if tag in ("as_tensor", "as_tensors"):
                for tensor in value.items() if tag == "as_tensors" else [value]:
                    yield self._made(tensor.field("name"))

    def _all_arguments(self, item: Json, op: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with the defaults of the schema that PyTorch has for `op`."""
        match = _ATEN.fullmatch(op)
        if match is None:
            return given
        overload = "" if match[2] == "default" else match[2]
        try:
            schema = torch._C._get_schema(f"aten::{match[1]}", overload)
        except RuntimeError:
            return given  # an operation that this PyTorch does not have is in no table either
        unknown = sorted(set(given) - {argument.name for argument in schema.arguments})
        if unknown:
            self._find(
                f"{op}: has the argument {unknown[0]!r}, which the installed PyTorch lacks",
                item.place,
                "install the PyTorch that exported it, or a later one",
            )
        return with_defaults(schema, given)

    def _check_defined(self, value: Any, entry: Json) -> None:
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Ref) and part.name not in self.defined:
                raise entry.wrong(f"reads {part.name!r} before it is made")

    def _outputs(self) -> Iterator[str]:
        for spec in self.signature.field("output_specs").items():
            kind, value = spec.union()
            if kind == "user_output":
                tag, result = value.field("arg").union()
                name = result.field("name").text() if tag == "as_tensor" else ""
                if name and name not in self.defined:
                    raise result.wrong(f"returns {name!r}, which nothing makes")
                yield name
            elif kind == "user_input_mutation":
                self._find("overwrites its input", "the network", "leave the input as it is")

    def _find(self, what: str, where: str, fix: str) -> None:
        self.findings.append(ModelImportError(what, where=where, fix=fix))


def _with_parents(paths: set[str]) -> frozenset[str]:
    """Return the module paths and all paths above them."""
    dots = ((path, match.start()) for path in paths for match in re.finditer(r"\.", path))
    return frozenset({"", *paths, *(path[:end] for path, end in dots)})


def _module_of(metadata: Json) -> tuple[str, str]:
    """Return (key of the module's call, path of the module); ("", "") if nothing is noted.

    The text is "key,path,type;..." from the outermost module to the innermost. Nothing is
    quoted, so names with commas or semicolons are given up.
    """
    stack = metadata.optional("nn_module_stack")
    if stack is None or type(stack.value) is not str or len(stack.value) > _LONGEST_STACK:
        return "", ""
    found = _STACK_ENTRY.fullmatch(stack.value.rsplit(";", 1)[-1])
    if found is None or found["key"] == _NO_MODULE or not found["path"].isprintable():
        return "", ""
    return found["key"], found["path"].split("@")[0]
