"""Quantization on the way: a float network and calibration images become a checkpoint."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.config import QUANTIZATION, BuildOptions
from rmsmp_hls.errors import ConfigError, ModelImportError
from rmsmp_hls.images import Normalization, range_warnings, read_images
from rmsmp_hls.report.quantization_cost import QuantizationCost, TensorFidelity
from rmsmp_hls.stages.stage import ProgressSink

_ASKED = ("ratio", "codebook", "multipliers", *QUANTIZATION)

if TYPE_CHECKING:
    from rmsmp_hls.frontend.checkpoint import Checkpoint
    from rmsmp_hls.frontend.load import LoadedModel
    from rmsmp_hls.train.fidelity import Fidelity
    from rmsmp_hls.train.ptq import PtqResult


@dataclass(frozen=True)
class Quantized:
    """A checkpoint; and, if this build quantized it, with what and what that cost.

    Attributes:
        checkpoint: formats and scales included.
        images: float32 [N, ...], the calibration images; None if the model came quantized.
        facts: JSON values for the import stage: `quantization` (if so) and `warnings`.
    """

    checkpoint: Checkpoint
    images: npt.NDArray[np.float32] | None
    facts: Mapping[str, Any]


def quantized_model(model: LoadedModel, options: BuildOptions, progress: ProgressSink) -> Quantized:
    """Return the model's checkpoint, or quantize the float network that it is.

    Raises:
        ModelImportError: a float network and no calibration images.
        ConfigError: calibration images for a quantized model, or what is wrong with them.
        QuantizationError, LoweringError: see `train.ptq.post_training_quantize`.
    """
    if model.checkpoint is not None:
        if options.calib is not None:
            raise ConfigError(
                "is quantized already, so that --calib has nothing to do",
                where=str(options.model),
                fix="leave --calib out, or quantize it anew with rmsmp-hls quantize",
            )
        return Quantized(model.checkpoint, None, {"warnings": []})
    if options.calib is None:
        raise ModelImportError(
            "is a float network (an exported program), not quantized yet",
            where=str(options.model),
            fix="quantize it on the way with --calib IMAGES, or train or quantize it first: "
            "rmsmp-hls quantize FILE --calib IMAGES -o model.pt",
        )
    return _quantize(model, options, progress)


def _quantize(model: LoadedModel, options: BuildOptions, progress: ProgressSink) -> Quantized:
    from rmsmp_hls.frontend.checkpoint import Checkpoint
    from rmsmp_hls.train.ptq import post_training_quantize

    assert options.calib is not None
    normalization = None
    if options.mean is not None or options.std is not None:
        normalization = Normalization(options.mean or (0.0,), options.std or (1.0,))
    images = read_images(
        options.calib,
        model.graph.input.shape,
        name=model.graph.input.name,
        images=options.calib_images,
        normalization=normalization,
    )
    asked = {name: getattr(options, name) for name in _ASKED}
    given = {name: value for name, value in asked.items() if value is not None}
    result = post_training_quantize(model.graph, images, progress=progress.step, **given)
    name = options.calib.name.encode("utf-8", "backslashreplace").decode("utf-8")
    facts = {
        "quantization": cost_facts(quantization_cost(result, name)),
        "warnings": list(range_warnings(images)),
    }
    return Quantized(Checkpoint(result.graph, result.params), images, facts)


def cost_facts(cost: QuantizationCost) -> dict[str, Any]:
    """Return the cost as JSON values; its origin is that of the class."""
    facts = dataclasses.asdict(cost)
    del facts["origin"]
    return {**facts, "layers": list(facts["layers"])}


def quantization_cost(result: PtqResult, source: str) -> QuantizationCost:
    """Return what the report says of a quantization.

    Args:
        result: of `post_training_quantize`.
        source: name of the calibration images' file or folder.
    """
    layers = result.layers
    if result.output.form is None:
        layers = (*layers, result.output)
    made = Counter((item.module, item.operation) for item in layers)
    tried = result.equalization
    return QuantizationCost(
        source=source,
        images=result.images,
        layers=tuple(_tensor(item, made, result) for item in layers),
        output=_tensor(result.output, made, result),
        same_top1=result.top1_agreement,
        equalized=tried.used,
        equalizable=tried.tensors,
        trial_images=tried.images,
        sqnr_db_without=_finite(tried.without_db),
        sqnr_db_with=_finite(tried.with_db),
    )


def _tensor(
    item: Fidelity, made: Mapping[tuple[str, str], int], result: PtqResult
) -> TensorFidelity:
    """Return the row of a tensor, named by its module unless that has several of the kind."""
    form, weights = item.form, result.params.rows.get(item.head)
    rows = weights.formats if weights and item.operation != "narrow copy" else ()
    return TensorFidelity(
        name=item.module if made[item.module, item.operation] < 2 else item.tensor,
        op=item.operation,
        codes="sums" if form is None else f"{form.bits} bits{', signed' if form.signed else ''}",
        rows=", ".join(f"{count} {name}" for name, count in sorted(Counter(rows).items())),
        sqnr_db=_finite(item.sqnr_db),
        cosine=item.cosine,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
