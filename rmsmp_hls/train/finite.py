"""Where the first NaN or infinity is made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.frontend.parameters import parameter_readings
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.train.execute import lookup
from rmsmp_hls.train.model import PREFIX, RmsmpModel
from rmsmp_hls.train.watched import WatchedRun


@torch.no_grad()
def first_not_finite(model: RmsmpModel, images: Tensor) -> str:
    """Return the first place of a forward pass that is NaN or infinite, "" if there is none.

    The pass is the model's own, in its mode; batch norm's running statistics change.
    """
    if not bool(torch.isfinite(images).all()):
        return "the images of the batch"
    # Running statistics are not looked at: this very batch has spoilt them already.
    bad = first_bad_parameter(model, statistics=False)
    if bad:
        return f"parameter {bad!r}"
    places: list[str] = []

    def watch(op: FloatOp, _read: list[Tensor], made: Tensor) -> Tensor:
        if not places and not bool(torch.isfinite(made).all()):
            places.append(f"layer {op.module or op.name!r}")
        return made

    parameter, module = lookup(model)
    state = model.rmsmp if model.rmsmp.quantized else None
    WatchedRun(
        model.graph, model.plan, parameter, module, model.training, state,
        frozen_norms=model.rmsmp.frozen_norms, watch=watch,
    )(images)  # fmt: skip
    return places[0] if places else ""


def first_bad_parameter(model: RmsmpModel, *, statistics: bool = True) -> str:
    """Return the first parameter, or running statistic, in use that is not finite; or ""."""
    parameter, _ = lookup(model)
    used = {reading.key: parameter(reading.key) for reading in parameter_readings(model.graph)}
    scales = {f"{PREFIX}.{name}": tensor for name, tensor in model.rmsmp.named_parameters()}
    for name, tensor in (used | scales).items():
        if tensor is None or not (statistics or isinstance(tensor, nn.Parameter)):
            continue
        if not bool(torch.isfinite(tensor).all()):
            return name
    return ""


def check_loss(loss: Tensor, model: RmsmpModel, inputs: Tensor) -> None:
    """Refuse a loss that is NaN or infinite; for training loops of one's own.

    Call it before `backward`: parameters and optimizer then still are those of the last good step.
    On a GPU it waits for the loss.

    Args:
        loss: a scalar.
        model: the model that made it.
        inputs: what of; only looked at if the loss is not finite.

    Raises:
        QuantizationError: it is; names the layer, parameter or input that was not finite first.
    """
    if not bool(torch.isfinite(loss.detach()).all()):
        raise _not_finite(first_not_finite(model, inputs), "", "training", "")


def not_finite(phase: str, epoch: int, step: int, place: str, kept: str) -> QuantizationError:
    """Return the error that stops a training.

    Args:
        phase, epoch, step: where it is; epoch and step from 1.
        place: what was not finite first, "" if only the loss was.
        kept: what of the training is kept.
    """
    where = f"{phase}, epoch {epoch}, step {step}"
    return _not_finite(place, ", set clip_norm", where, f"; {kept}")


def _not_finite(place: str, more: str, where: str, kept: str) -> QuantizationError:
    return QuantizationError(
        f"the loss is NaN or infinite; not finite first: {place or 'the loss itself'}",
        where=where,
        fix=f"lower the learning rate, warm up longer{more}, or look at the data{kept}",
    )
