"""What the sections say."""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.report.html import to_html
from rmsmp_hls.report.json import from_json, to_json
from rmsmp_hls.report.markdown import to_markdown
from rmsmp_hls.report.model import Agreement, DramUse, Report
from rmsmp_hls.report.sections import Section, sections


def section(report: Report, key: str) -> Section:
    return next(item for item in sections(report) if item.key == key)


def test_roundings_and_what_follows_from_them_are_told_apart(sample_report: Report) -> None:
    """A deep network differs in many codes end to end, and in few of the same inputs."""
    found = Agreement(1, 20_000_000, 4_000_000, 150, 0)
    (text,) = section(replace(sample_report, agreement=found), "agreement").sentences
    assert "of the same inputs: 150 of 20,000,000 codes (under 0.001 %)" in text
    assert "end to end 4,000,000 of 20,000,000 codes (20.000 %), over 1 image; " in text
    assert text.endswith("the top-1 answer changed for 0 of them.")
    (text,) = section(
        replace(sample_report, agreement=Agreement(3, 99, 0, 0, None)), "agreement"
    ).sentences
    assert text == "All 99 codes are those of the training model, over 3 images."


def test_tensors_in_dram_are_listed_with_their_cost(sample_report: Report) -> None:
    """Every layer that moves lines; the share is of that layer's own cycles."""
    layers = list(sample_report.layers)
    layers[0] = replace(layers[0], saved_iterations=32, records=4)
    layers[4] = replace(layers[4], restored_iterations=27, saved_iterations=100, records=5)
    report = replace(sample_report, layers=tuple(layers), dram=DramUse(4096, 2048))
    assert "dram" not in [item.key for item in sections(sample_report)]
    found = section(report, "dram")
    assert found.table is not None
    assert found.table.rows == (
        ("x", "Load", "1×8×8", "4", "32", "0", "25.0 %"),
        ("block1.add", "Add", "32×8×8", "5", "100", "27", "24.8 %"),
    )
    assert found.table.total[3:] == ("9", "132", "27", "24.8 %")
    (text,) = found.sentences
    assert "4.0 KiB lie in DRAM" in text and "2.0 KiB per image" in text
    assert "in 159 cycles, 5.6 % of all" in text
    assert from_json(to_json(report)) == report
    assert "## Tensors in DRAM (modelled)" in to_markdown(report)
    assert "Tensors in DRAM" in to_html(report)


def test_accuracy_without_labels_is_one_sentence(sample_report: Report) -> None:
    """Not a table of dashes."""
    none = tuple(replace(item, correct=None) for item in sample_report.accuracies)
    found = section(replace(sample_report, accuracies=none), "accuracy")
    assert found.table is None
    assert found.sentences == ("Accuracy is not measured: there were no images with labels.",)
