"""What the report says of quantization without training."""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.report.json import from_json, to_json
from rmsmp_hls.report.markdown import to_markdown
from rmsmp_hls.report.model import Report
from rmsmp_hls.report.quantization import fidelity_table, quantization_sentences
from rmsmp_hls.report.sections import sections


def test_every_figure_is_shown_with_its_images(sample_report: Report) -> None:
    """The result, the agreement, and why channels were equalized."""
    cost = sample_report.quantization_cost
    assert cost is not None
    assert quantization_sentences(cost) == (
        "SQNR and cosine are measured on 64 calibration images of images.npz, against the float "
        "network, errors of earlier layers included. Result: 18.5 dB, cosine 0.9925.",
        "Same answer as the float network: 98.44 % (calibration images).",
        "Cross-layer equalization of 3 activations: used; on 16 images the result has 18.4 dB "
        "with it, 17.1 dB without.",
    )
    assert fidelity_table(cost).rows == (
        ("x", "Input", "8 bits", "–", "exact", "1.0000"),
        ("stem.conv", "Conv2d", "4 bits", "10 SP2-4, 5 Fixed-4", "21.2 dB", "0.9962"),
    )


def test_what_was_not_tried_is_not_claimed(sample_report: Report) -> None:
    """No trial: no figures of one; no answers to compare: no share; no signal: no decibels."""
    assert sample_report.quantization_cost is not None
    output = replace(sample_report.quantization_cost.output, sqnr_db=None, cosine=0.0)
    cost = replace(
        sample_report.quantization_cost, images=1, output=output, same_top1=None, equalized=False,
        trial_images=0,
    )  # fmt: skip
    first, second = quantization_sentences(cost)
    assert "1 calibration image of" in first
    assert "Result: no signal, cosine 0.0000." in first
    assert second == "Cross-layer equalization: not used, 3 activations."


def test_a_model_that_came_quantized_has_no_such_section(sample_report: Report) -> None:
    """Nothing is said about what did not happen; and JSON keeps either."""
    report = replace(sample_report, quantization_cost=None)
    assert "quantization" not in [section.key for section in sections(report)]
    assert "quantization" in [section.key for section in sections(sample_report)]
    assert from_json(to_json(report)) == report
    assert from_json(to_json(sample_report)) == sample_report
    assert "Quantization without training (measured)" in to_markdown(sample_report)
