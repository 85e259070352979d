"""A build whose tensors do not all fit the activation memory says what that costs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rmsmp_hls import train as rt
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.schedule.steps import SpillStep
from tests.flow.models import build


@pytest.mark.slow
def test_the_report_says_what_lies_in_dram(tmp_path: Path) -> None:
    """Bytes and cycles are those of the program's SAVE and RESTORE records."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip
    images = torch.rand(2, 3, 24, 24)
    model = rt.prepare(net, images[:1])
    rt.calibrate(model, [images])
    rt.assign_rows(model, method="weight-error")
    rt.save(model.eval(), tmp_path / "model.pt")
    array = {"activation_depth": 64}
    outcome = build(tmp_path / "model.pt", tmp_path / "build", images=1, array=array)
    report, design = outcome.report, load_design(outcome.out / "4_packed")
    schedule = make_schedule(load_graph(outcome.out / "3_lower" / "int.json"), design.array)
    moves = [step.iterations for step in schedule.steps if isinstance(step, SpillStep)]
    layers = report.layers
    assert moves and report.exact
    assert sum(x.saved_iterations + x.restored_iterations for x in layers) == sum(moves)
    assert report.dram is not None
    word = design.array.weight_word_bits // 8
    assert report.dram.moved_bytes == sum(moves) * word
    assert report.dram.held_bytes == design.spill_words * word
    assert sum(x.records for x in layers) == len(design.program().iterations)
    assert [x.csim_iterations for x in layers] == [x.modelled_iterations for x in layers]
    assert "Tensors in DRAM" in (outcome.out / "report.html").read_text()


@pytest.mark.slow
def test_a_network_that_fits_has_no_such_section(model: Path, tmp_path: Path) -> None:
    """Nothing is said about what did not happen."""
    assert build(model, tmp_path / "build").report.dram is None
