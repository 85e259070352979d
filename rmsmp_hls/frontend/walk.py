"""Program -> operations of a FloatGraph, by the table of `frontend.ops`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.nodes import GraphInput, InputKind, Node, Program, Ref, tensors_of
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
from rmsmp_hls.ir.float_ops import FloatOp, Input

_DIMENSIONS = (2, 4)  # [N, F] or [N, C, H, W]
_WRONG_ARGUMENTS = (
    AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip


def import_program(
    program: Program, findings: Sequence[RmsmpError] = ()
) -> tuple[tuple[FloatOp, ...], str]:
    """Return the operations that the result depends on, the input first, and its name.

    Args:
        program: the exported network.
        findings: what is known to be wrong with it already.

    Raises:
        ModelImportError: FloatGraph has no equal for parts of it; lists all of them, and
            `findings`.
    """
    ops, output = _Walk(program, findings).run()
    needed = {output}
    for op in reversed(ops):
        if op.name in needed:
            needed.update(op.inputs)
    return tuple(op for op in ops if op.name in needed or isinstance(op, Input)), output


class _Walk:
    """One walk over the program; `values` says what each tensor is."""

    def __init__(self, program: Program, findings: Sequence[RmsmpError]) -> None:
        self.program = program
        self.batch = program.batch
        self.leaves = program.leaves
        self.values: dict[str, Value] = {}
        self.storage: dict[str, str] = {}  # the tensor that first held the memory
        self.dtypes: dict[str, str] = {}
        self.ops: list[FloatOp] = []
        self.findings: list[RmsmpError] = list(findings)
        self.taken: set[str] = set()
        self.per_call = Counter(node.call for node in program.nodes)
        self.last_read: dict[str, int] = {}  # position behind the last node for a result
        for position, node in enumerate(program.nodes):
            self.last_read.update(dict.fromkeys(node.reads, position))
        self.last_read.update(dict.fromkeys(program.outputs, len(program.nodes)))

    def run(self) -> tuple[list[FloatOp], str]:
        """Return the operations and the name of the result."""
        for entry in self.program.inputs:
            self._input(entry)
        for position, node in enumerate(self.program.nodes):
            if node.overwrites or any(made.name in self.last_read for made in node.results):
                self._call(node, position)
        output = self._output()
        if self.findings:
            raise ModelImportError.gather(self.findings)
        return self.ops, output

    def _input(self, entry: GraphInput) -> None:
        tensor, kind = entry.tensor, Kind.OTHER
        name = entry.key or tensor.name
        if entry.kind is InputKind.STATE:
            kind = Kind.PARAMETER
        elif entry.kind is InputKind.USER and self.ops:
            self._find("takes several inputs", "give the network one input tensor")
        elif entry.kind is InputKind.USER:
            kind, name = Kind.ACTIVATION, self._fresh(tensor.name)
            self.ops.append(Input(name=name, inputs=(), shape=tensor.shape[1:]))
        self.values[tensor.name] = Value(name, tensor.shape, kind)
        self.storage[tensor.name] = tensor.name
        self.dtypes[tensor.name] = tensor.dtype

    def _output(self) -> str:
        outputs = self.program.outputs
        value = self.values.get(outputs[0]) if len(outputs) == 1 else None
        if value is None:
            self._find(f"returns {len(outputs)} results", "return one tensor from forward")
            return ""
        if self.findings:  # the rest is told by them
            return value.name
        if value.kind is not Kind.ACTIVATION or isinstance(self._maker(value.name), Input):
            self._find("computes nothing from its input", "return the result of a layer")
        elif value.shape[:1] != (self.batch,) or len(value.shape) not in _DIMENSIONS:
            self._find(f"returns shape {value.shape}", "return [N, F] or [N, C, H, W]")
        return value.name

    def _call(self, node: Node, position: int) -> None:
        arguments = self._arguments(node)
        self.dtypes.update({made.name: made.dtype for made in node.results})
        if not any(
            isinstance(v, Value) and v.kind is Kind.ACTIVATION for v in tensors_of(arguments)
        ):
            for made in node.results:  # of parameters alone
                self.values[made.name] = Value(made.name, made.shape, Kind.OTHER)
            return
        call = self._call_of(node, arguments)
        new = self._import(call)
        first = next((v for v in arguments.values() if isinstance(v, Value)), None)
        name = call.name if first is None else first.name
        if new:
            name = new[-1].name
            self.ops.extend(new)
            self.taken.update(op.name for op in new)
        argument = next(iter(node.arguments.values()), None)
        source = argument.name if isinstance(argument, Ref) else ""
        shares = node.op in ALIASES or node.overwrites
        for made in node.results:
            self.values[made.name] = Value(name, made.shape, Kind.ACTIVATION)
            self.storage[made.name] = self.storage.get(source, made.name) if shares else made.name
        if node.overwrites and source in self.values:
            self._overwrite(source, name, call, position)

    def _call_of(self, node: Node, arguments: Mapping[str, Any]) -> Call:
        owned = bool(node.module) and node.module in self.leaves and self.per_call[node.call] == 1
        base = node.op.split(".")[1 if "." in node.op else 0].rstrip("_")
        plain = f"{node.module}.{base}".lstrip(".")
        name = self._fresh(node.module if owned else plain, owned)
        types = {self.dtypes.get(tensor, "") for tensor in node.reads[:1]}
        same_type = types == {node.result.dtype}
        return Call(node.op, name, node.module, owned, arguments, node.result.shape, same_type)

    def _arguments(self, node: Node) -> dict[str, Any]:
        def mapped(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [mapped(part) for part in value]
            return self.values.get(value.name, value) if isinstance(value, Ref) else value

        return {name: mapped(value) for name, value in node.arguments.items()}

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
            try:
                made = importer(call)
            except _WRONG_ARGUMENTS as error:
                raise call.refuse(
                    "has arguments of a kind or shape that it cannot have", "export it again"
                ) from error
            if len(call.shape) not in _DIMENSIONS and importer is not flatten:
                raise call.refuse(
                    f"makes a tensor of shape {call.shape}", "keep to [N, F] or [N, C, H, W]"
                )
            return made
        except ModelImportError as error:
            self.findings.append(error)
            # A stand-in of the right shape, so that what follows is examined too.
            return (Input(name=call.name, inputs=(), shape=call.shape[1:]),)

    def _overwrite(self, source: str, new: str, call: Call, position: int) -> None:
        """Whoever reads the overwritten memory later reads the new tensor."""
        old = self.values[source].name
        group = self.storage[source]
        for tensor, owner in self.storage.items():
            if owner != group or tensor not in self.values:
                continue
            if self.values[tensor].name in (old, new):
                shape = self.values[tensor].shape
                self.values[tensor] = Value(new, shape, Kind.ACTIVATION)
            elif self.last_read.get(tensor, -1) > position:
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
            or (candidate in self.program.modules and not (owned and candidate == name))
        ):
            number += 1
            candidate = f"{name}_{number}"
        self.taken.add(candidate)
        return candidate

    def _find(self, what: str, fix: str) -> None:
        self.findings.append(ModelImportError(what, where="the network", fix=fix))

    def _maker(self, name: str) -> FloatOp | None:
        return next((op for op in self.ops if op.name == name), None)
