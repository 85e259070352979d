"""torch.nn.Module -> FloatGraph, by torch.export and the table of `frontend.ops`."""

from __future__ import annotations

import operator
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.nodes import (
    arguments_of,
    is_call,
    is_in_place,
    keeps_type,
    module_of,
    shape_of,
    tensors_of,
)
from rmsmp_hls.frontend.ops import (
    ALIASES,
    IMPORTERS,
    Call,
    Importer,
    Kind,
    Value,
    flatten,
    unsupported,
)
from rmsmp_hls.frontend.parameters import bind_constants
from rmsmp_hls.ir.float_ops import FloatOp, Input
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level

_FLOATS = (torch.float32, torch.float64)
_DIMENSIONS = (2, 4)  # [N, F] or [N, C, H, W]


@dataclass(frozen=True, slots=True)
class TracedModel:
    """What tracing found.

    Attributes:
        graph: the network in evaluation mode; constants are copies of its state_dict.
        input_shape: shape of one input, (C, H, W) or (F,).
    """

    graph: FloatGraph
    input_shape: tuple[int, ...]


def trace(module: nn.Module, example: Tensor) -> TracedModel:
    """Trace `module` in evaluation mode; its training flags and parameters stay as they are.

    Args:
        module: takes one tensor [N, C, H, W] or [N, F], returns one.
        example: an input, any N >= 1; only its shape and type count.

    Raises:
        ModelImportError: the module cannot be traced, or holds what FloatGraph has no
            equal for (all such operations are listed, with their module paths).
    """
    inputs = _two_images(example)
    _refuse_empty(module)
    with _evaluating(module):
        program = _export(module, inputs)
    ops, output = _Tracer(module, program, inputs).run()
    used = _reachable(ops, output)
    graph = Graph(Level.FLOAT, used, output)
    constants = bind_constants(graph, module.state_dict())
    return TracedModel(Graph(Level.FLOAT, used, output, constants), tuple(inputs.shape[1:]))


def _two_images(example: Tensor) -> Tensor:
    """Return an input with a batch that no model has by chance, so that mixing is seen."""
    if not isinstance(example, Tensor) or example.dim() not in _DIMENSIONS:
        found = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise ModelImportError(
            f"the example input is {found}", fix="give a tensor [N, C, H, W] or [N, F]"
        )
    if example.numel() == 0 or example.dtype not in _FLOATS:
        raise ModelImportError(
            f"the example input is {example.dtype} of shape {tuple(example.shape)}",
            fix="give a float32 tensor with at least one image",
        )
    batch = 2 if len(example) != 2 else 3
    return example[:1].detach().expand(batch, *example.shape[1:]).clone()


def _refuse_empty(module: nn.Module) -> None:
    empty = [key for key, tensor in module.named_parameters() if tensor.numel() == 0]
    if empty:
        raise ModelImportError.gather(
            [
                ModelImportError(
                    f"{key!r} is empty",
                    where=f"layer {key.rpartition('.')[0]!r}",
                    fix="remove the layer: it computes nothing",
                )
                for key in empty
            ]
        )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, flag in flags:
            part.training = flag


def _export(module: nn.Module, inputs: Tensor) -> torch.export.ExportedProgram:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (inputs,), strict=False)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelImportError(
            f"cannot be traced: {type(error).__name__}: {(lines or ['no message'])[0][:300]}",
            where=type(module).__name__,
            fix="forward must take one tensor of any batch size, return one tensor, and not "
            "branch on the values of tensors; see torch.export",
        ) from error


class _Tracer:
    """One walk over the exported graph; `values` says what each node's tensor is."""

    def __init__(
        self, module: nn.Module, program: torch.export.ExportedProgram, inputs: Tensor
    ) -> None:
        self.program = program
        self.nodes = list(program.graph.nodes)
        self.position = {node: number for number, node in enumerate(self.nodes)}
        self.batch = inputs.shape[0]
        self.values: dict[fx.Node, Value] = {}
        self.storage: dict[fx.Node, fx.Node] = {}  # the node that first held the memory
        self.ops: list[FloatOp] = []
        self.findings: list[RmsmpError] = []
        self.taken: set[str] = set()
        self.modules = {path for path, _ in module.named_modules()}
        self.leaves = {path for path, part in module.named_modules() if not list(part.children())}
        self.keys = set(module.state_dict())
        calls = (node for node in self.nodes if is_call(node))
        self.per_call = Counter(module_of(node)[0] for node in calls)

    def run(self) -> tuple[list[FloatOp], str]:
        """Return the operations and the name of the result."""
        output = ""
        for node in self.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "output":
                output = self._output(node)
            elif is_call(node) and (node.users or is_in_place(node)):
                self._call(node)
        if self.findings:
            raise ModelImportError.gather(self.findings)
        return self.ops, output

    def _placeholder(self, node: fx.Node) -> None:
        signature = self.program.graph_signature
        shape = shape_of(node)
        self.storage[node] = node
        named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        if node.name in named:
            kind = Kind.PARAMETER if named[node.name] in self.keys else Kind.OTHER
            self.values[node] = Value(named[node.name], shape, kind)
        elif node.name not in signature.user_inputs:
            self.values[node] = Value(node.name, shape, Kind.OTHER)
        elif self.ops:
            self._find("takes several inputs", "give the network one input tensor")
        else:
            name = self._fresh(node.name)
            self.ops.append(Input(name=name, inputs=(), shape=shape[1:]))
            self.values[node] = Value(name, shape, Kind.ACTIVATION)

    def _output(self, node: fx.Node) -> str:
        results = node.args[0] if isinstance(node.args[0], (tuple, list)) else (node.args[0],)
        wanted = self.program.graph_signature.user_outputs
        values = [r for r in results if isinstance(r, fx.Node) and r.name in wanted]
        if len(values) != 1 or len(wanted) != 1:
            self._find(f"returns {len(wanted)} results", "return one tensor from forward")
            return ""
        value = self.values[values[0]]
        if self.findings:  # the rest is told by them
            return value.name
        if value.kind is not Kind.ACTIVATION or isinstance(self._maker(value.name), Input):
            self._find("computes nothing from its input", "return the result of a layer")
        elif value.shape[0] != self.batch or len(value.shape) not in _DIMENSIONS:
            self._find(f"returns shape {value.shape}", "return [N, F] or [N, C, H, W]")
        return value.name

    def _call(self, node: fx.Node) -> None:
        shape = shape_of(node)
        if node.target is operator.getitem:  # of an operation that was refused
            self.values[node] = Value("", shape, Kind.ACTIVATION)
            return
        op = str(node.target)
        arguments = arguments_of(node, self.values)
        _, module = module_of(node)
        first = next((v for v in arguments.values() if isinstance(v, Value)), None)
        if not any(
            isinstance(v, Value) and v.kind is Kind.ACTIVATION for v in tensors_of(arguments)
        ):
            self.values[node] = Value(node.name, shape, Kind.OTHER)  # of parameters alone
            return
        owned = module in self.leaves and bool(module) and self.per_call[module_of(node)[0]] == 1
        base = op.split(".")[1].rstrip("_")
        name = self._fresh(module if owned else f"{module}.{base}".lstrip("."), owned)
        call = Call(op, name, module, owned, arguments, shape, keeps_type(node))
        new = self._import(call)
        if new or first is None:
            result = Value(new[-1].name if new else name, shape, Kind.ACTIVATION)
            self.ops.extend(new)
            self.taken.update(made.name for made in new)
        else:
            result = Value(first.name, shape, Kind.ACTIVATION)
        self.values[node] = result
        source = node.args[0] if node.args else None
        shares = isinstance(source, fx.Node) and (op in ALIASES or is_in_place(node))
        self.storage[node] = self.storage.get(source, node) if shares else node  # type: ignore[arg-type]
        if is_in_place(node) and isinstance(source, fx.Node):
            self._overwrite(source, result, call, self.position[node])

    def _import(self, call: Call) -> tuple[FloatOp, ...]:
        importer: Importer = IMPORTERS.get(call.op, unsupported)
        try:
            if call.shape[:1] != (self.batch,) and importer is not unsupported:
                raise call.refuse(
                    f"makes shape {call.shape} of a batch of {self.batch}",
                    "keep the batch as the first dimension, e.g. x.view(x.size(0), -1)",
                )
            if 0 in call.shape and importer is not unsupported:
                raise call.refuse(f"makes an empty tensor, {call.shape}", "remove the layer")
            made = importer(call)
            if len(call.shape) not in _DIMENSIONS and importer is not flatten:
                raise call.refuse(
                    f"makes a tensor of shape {call.shape}", "keep to [N, F] or [N, C, H, W]"
                )
            return made
        except ModelImportError as error:
            self.findings.append(error)
            # A stand-in of the right shape, so that what follows is examined too.
            return (Input(name=call.name, inputs=(), shape=call.shape[1:]),)

    def _overwrite(self, source: fx.Node, new: Value, call: Call, position: int) -> None:
        """Whoever reads the overwritten memory later reads the new tensor."""
        old = self.values[source].name
        group = self.storage[source]
        for node, owner in self.storage.items():
            if owner is not group or node not in self.values:
                continue
            if self.values[node].name in (old, new.name):
                shape = self.values[node].shape
                self.values[node] = Value(new.name, shape, Kind.ACTIVATION)
            elif any(self.position[user] > position for user in node.users):
                self.findings.append(
                    call.refuse(
                        "overwrites a tensor that is read later in another shape",
                        "use inplace=False here",
                    )
                )

    def _fresh(self, name: str, owned: bool = False) -> str:
        """Return `name`, numbered if it is taken; module paths are kept for their modules."""
        number, candidate = 0, name
        while (
            candidate in self.taken
            or f"{candidate}.pool" in self.taken
            or (candidate in self.modules and not (owned and candidate == name))
        ):
            number += 1
            candidate = f"{name}_{number}"
        self.taken.add(candidate)
        return candidate

    def _find(self, what: str, fix: str) -> None:
        self.findings.append(ModelImportError(what, where="the network", fix=fix))

    def _maker(self, name: str) -> FloatOp | None:
        return next((op for op in self.ops if op.name == name), None)


def _reachable(ops: list[FloatOp], output: str) -> tuple[FloatOp, ...]:
    """Return the operations that the result depends on, and the input, in order."""
    needed = {output}
    for op in reversed(ops):
        if op.name in needed:
            needed.update(op.inputs)
    return tuple(op for op in ops if op.name in needed or isinstance(op, Input))
