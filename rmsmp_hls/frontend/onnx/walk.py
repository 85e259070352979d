"""Model -> float operations, node by node; what stands in the way is gathered."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.onnx import elementwise, layers, moves, quant_nodes
from rmsmp_hls.frontend.onnx.advice import advice_for
from rmsmp_hls.frontend.onnx.build import Builder
from rmsmp_hls.frontend.onnx.call import Call, Importer
from rmsmp_hls.frontend.onnx.fold import FOLDS
from rmsmp_hls.frontend.onnx.model import QONNX_DOMAINS, Model, Node, printable
from rmsmp_hls.frontend.onnx.values import Coded, Constant, Tensor, Unknown, Value
from rmsmp_hls.frontend.onnx.views import plain
from rmsmp_hls.ir.float_ops import Input

_WRONG_ARGUMENTS = (
    AssertionError, AttributeError, IndexError, KeyError, MemoryError, OverflowError, TypeError,
    ValueError, ZeroDivisionError,
)  # fmt: skip
_IMPORTERS: dict[str, Importer] = {
    **layers.IMPORTERS, **elementwise.IMPORTERS, **moves.IMPORTERS, **quant_nodes.IMPORTERS
}  # fmt: skip
_QONNX = ("Quant", "BipolarQuant", "Trunc")
_LAYERS = ("Conv", "Gemm", "MatMul")
_ON_HOST = ("Softmax", "LogSoftmax")
_MOST_FOLDED = 1 << 30  # elements of all constants computed at import


@dataclass(frozen=True)
class Walked:
    """What the walk made: operations, and the tensor that is the result."""

    builder: Builder
    output: str
    notes: tuple[str, ...]


def walk(model: Model) -> Walked:
    """Import all nodes that the result depends on.

    Raises:
        ModelImportError: lists every node that has no equal, and what to do.
    """
    return _Walk(model).run()


class _Walk:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.findings: list[RmsmpError] = []
        self.notes: list[str] = []
        self.values: dict[str, Value] = {
            name: Constant(array) for name, array in model.constants.items()
        }
        self.folded = 0
        self.builder = Builder(1)
        self.nodes, self.result = self._needed()
        self.readers = Counter(name for node in self.nodes for name in node.inputs)
        self.readers.update([self.result])
        layers = (node for node in self.nodes if node.op in _LAYERS)
        self.of_layers = {name for node in layers for name in node.outputs}

    def run(self) -> Walked:
        """Return the operations and the result."""
        self._input()
        for node in self.nodes:
            self._visit(node)
        value = self.values.get(self.result)
        if self.findings:
            raise ModelImportError.gather(self.findings)
        if not isinstance(value, Tensor):
            raise _network("computes nothing from its input", "return the result of a layer")
        rank = len(value.shape)
        if rank not in (2, 3, 4):
            raise _network(f"returns shape {list(value.shape)}", "return [N, F] or [N, C, H, W]")
        try:
            pick = self.builder.vector if rank == 2 else self.builder.image
            output = pick(value)
        except ModelImportError as error:
            raise _network(error.what, error.fix) from error
        if isinstance(self.builder.ops[output], Input):
            raise _network("computes nothing from its input", "return the result of a layer")
        return Walked(self.builder, output, tuple(self.notes))

    def _needed(self) -> tuple[tuple[Node, ...], str]:
        """Return the nodes that the result depends on, without a softmax at the end."""
        model = self.model
        if len(model.outputs) != 1:
            raise _network(f"returns {len(model.outputs)} results", "return one tensor")
        makers: dict[str, int] = {}
        for number, node in enumerate(model.nodes):
            for name in node.outputs:
                if name and (name in makers or name in model.inputs or name in self.values):
                    raise _network(f"makes {printable(name)!r} twice", "export the model again")
                makers[name] = number
        result = model.outputs[0]
        while result in makers and model.nodes[makers[result]].op in ("Identity", *_ON_HOST):
            node = model.nodes[makers[result]]
            axis = node.attributes.get("axis", -1 if model.opset >= 13 else 1)
            sorted_ = makers.get((*node.inputs, result)[0], -1) < makers[result]
            if node.domain or not sorted_ or (node.op in _ON_HOST and axis not in (1, -1)):
                break
            if node.op in _ON_HOST:
                self.notes.append(
                    f"the {node.op} at the end ({node.label}) is left to the host; "
                    "the accelerator returns what it reads, and the top-1 index"
                )
            result = node.inputs[0]
        needed = {result}
        chosen: list[Node] = []
        for node in reversed(model.nodes):
            if needed.intersection(name for name in node.outputs if name):
                needed.update(name for name in node.inputs if name)
                chosen.append(node)
        return tuple(reversed(chosen)), result

    def _input(self) -> None:
        inputs = self.model.inputs
        if len(inputs) != 1:
            raise _network(
                f"takes {len(inputs)} inputs", "give the network one input tensor; make the others "
                "constants",
            )  # fmt: skip
        ((name, (kind, shape)),) = inputs.items()
        where = f"input {printable(name)!r}"
        if kind not in ("FLOAT", "DOUBLE"):
            raise ModelImportError(
                f"is of type {kind or 'no tensor'}", where=where, fix="export a float32 network"
            )
        if kind == "DOUBLE":
            self.notes.append("the network computes in float64; its weights become float32")
        batch = shape[0] if shape and shape[0] != -1 else 1
        sizes = shape[1:]
        if len(shape) not in (2, 3, 4) or min(sizes) < 1 or batch < 1:
            shown = ", ".join("?" if size == -1 else str(size) for size in shape[:8])
            raise ModelImportError(
                f"has the shape [{shown}]",
                where=where,
                fix="export it as [N, C, H, W] or [N, F] of fixed size; only the batch may be "
                "dynamic (onnx.tools.update_model_dims sets sizes)",
            )
        if max(shape) > 1 << 24 or math.prod(sizes) > 1 << 31:
            raise ModelImportError(f"has the shape {list(shape)}", where=where, fix="make it small")
        self.builder.batch = batch
        own = sizes if len(sizes) != 2 else (sizes[0], 1, sizes[1])
        made = self.builder.add(Input, name, shape=own)
        self.values[name] = (
            Tensor(made, plain((batch, *sizes))) if len(sizes) == 2 else self.builder.whole(made)
        )

    def _visit(self, node: Node) -> None:
        missing = [name for name in node.inputs if name and name not in self.values]
        if missing:
            self.findings.append(
                ModelImportError(
                    f"{node.kind} reads {printable(missing[0])!r} before it is made",
                    where=f"node {node.label!r}",
                    fix="the nodes are in a cycle or not sorted: export the model again",
                )
            )
        operands = tuple(self.values.get(name) if name else None for name in node.inputs)
        call = Call(
            node, self.model.opset, self.builder, operands, self._name(node),
            tuple(self.readers[name] == 1 and name in self.of_layers for name in node.inputs),
        )  # fmt: skip
        made: list[Value] = []
        if not missing:
            try:
                made = self._import(call)
            except ModelImportError as error:
                self.findings.append(error if error.where else call.refuse(error.what, error.fix))
            except _WRONG_ARGUMENTS as error:
                refused = call.refuse(
                    "has arguments of a kind or shape that it cannot have", "export it again"
                )
                refused.__cause__ = error
                self.findings.append(refused)
        for number, name in enumerate(node.outputs):
            if name:
                known = number < len(made)
                self.values[name] = made[number] if known else self._stand_in(name, operands)

    def _import(self, call: Call) -> list[Value]:
        node = call.node
        constant = all(value is None or isinstance(value, Constant) for value in call.operands)
        qonnx = node.domain in QONNX_DOMAINS and node.op in _QONNX
        if not qonnx and (node.domain or node.op in _QONNX):
            raise call.refuse("is an operation of its own domain", advice_for(node.op))
        if node.op in FOLDS and constant:
            made = FOLDS[node.op](call)
            self.folded += sum(value.array.size for value in made if isinstance(value, Constant))
            if self.folded > _MOST_FOLDED:
                raise call.refuse("makes too many constants", "fold constants before the export")
            return made
        if node.op not in _IMPORTERS:
            raise call.refuse("is not supported", advice_for(node.op))
        if any(isinstance(value, Unknown) for value in call.operands):
            return [Unknown() for _ in node.outputs]
        if any(isinstance(value, Coded) for value in call.operands):
            return self._coded(call)
        return _IMPORTERS[node.op](call)

    def _coded(self, call: Call) -> list[Value]:
        """Import what stands between QuantizeLinear and DequantizeLinear."""
        if call.node.op == "Clip":
            return quant_nodes.clip_codes(call)
        if call.node.op in ("Identity", "DequantizeLinear"):
            return (
                [v for v in call.operands[:1] if v is not None]
                if call.node.op == "Identity"
                else quant_nodes.dequantize_linear(call)
            )
        raise call.refuse(
            "computes on integers of a QuantizeLinear",
            "put DequantizeLinear directly behind QuantizeLinear (QDQ form)",
        )

    def _stand_in(self, name: str, operands: tuple[Value | None, ...]) -> Value:
        """Return a tensor of the right shape, so that what follows is examined too."""
        shape = self.model.shapes.get(name, ())
        like = next((v for v in operands if isinstance(v, Tensor)), None)
        known = len(shape) in (2, 3, 4) and shape[0] == self.builder.batch
        if not known or math.prod(shape) > 1 << 31:
            return Unknown() if like is None or shape else replace(like)
        own = shape[1:] if len(shape) != 3 else (shape[1], 1, shape[2])
        made = self.builder.add(Input, "unknown", shape=own)
        return (
            self.builder.ranked(made, len(shape)) if len(shape) == 3 else self.builder.whole(made)
        )

    def _name(self, node: Node) -> str:
        """Return what the results are to be called: torch's layer name where the file has it."""
        parameters = (n for n in node.inputs[1:] if n in self.model.constants)
        weight = next((n for n in parameters if n.endswith(".weight")), "")
        return weight.removesuffix(".weight") or node.label or node.op.lower()


def _network(what: str, fix: str) -> ModelImportError:
    return ModelImportError(what, where="the network", fix=fix)
