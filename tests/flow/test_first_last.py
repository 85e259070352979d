"""A network with its first and last layers in 8 bits goes the whole way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.commands.quantize import QuantizeOptions, quantize_model
from tests.cli.models import images
from tests.cli.models import save_model as save_float
from tests.flow.models import build, save_model

ENDS = {"first", "fc"}


@pytest.mark.slow
@pytest.mark.parametrize("ratio", ["65:35:0", "1:0:0"])
def test_a_trained_one_builds_bit_exactly(tmp_path: Path, ratio: str) -> None:
    """Under ratios without 8-bit rows: the array has lanes for them, the report names the layers,
    the C++ equals the integer model on every element, and another ratio keeps them."""
    path = save_model(tmp_path / "model.pt", ratio=ratio, first_last="fixed8", codebook="PoT-4")
    report = build(path, tmp_path / "build").report
    assert [run.mismatches for run in report.csim] == [0]
    assert set(report.quantization.eight_bit_layers) == ENDS
    assert report.rows.fixed8 == 8 + 5
    again = build(path, tmp_path / "again", ratio=(1.0, 1.0, 0.0)).report
    assert [run.mismatches for run in again.csim] == [0]
    assert again.rows.fixed8 == 8 + 5
    text = (tmp_path / "again" / "report.md").read_text()
    assert "First and last layers are all Fixed-8, as asked: fc, first" in text


@pytest.mark.slow
def test_a_calibrated_one_builds_bit_exactly(tmp_path: Path) -> None:
    """`quantize --first-last fixed8`, then `build`."""
    graph = save_float(tmp_path / "model.pt", validation=True)
    np.save(tmp_path / "calib.npy", images(32))
    written = tmp_path / "quantized.pt"
    options = QuantizeOptions(
        tmp_path / "model.pt", tmp_path / "calib.npy", written, ratio="1:1:0", first_last="fixed8"
    )
    params = quantize_model(options).checkpoint.params
    report = build(written, tmp_path / "build").report
    assert [run.mismatches for run in report.csim] == [0]
    layers = list(params.rows)
    assert set(report.quantization.eight_bit_layers) == {layers[0], layers[-1]}
    assert report.rows.fixed8 == sum(graph.op(layers[i]).shape[0] for i in (0, -1))
