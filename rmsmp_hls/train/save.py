"""A trained model -> QuantParams, and the checkpoint file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.frontend.checkpoint import Checkpoint, Validation, save_checkpoint
from rmsmp_hls.frontend.parameters import bind_constants
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.train.model import RmsmpModel, evaluating

_BATCH = 256


def export_graph(model: RmsmpModel) -> FloatGraph:
    """Return the float network with the parameters as they are now.

    Raises:
        ModelImportError: a parameter is NaN or infinite (all are listed).
    """
    graph = model.graph
    return Graph(graph.level, graph.ops, graph.output, bind_constants(graph, model.state_dict()))


def export_params(model: RmsmpModel) -> QuantParams:
    """Return formats and scales as plain numbers.

    Raises:
        QuantizationError: the model is not calibrated.
    """
    model._check_calibrated()
    state = model.rmsmp
    rows = {}
    for op in model.layers():
        quantizer = state.row(op.name)
        scales = quantizer.scales().detach().cpu().numpy()
        rows[op.name] = RowParams(quantizer.names, ConstTensor(scales))
    activations = {q.name: state.activation(q.name).format() for q in model.plan.quantizers}
    return QuantParams(
        activations, rows, state.ratio, model.codebook, *model.widths, state.multiplier_terms,
        model.first_last,
    )  # fmt: skip


def save(
    model: RmsmpModel,
    path: str | Path,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    meta: Mapping[str, float | int | str] | None = None,
) -> Checkpoint:
    """Write the checkpoint that `rmsmp-hls build` reads, and return it.

    Args:
        model: a prepared, calibrated model.
        path: the file; it is replaced whole or not at all.
        validation: (inputs [N, ...], classes int64 [N]): kept in the file, so that the build
            can measure accuracy and compare with the training model.
        meta: numbers and strings to keep; "fake_quantized_accuracy" is added if there is
            validation data, and how scales were trained (`ScaleSettings`).

    Raises:
        QuantizationError: not calibrated, or the validation data do not fit.
        ModelImportError: NaN or infinity in the parameters, or the file cannot be written.
    """
    kept: dict[str, float | int | str] = {}
    for key, value in dict(meta or {}).items():
        kept[str(key)] = value if isinstance(value, (int, str)) else float(value)
    for field, choice in asdict(model.rmsmp.settings).items():
        kept.setdefault(field, choice)
    data = None
    if validation is not None:
        inputs, labels = _checked(model, validation)
        data = Validation(ConstTensor(inputs.numpy()), ConstTensor(labels.numpy()))
        kept.setdefault("fake_quantized_accuracy", _accuracy(model, inputs, labels))
    checkpoint = Checkpoint(export_graph(model), export_params(model), data, kept)
    save_checkpoint(path, checkpoint)
    return checkpoint


def _checked(model: RmsmpModel, validation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    inputs, labels = validation
    shape = model.graph.input.shape
    if inputs.dim() == 3 and len(shape) == 3 and shape[1] == 1:
        inputs = inputs.unsqueeze(2)  # [N, C, L], as the network in PyTorch takes it
    fits = tuple(inputs.shape[1:]) == shape and tuple(labels.shape) == (len(inputs),)
    if not fits or len(inputs) == 0 or not bool(torch.isfinite(inputs).all()):
        raise QuantizationError(
            f"inputs {list(inputs.shape)} and labels {list(labels.shape)} are no validation data "
            f"for a network that reads {list(shape)}, or are not finite",
            where="validation",
            fix="give (inputs [N, ...], classes [N])",
        )
    classes = math.prod(model.graph.op(model.graph.output).shape)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise QuantizationError(
            f"class {low if low < 0 else high} for a network of {classes} classes",
            where="validation",
            fix=f"number the classes 0..{classes - 1}",
        )
    return inputs.detach().float().cpu(), labels.detach().to(torch.int64).cpu()


def _accuracy(model: RmsmpModel, inputs: Tensor, labels: Tensor) -> float:
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model, quantized=True):
        batches = torch.split(inputs, _BATCH)
        outputs = [model(batch.to(device)).flatten(1).argmax(1).cpu() for batch in batches]
    return float((torch.cat(outputs) == labels).double().mean())
