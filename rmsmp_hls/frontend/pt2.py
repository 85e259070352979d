"""A saved torch.export program -> FloatGraph, without executing anything of the file.

`torch.export.load` unpickles; here only the JSON graph and the raw parameters are read,
and parameters that are pickled (by older versions) only by torch's safe loader.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.float_shapes import wrong_shapes
from rmsmp_hls.frontend.nodes import Node, Program
from rmsmp_hls.frontend.parameters import bind_constants, parameter_readings
from rmsmp_hls.frontend.pt2_archive import Archive, is_exported_program, open_archive
from rmsmp_hls.frontend.pt2_json import Json
from rmsmp_hls.frontend.pt2_program import program_from_json
from rmsmp_hls.frontend.pt2_weights import read_integers, read_state
from rmsmp_hls.frontend.walk import import_program
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level

__all__ = ["ReadProgram", "is_exported_program", "load_exported_program", "read_exported_program"]

_TRAINING = {"batch_norm": "training", "dropout": "train", "feature_dropout": "train"}


@dataclass(frozen=True)
class ReadProgram:
    """The network of a file, and what differs from it on purpose, in sentences."""

    graph: FloatGraph
    notes: tuple[str, ...]


def load_exported_program(path: str | Path) -> FloatGraph:
    """Return the network that `read_exported_program` reads, without its notes."""
    return read_exported_program(path).graph


def read_exported_program(path: str | Path) -> ReadProgram:
    """Read a file of torch.export.save; equal to `trace` of the same module.

    Parameters of float64 become float32, which a note says; other types are refused.

    Args:
        path: the file, of PyTorch 2.6 or later.

    Raises:
        ModelImportError: the file is missing, damaged, unsafe or something else; the network
            takes or returns several tensors, has symbolic sizes beyond the batch, was
            exported in training mode, or holds what FloatGraph has no equal for (all such
            operations are listed); a parameter is missing, NaN, or of another type.
    """
    path = Path(path)
    with open_archive(path) as archive:
        try:
            return _load(archive)
        except ModelImportError as error:
            if error.where.startswith(str(path)):
                raise
            raise error.within(str(path)) from error


def _load(archive: Archive) -> ReadProgram:
    document = Json.parse(archive.read(archive.graph), archive.graph)
    program, findings = _in_evaluation(program_from_json(document))
    found = import_program(program, findings, lambda entry: read_integers(archive, entry))
    graph: FloatGraph = Graph(Level.FLOAT, found.ops, found.output)
    wrong = wrong_shapes(graph)
    if wrong:
        raise ModelImportError.gather(
            [
                ModelImportError(text, where=archive.graph, fix="save the model again")
                for text in wrong
            ]
        )
    keys = dict.fromkeys(reading.key for reading in parameter_readings(graph))
    constants = bind_constants(graph, read_state(archive, keys), float32=True)
    return ReadProgram(Graph(Level.FLOAT, found.ops, found.output, constants), found.notes)


def _in_evaluation(program: Program) -> tuple[Program, list[RmsmpError]]:
    """Return the program as if in evaluation mode, and a finding if it was not."""
    training = [node for node in program.nodes if _is_training(node)]
    if not training:
        return program, []
    named = sorted({node.module or "the network's forward" for node in training})
    listed = ", ".join(named[:10])
    more = f" and {len(named) - 10} more" if len(named) > 10 else ""
    finding = ModelImportError(
        f"batch norm or dropout computes as in training, in {listed}{more}",
        where="the network",
        fix="export it in evaluation mode: model.eval() before torch.export.export(model, (x,)); "
        "a dropout function in forward needs training=self.training",
    )
    nodes = tuple(_evaluating(node) if _is_training(node) else node for node in program.nodes)
    return replace(program, nodes=nodes), [finding]


def _switch(node: Node) -> str:
    """Return the name of the argument that switches training on, "" if there is none."""
    parts = node.op.split(".")
    return _TRAINING.get(parts[1].rstrip("_"), "") if parts[0] == "aten" else ""


def _is_training(node: Node) -> bool:
    return node.arguments.get(_switch(node)) is True


def _evaluating(node: Node) -> Node:
    return replace(node, arguments={**node.arguments, _switch(node): False})
