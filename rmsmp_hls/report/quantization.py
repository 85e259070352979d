"""What post-training quantization cost: the table and the sentences about it."""

from __future__ import annotations

from rmsmp_hls.report import words
from rmsmp_hls.report.quantization_cost import QuantizationCost, TensorFidelity
from rmsmp_hls.report.tables import Column, Table


def fidelity_table(cost: QuantizationCost) -> Table:
    """One row per tensor of codes, and the network's result."""
    columns = (
        Column("Layer", name=True),
        Column("Operation"),
        Column("Codes"),
        Column("Rows", number=True, detail=True),
        Column("SQNR", number=True),
        Column("Cosine", number=True),
    )
    last = cost.output
    total = ("network's result", "", "", "", _sqnr(last), _cosine(last))
    return Table(columns, tuple(_row(item) for item in cost.layers), total)


def quantization_sentences(cost: QuantizationCost) -> tuple[str, ...]:
    """Return what the figures are, how often answers agree, and what became of equalization."""
    found = [
        f"SQNR and cosine are measured on {words.number_of(cost.images, 'calibration image')} "
        f"of {words.shorten(cost.source, 60)}, against the float network, errors of earlier layers "
        f"included. Result: {_sqnr(cost.output)}, cosine {_cosine(cost.output)}."
    ]
    if cost.same_top1 is not None:
        share = words.percent(100 * cost.same_top1, 2)
        found.append(f"Same answer as the float network: {share} (calibration images).")
    found.append(_equalization(cost))
    return tuple(found)


def _equalization(cost: QuantizationCost) -> str:
    state = "used" if cost.equalized else "not used"
    if not cost.trial_images:
        return f"Cross-layer equalization: {state}, {cost.equalizable} activations."
    return (
        f"Cross-layer equalization of {cost.equalizable} activations: {state}; on "
        f"{words.number_of(cost.trial_images, 'image')} the result has "
        f"{decibel(cost.sqnr_db_with)} with it, {decibel(cost.sqnr_db_without)} without."
    )


def _row(item: TensorFidelity) -> tuple[str, ...]:
    rows = item.rows or words.DASH
    return (item.name, item.op, item.codes, rows, _sqnr(item), _cosine(item))


def _sqnr(item: TensorFidelity) -> str:
    if item.sqnr_db is None:
        return "exact" if item.cosine > 0.5 else "no signal"
    return decibel(item.sqnr_db)


def _cosine(item: TensorFidelity) -> str:
    return f"{item.cosine:.4f}"


def decibel(value: float | None) -> str:
    """Return `21.3 dB`, or that it is infinite."""
    return "infinitely many dB" if value is None else f"{value:.1f} dB"
