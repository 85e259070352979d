"""Opens an ONNX file: bytes are checked, then parsed; nothing in it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.archive import check_file
from rmsmp_hls.frontend.onnx.model import Array, Model, Node, printable
from rmsmp_hls.frontend.onnx.tensors import TensorReader
from rmsmp_hls.frontend.onnx.wire import check_wire

LOWEST_OPSET, HIGHEST_OPSET = 9, 21
_LARGEST_FILE = (1 << 31) - 1  # protobuf's own limit
_EXPORT_AGAIN = "copy or export the model again"
_ONNX_DOMAINS = ("", "ai.onnx")


def read_model(path: str | Path) -> Model:
    """Read a file into plain data.

    Raises:
        ModelImportError: the package onnx is missing; the file is missing, damaged, too
            large, of an opset beyond 9..21, or holds training, functions or sparse tensors.
    """
    path = Path(path)
    onnx, proto = parse_model(path)
    try:
        return _Reader(onnx, proto, path).model()
    except ModelImportError as error:
        raise located(error, str(path)) from error
    except Exception as error:  # what protobuf raises depends on its implementation
        raise _damaged(error, str(path)) from error


def parse_model(path: Path) -> tuple[Any, Any]:
    """Return the package onnx, and the file's ModelProto, of which nothing is checked but bytes.

    Raises:
        ModelImportError: as `read_model`, of the file as a whole.
    """
    check_file(path)
    where = str(path)
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise ModelImportError(
            f"has {size} bytes, protobuf reads {_LARGEST_FILE}",
            where=where,
            fix="store the weights as external data",
        )
    onnx = _package(where)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelImportError(f"cannot be read: {error.strerror}", where=where) from error
    check_wire(content, where)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except Exception as error:  # as above
        raise _damaged(error, where) from error
    return onnx, proto


def _damaged(error: Exception, where: str) -> ModelImportError:
    what = f"is truncated or damaged ({type(error).__name__})"
    return ModelImportError(what, where=where, fix=_EXPORT_AGAIN)


def located(error: ModelImportError, where: str) -> ModelImportError:
    """Return the error, with all its findings, told of the file `where`."""
    if error.where.startswith(where):
        return error
    parts: list[RmsmpError] = [
        ModelImportError(
            part.what, where=f"{where}, {part.where}" if part.where else where, fix=part.fix
        )
        for part in error.findings
    ]
    made = ModelImportError.gather(parts)
    assert isinstance(made, ModelImportError)
    return made


def _package(where: str) -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise ModelImportError(
            "is an ONNX file, and the Python package onnx is not installed",
            where=where,
            fix="pip install 'rmsmp-hls[onnx]'",
        ) from error
    return onnx


class _Reader:
    """Reads one ModelProto."""

    def __init__(self, onnx: Any, proto: Any, path: Path) -> None:
        self.onnx, self.proto = onnx, proto
        self.tensors = TensorReader(onnx, path)
        self.findings: list[RmsmpError] = []

    def model(self) -> Model:
        """Return the whole model."""
        graph = self.proto.graph
        opset = self._opset()
        if not graph.node or not graph.output:
            raise ModelImportError("holds no network", fix=_EXPORT_AGAIN)
        if self.proto.training_info:
            self._find("holds training information", "export it for inference")
        if self.proto.functions:
            names = sorted({printable(f.name) for f in self.proto.functions})[:5]
            self._find(
                f"holds functions of its own: {', '.join(names)}",
                "write them out: onnx.inliner.inline_local_functions(model)",
            )
        if graph.sparse_initializer:
            self._find("holds sparse tensors", "store them dense")
        self._check_text(graph)
        constants = self._constants(graph)
        nodes = tuple(self._node(number, node) for number, node in enumerate(graph.node))
        if self.findings:
            raise ModelImportError.gather(self.findings)
        inputs = {v.name: _type(self.onnx, v) for v in graph.input if v.name not in constants}
        if len(inputs) + len(constants.keys() & {v.name for v in graph.input}) != len(graph.input):
            raise ModelImportError("names an input twice", fix=_EXPORT_AGAIN)
        shapes = {
            v.name: shape
            for v in [*graph.value_info, *graph.output]
            if (shape := _type(self.onnx, v)[1]) and min(shape) > 0
        }
        outputs = tuple(v.name for v in graph.output)
        return Model(opset, inputs, outputs, nodes, constants, shapes)

    def _check_text(self, graph: Any) -> None:
        """Refuse names that are no UTF-8: protobuf gives them as bytes."""
        for node in graph.node:
            names = [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [attribute.name for attribute in node.attribute]
            self._need_text(names)
        for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            self._need_text([value.name])
        for tensor in graph.initializer:
            self._need_text([t for e in tensor.external_data for t in (e.key, e.value)])
        self._need_text([f.name for f in self.proto.functions])

    @staticmethod
    def _need_text(names: list[Any]) -> None:
        if not all(isinstance(name, str) for name in names):
            raise ModelImportError("is truncated or damaged (a name is no text)", fix=_EXPORT_AGAIN)

    def _opset(self) -> int:
        versions = [entry.version for entry in self.proto.opset_import
                    if entry.domain in _ONNX_DOMAINS]  # fmt: skip
        if len(versions) != 1 or not LOWEST_OPSET <= versions[0] <= HIGHEST_OPSET:
            found = ", ".join(map(str, versions[:5])) or "none"
            raise ModelImportError(
                f"is of opset {found}; {LOWEST_OPSET} to {HIGHEST_OPSET} are read",
                fix="export with opset_version=17, or convert it: onnx.version_converter",
            )
        return int(versions[0])

    def _constants(self, graph: Any) -> dict[str, Array]:
        constants: dict[str, Array] = {}
        for tensor in graph.initializer:
            where = f"tensor {printable(tensor.name)!r}"
            if not tensor.name or tensor.name in constants:
                self._find("is there twice or has no name", _EXPORT_AGAIN, where)
                continue
            try:
                constants[tensor.name] = self.tensors.read(tensor, where)
            except ModelImportError as error:
                self.findings.append(error)
        return constants

    def _node(self, number: int, node: Any) -> Node:
        domain = "" if node.domain in _ONNX_DOMAINS else node.domain
        label = printable(node.name) or f"number {number}"
        attributes = {}
        for attribute in node.attribute:
            try:
                attributes[attribute.name] = self._attribute(attribute, f"node {label!r}")
            except ModelImportError as error:
                self.findings.append(error)
        return Node(node.op_type, domain, label, tuple(node.input), tuple(node.output), attributes)

    def _attribute(self, attribute: Any, where: str) -> Any:
        kinds = self.onnx.AttributeProto
        if attribute.ref_attr_name:
            return None
        if attribute.type == kinds.INT:
            return int(attribute.i)
        if attribute.type == kinds.FLOAT:
            return float(attribute.f)
        if attribute.type == kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        if attribute.type == kinds.TENSOR:
            return self.tensors.read(attribute.t, where)
        if attribute.type == kinds.INTS:
            return [int(value) for value in attribute.ints]
        if attribute.type == kinds.FLOATS:
            return [float(value) for value in attribute.floats]
        return None

    def _find(self, what: str, fix: str, where: str = "") -> None:
        self.findings.append(ModelImportError(what, where=where, fix=fix))


def _type(onnx: Any, value: Any) -> tuple[str, tuple[int, ...]]:
    """Return (number type, shape) of a ValueInfo; -1 for an open size, "" for no tensor."""
    if not value.type.HasField("tensor_type"):
        return "", ()
    tensor = value.type.tensor_type
    kinds = onnx.TensorProto.DataType
    kind = kinds.Name(tensor.elem_type) if tensor.elem_type in kinds.values() else "unknown"
    shape = tuple(
        int(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else -1
        for d in tensor.shape.dim
    )
    return kind, shape
