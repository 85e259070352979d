"""What post-training quantization cost, for the report."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.report.origin import Origin


@dataclass(frozen=True, slots=True)
class TensorFidelity:
    """How near one tensor of the quantized network is to the float network's.

    Attributes:
        name, op: the operation that makes it and its kind; "" in the row of the result.
        codes: its format, e.g. "4 bits, signed", or "sums".
        rows: row formats and their numbers, "" without weights.
        sqnr_db: 10 log10 of float power over error power; None where it is infinite: then cosine
            is 1 if nothing differs, 0 if the float tensor is zero everywhere.
        cosine: of the angle between both, -1..1.
    """

    name: str
    op: str
    codes: str
    rows: str
    sqnr_db: float | None
    cosine: float


@dataclass(frozen=True, slots=True)
class QuantizationCost:
    """What post-training quantization cost, on the calibration images.

    Attributes:
        source: file or folder of the calibration images.
        images: how many there were.
        layers: every tensor of codes, and the network's sums; errors of earlier layers included.
        output: the network's result.
        same_top1: share of images with the float network's answer, 0..1; None if there are none.
        equalized: whether channels were equalized across layers.
        equalizable: activations whose channels can be.
        trial_images: images on which both ways were tried; 0 if they were not.
        sqnr_db_without, sqnr_db_with: of the result in that trial.
    """

    source: str
    images: int
    layers: tuple[TensorFidelity, ...]
    output: TensorFidelity
    same_top1: float | None
    equalized: bool
    equalizable: int
    trial_images: int = 0
    sqnr_db_without: float | None = None
    sqnr_db_with: float | None = None
    origin: Origin = Origin.MEASURED
