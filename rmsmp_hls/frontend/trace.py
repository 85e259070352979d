"""torch.nn.Module -> FloatGraph, by torch.export and the table of `frontend.ops`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.fx_program import constant_integers, program_of
from rmsmp_hls.frontend.layouts import RANKS
from rmsmp_hls.frontend.parameters import bind_constants
from rmsmp_hls.frontend.walk import import_program
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level

_FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class TracedModel:
    """What tracing found.

    Attributes:
        graph: the network in evaluation mode; constants are copies of its state_dict.
        input_shape: shape of one input as the module takes it, (C, H, W), (C, L) or (F,); the
            graph's own is (C, 1, L) for (C, L).
        notes: what is left to the host or changed on purpose, in sentences.
    """

    graph: FloatGraph
    input_shape: tuple[int, ...]
    notes: tuple[str, ...] = ()


def trace(module: nn.Module, example: Tensor) -> TracedModel:
    """Trace `module` in evaluation mode; its training flags and parameters stay as they are.

    Args:
        module: takes one tensor [N, C, H, W], [N, C, L] or [N, F], returns one.
        example: an input, any N >= 1; only its shape and type count.

    Raises:
        ModelImportError: the module cannot be traced, or holds what FloatGraph has no
            equal for (all such operations are listed, with their module paths).
    """
    inputs = _two_images(example)
    _refuse_empty(module)
    inputs = inputs.to(_number_type(module, inputs.dtype))
    with _evaluating(module):
        exported = _export(module, inputs)
    program = program_of(module, exported, len(inputs))
    found = import_program(program, integers=lambda entry: constant_integers(exported, entry))
    graph: FloatGraph = Graph(Level.FLOAT, found.ops, found.output)
    constants = bind_constants(graph, module.state_dict(), float32=True)
    graph = Graph(Level.FLOAT, found.ops, found.output, constants)
    return TracedModel(graph, tuple(inputs.shape[1:]), found.notes)


def _two_images(example: Tensor) -> Tensor:
    """Return an input with a batch that no model has by chance, so that mixing is seen."""
    if not isinstance(example, Tensor) or example.dim() not in RANKS:
        found = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise ModelImportError(
            f"the example input is {found}", fix="give a tensor [N, C, H, W], [N, C, L] or [N, F]"
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


def _number_type(module: nn.Module, example: torch.dtype) -> torch.dtype:
    """Return the number type that the parameters have, which must be float32 or float64."""
    types = {key: tensor.dtype for key, tensor in module.named_parameters()}
    wrong = {key: dtype for key, dtype in types.items() if dtype not in _FLOATS}
    if wrong:
        raise ModelImportError.gather(
            [
                ModelImportError(
                    f"{key!r} is of type {dtype}",
                    where=f"layer {key.rpartition('.')[0]!r}",
                    fix="convert the model to float32: model.float()",
                )
                for key, dtype in wrong.items()
            ]
        )
    return types.popitem()[1] if len(set(types.values())) == 1 else example


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
