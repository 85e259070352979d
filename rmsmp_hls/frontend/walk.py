"""Program -> operations of a FloatGraph, by the table of `frontend.ops`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.fold_gates import fold_gates
from rmsmp_hls.frontend.fold_pads import fold_pads
from rmsmp_hls.frontend.layouts import RANKS, image_shape
from rmsmp_hls.frontend.nodes import GraphInput, InputKind, Node, Program, Ref, tensors_of
from rmsmp_hls.frontend.ops import (
    IMPORTERS,
    Call,
    Importer,
    Kind,
    Made,
    Surroundings,
    Value,
    unsupported,
)
from rmsmp_hls.frontend.placing import Placing
from rmsmp_hls.frontend.storage import Storage
from rmsmp_hls.frontend.views import whole
from rmsmp_hls.ir.float_ops import FloatOp, Input

_WRONG_ARGUMENTS = (
    AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip
_COPIES = ("lift_fresh_copy", "clone", "detach", "detach_", "alias")
_TRANSPOSES = ("t.default", "transpose.int", "permute.default", "numpy_T.default")
_ONE_RESULT = (
    "wrap the network so that forward returns one tensor, e.g. a module whose forward is "
    "`return self.network(x)[0]`"
)
Integers = Callable[[GraphInput], tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a program computes.

    Attributes:
        ops: the operations that the result depends on, the input first.
        output: name of the result.
        notes: what differs from the program on purpose, in sentences.
    """

    ops: tuple[FloatOp, ...]
    output: str
    notes: tuple[str, ...] = ()


def import_program(
    program: Program, findings: Sequence[RmsmpError] = (), integers: Integers = lambda _: None
) -> Imported:
    """Return the operations that compute the network's result.

    Args:
        program: the exported network.
        findings: what is known to be wrong with it already.
        integers: returns the values of a constant integer vector, None if not known.

    Raises:
        ModelImportError: FloatGraph has no equal for parts of it; lists all of them, and
            `findings`.
    """
    found = _Walk(program, findings, integers).run()
    ops = fold_pads(fold_gates(_needed(found.ops, found.output), found.output), found.output)
    return replace(found, ops=_needed(ops, found.output))


def _needed(ops: Sequence[FloatOp], output: str) -> tuple[FloatOp, ...]:
    needed = {output}
    for op in reversed(ops):
        if op.name in needed:
            needed.update(op.inputs)
    return tuple(op for op in ops if op.name in needed or isinstance(op, Input))


class _Walk:
    """One walk over the program; `values` says what each tensor is."""

    def __init__(
        self, program: Program, findings: Sequence[RmsmpError], integers: Integers
    ) -> None:
        self.program = program
        self.batch = program.batch
        self.leaves = program.leaves
        self.values: dict[str, Value] = {}
        self.storage = Storage(program)
        self.dtypes: dict[str, str] = {}
        self.placing = Placing(program.modules)
        self.findings: list[RmsmpError] = list(findings)
        self.notes: list[str] = []
        self.per_call = Counter(node.call for node in program.nodes)
        self.constants = {entry.key or entry.tensor.name: entry for entry in program.inputs}
        self.around = Surroundings(
            lay_out=lambda call, view: self.placing.lay_out(
                view, lambda what, fix: call.refuse(f"reads {what}", fix)
            ),
            maker=lambda name: self.placing.made.get(name),
            integers=lambda name: (
                integers(self.constants[name]) if name in self.constants else None
            ),
        )

    def run(self) -> Imported:
        """Return the operations, also those that nothing reads, and the name of the result."""
        for entry in self.program.inputs:
            self._input(entry)
        for position, node in enumerate(self.program.nodes):
            if node.overwrites or any(self.storage.is_read(made.name) for made in node.results):
                self._call(node, position)
        output = self._output()
        if self.findings:
            raise ModelImportError.gather(self.findings)
        return Imported(tuple(self.placing.made.values()), output, tuple(self.notes))

    def _input(self, entry: GraphInput) -> None:
        tensor, kind, view = entry.tensor, Kind.OTHER, None
        name = entry.key or tensor.name
        if entry.kind is InputKind.STATE:
            kind = Kind.PARAMETER
        elif entry.kind is InputKind.USER and self.placing.made:
            self._find("takes several inputs", "wrap the network so that forward takes one tensor")
        elif entry.kind is InputKind.USER:
            kind, name = Kind.ACTIVATION, self.placing.fresh(tensor.name)
            op = Input(name=name, inputs=(), shape=image_shape(tensor.shape))
            self.placing.add(op)
            view = whole(name, op.shape, self.batch, tensor.shape)
            if tensor.dtype == "torch.float64":
                self.notes.append("the network computes in float64; its weights become float32")
        self.values[tensor.name] = Value(name, tensor.shape, kind, view)
        self.storage.start(tensor.name)
        self.dtypes[tensor.name] = tensor.dtype

    def _output(self) -> str:
        outputs = self.program.outputs
        value = self.values.get(outputs[0]) if len(outputs) == 1 else None
        if value is None:
            listed = ", ".join(repr(name) for name in outputs[:10])
            named = f": {listed}" if outputs else ""
            self._find(f"returns {len(outputs)} results{named}", _ONE_RESULT)
            return ""
        if self.findings:  # the rest is told by them
            return value.name
        if value.view is None or isinstance(self.placing.made.get(value.view.base), Input):
            self._find("computes nothing from its input", "return the result of a layer")
            return value.name

        def refuse(what: str, fix: str) -> ModelImportError:
            return ModelImportError(f"its result is {what}", where="the network", fix=fix)

        try:
            return self.placing.lay_out(value.view, refuse).name
        except ModelImportError as error:
            self.findings.append(error)
            return value.name

    def _call(self, node: Node, position: int) -> None:
        arguments = self._arguments(node)
        self.dtypes.update({made.name: made.dtype for made in node.results})
        if not any(
            isinstance(v, Value) and v.kind is Kind.ACTIVATION for v in tensors_of(arguments)
        ):
            self._constant(node, arguments)
            return
        call = self._call_of(node, arguments)
        made = self._import(call)
        for op in made.ops:
            self.placing.add(op)
        self.notes += [made.note] if made.note else []
        argument = next(iter(node.arguments.values()), None)
        source = argument.name if isinstance(argument, Ref) else ""
        old = self.values[source].view if source in self.values else None
        for number, tensor in enumerate(node.results):
            if number < len(made.views):
                view = made.views[number]
                value = Value(view.base, tensor.shape, Kind.ACTIVATION, view, made.ends)
                self.values[tensor.name] = value
            else:
                wrong = f"result {number + 1} of {node.op}, which only training or indices need"
                self.values[tensor.name] = Value("", tensor.shape, Kind.OTHER, forbidden=wrong)
            self.storage.add(node, tensor.name, source)
        if node.overwrites and old is not None and made.views:
            changed = self.storage.overwritten(source, old, made.views[0], self.values)
            for name, new in changed:
                if new is not None:
                    self.values[name] = replace(self.values[name], name=new.base, view=new)
                elif self.storage.is_read(name, position):
                    self.findings.append(
                        call.refuse(
                            "overwrites a tensor that is read later in another shape",
                            "use inplace=False here",
                        )
                    )

    def _constant(self, node: Node, arguments: Mapping[str, Any]) -> None:
        """Note what is computed of parameters alone."""
        source = next(iter(arguments.values()), None)
        forbidden = [v.forbidden for v in tensors_of(arguments) if isinstance(v, Value)]
        for made in node.results:
            value = Value(
                made.name, made.shape, Kind.OTHER, forbidden=next(filter(None, forbidden), "")
            )
            if isinstance(source, Value) and node.op.split(".")[1:2] in [[op] for op in _COPIES]:
                value = replace(source, kind=Kind.OTHER)
            elif (
                isinstance(source, Value)
                and source.kind is Kind.PARAMETER
                and node.op.removeprefix("aten.") in _TRANSPOSES
                and len(source.shape) == 2
                and _swaps(arguments)
            ):
                value = Value(source.name, made.shape, Kind.TRANSPOSED)
            self.values[made.name] = value

    def _call_of(self, node: Node, arguments: Mapping[str, Any]) -> Call:
        owned = bool(node.module) and node.module in self.leaves and self.per_call[node.call] == 1
        base = node.op.split(".")[1 if "." in node.op else 0].rstrip("_")
        plain = f"{node.module}.{base}".lstrip(".")
        name = self.placing.fresh(node.module if owned else plain, owned)
        types = {self.dtypes.get(tensor, "") for tensor in node.reads[:1]}
        shapes = tuple(made.shape for made in node.results)
        same_type = types == {made.dtype for made in node.results[:1]}
        return Call(node.op, name, node.module, owned, arguments, shapes, same_type, self.around)

    def _arguments(self, node: Node) -> dict[str, Any]:
        def mapped(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [mapped(part) for part in value]
            return self.values.get(value.name, value) if isinstance(value, Ref) else value

        return {name: mapped(value) for name, value in node.arguments.items()}

    def _import(self, call: Call) -> Made:
        """Return what the importer makes; a stand-in of the right shapes if it refuses."""
        importer: Importer = IMPORTERS.get(call.op, unsupported)
        try:
            if importer is not unsupported and 0 in call.shape:
                raise call.refuse(f"makes an empty tensor, {call.shape}", "remove the layer")
            try:
                made = importer(call)
                return made if isinstance(made, Made) else self._plain(call, made)
            except _WRONG_ARGUMENTS as error:
                raise call.refuse(
                    "has arguments of a kind or shape that it cannot have", "export it again"
                ) from error
        except ModelImportError as error:
            self.findings.append(error)
        ops, views = [], []
        for number, shape in enumerate(call.shapes):
            name = call.name if number == 0 else self.placing.fresh(call.name)
            ops.append(Input(name=name, inputs=(), shape=shape[1:]))
            views.append(whole(name, shape[1:], shape[0] if shape else 1, shape or (1,)))
        return Made(tuple(views), tuple(ops))

    def _plain(self, call: Call, ops: tuple[FloatOp, ...]) -> Made:
        if call.shape[:1] != (self.batch,):
            raise call.refuse(
                f"makes shape {call.shape} of a batch of {self.batch}",
                "keep the batch as the first dimension, e.g. x.view(x.size(0), -1)",
            )
        if len(call.shape) not in RANKS:
            raise call.refuse(
                f"makes a tensor of shape {call.shape}",
                "keep to [N, F], [N, C, L] or [N, C, H, W]",
            )
        return Made((call.result(ops[-1]),), ops)

    def _find(self, what: str, fix: str) -> None:
        self.findings.append(ModelImportError(what, where="the network", fix=fix))


def _swaps(arguments: Mapping[str, Any]) -> bool:
    """Whether a transposition of a matrix swaps its dimensions."""
    order = arguments.get("dims", [arguments.get("dim0", 1), arguments.get("dim1", 0)])
    return [axis % 2 for axis in order] in ([1, 0], [0, 1] if "dim0" in arguments else [1, 0])
