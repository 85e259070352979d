"""A network that was quantized without training goes the whole way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.commands.quantize import QuantizeOptions, quantize_model
from tests.cli.models import images, save_model
from tests.flow.models import build


@pytest.mark.slow
def test_what_quantize_wrote_builds_bit_exactly(tmp_path: Path) -> None:
    """New biases and formats through the C++: no mismatch, and the accuracy that was foretold."""
    save_model(tmp_path / "model.pt", validation=True)
    np.save(tmp_path / "calib.npy", images(32))
    written = tmp_path / "quantized.pt"
    outcome = quantize_model(
        QuantizeOptions(
            tmp_path / "model.pt", tmp_path / "calib.npy", written, ratio="40:30:30",
            codebook="APoT-4",
        )
    )  # fmt: skip
    report = build(written, tmp_path / "build").report
    assert [run.mismatches for run in report.csim] == [0]
    assert report.csim[0].images == 8
    right = {item.stage: item.correct for item in report.accuracies}
    assert right["fake-quantized"] == outcome.quantized_correct
