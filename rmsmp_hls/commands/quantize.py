"""quantize: a trained float network and calibration images become a checkpoint."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.frontend.checkpoint import Checkpoint, save_checkpoint
from rmsmp_hls.frontend.load import LoadedModel, load_model
from rmsmp_hls.images import Normalization, range_warnings, read_images
from rmsmp_hls.quant.ends import pinned_layers
from rmsmp_hls.train.assign import lacking_text
from rmsmp_hls.train.evaluate import count_correct
from rmsmp_hls.train.ptq import PtqResult, post_training_quantize

__all__ = ["QuantizeOptions", "QuantizeOutcome", "quantize_model"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """What `rmsmp-hls quantize` is asked to do.

    Attributes:
        model: file with the float network: a checkpoint (its weights count, its formats do not).
        calib: images, see `images.read_images`.
        out: the checkpoint to write.
        images: use so many images only, evenly spread.
        normalization: of image files.
        ratio, codebook, activation_bits, residual_bits, input_bits, first_last, method,
            percentile, bias_correction, equalize, multipliers, scale_values: as in
            `train.ptq.post_training_quantize`.

    Raises:
        ConfigError: `out` is the model itself.
    """

    model: Path
    calib: Path
    out: Path
    images: int | None = None
    normalization: Normalization | None = None
    ratio: str = "65:30:5"
    codebook: str = "SP2-4"
    activation_bits: int = 4
    residual_bits: int = 8
    input_bits: int = 8
    first_last: str = "same"
    method: str = "mse"
    percentile: float = 99.9
    bias_correction: bool = True
    equalize: str = "auto"
    multipliers: str = "exact"
    scale_values: str = "free"

    def __post_init__(self) -> None:
        """Refuse to overwrite the source."""
        if self.out.resolve() == self.model.resolve():
            raise ConfigError(
                "is the model itself, which would be overwritten",
                where=str(self.out),
                fix="give another file with -o",
            )


@dataclass(frozen=True)
class QuantizeOutcome:
    """What was written, and what it cost.

    Attributes:
        result: the quantized network and its fidelity.
        checkpoint: as written.
        float_correct, quantized_correct, validated: right answers on the validation images
            that the source carried, and how many those are; None, None, 0 without them.
        warnings: what looks wrong with the calibration images, and layers that lack a format.
    """

    result: PtqResult
    checkpoint: Checkpoint
    float_correct: int | None
    quantized_correct: int | None
    validated: int
    warnings: tuple[str, ...] = ()


def quantize_model(options: QuantizeOptions, progress: Progress | None = None) -> QuantizeOutcome:
    """Load, calibrate, quantize, measure, write.

    The calibration images are not kept. Validation images of the source are, so that `build` can
    measure accuracy.

    Raises:
        RmsmpError: whatever stands in the way; then nothing is written.
    """
    source = load_model(options.model)
    images = read_images(
        options.calib,
        source.graph.input.shape,
        name=source.graph.input.name,
        images=options.images,
        normalization=options.normalization,
    )
    result = post_training_quantize(
        source.graph,
        images,
        ratio=options.ratio,
        codebook=options.codebook,
        activation_bits=options.activation_bits,
        residual_bits=options.residual_bits,
        input_bits=options.input_bits,
        first_last=options.first_last,
        method=options.method,  # type: ignore[arg-type]
        percentile=options.percentile,
        bias_correction=options.bias_correction,
        equalize=options.equalize,  # type: ignore[arg-type]
        multipliers=options.multipliers,
        scale_values=options.scale_values,
        progress=progress,
    )
    warnings = (*range_warnings(images), *_few_rows(result))
    outcome = replace(_measured(source, result, progress), warnings=warnings)
    save_checkpoint(options.out, outcome.checkpoint)
    return outcome


def _few_rows(result: PtqResult) -> tuple[str, ...]:
    params = result.params
    pinned = pinned_layers(result.graph, params.first_last)
    rows = {name: Counter(of.formats) for name, of in params.rows.items() if name not in pinned}
    return lacking_text(rows, params.ratio, params.codebook)


def _measured(source: LoadedModel, result: PtqResult, progress: Progress | None) -> QuantizeOutcome:
    validation = source.checkpoint.validation if source.checkpoint else None
    meta = dict(source.checkpoint.meta) if source.checkpoint else {}
    meta.pop("fake_quantized_accuracy", None)  # it was that of other formats
    meta |= {"quantized_by": "post-training quantization", "calibration_images": result.images}
    if math.isfinite(result.output.sqnr_db):
        meta["output_sqnr_db"] = result.output.sqnr_db
    if validation is None:
        return QuantizeOutcome(
            result, Checkpoint(result.graph, result.params, None, meta), None, None, 0
        )
    inputs = np.asarray(validation.inputs.array, dtype=np.float32)
    labels = np.asarray(validation.labels.array, dtype=np.int64)
    before = count_correct(
        source.graph, result.params, inputs, labels, quantized=False, progress=progress
    )
    after = count_correct(
        result.graph, result.params, inputs, labels, quantized=True, progress=progress
    )
    if before is not None and after is not None:
        meta.setdefault("float_accuracy", before / len(labels))
        meta["fake_quantized_accuracy"] = after / len(labels)
    checkpoint = Checkpoint(result.graph, result.params, validation, meta)
    return QuantizeOutcome(result, checkpoint, before, after, len(labels))
