"""Networks with multipliers of few terms go the whole way, on arrays that shift and add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.ir.int_ops import IntAdd, IntMatmul, IntSumPool
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.numerics.multipliers import most_terms
from tests.flow.models import build, save_model


def _terms(folder: Path) -> int:
    found: list[int] = []
    for op in load_graph(folder / "3_lower" / "int.json"):
        if isinstance(op, IntMatmul):
            found += [int(m) for m in op.multiplier.array]
        elif isinstance(op, IntAdd):
            found += op.multipliers
        elif isinstance(op, IntSumPool):
            found.append(op.multiplier)
    return most_terms(found)


def _array(report: Any) -> dict[str, Any]:
    return dict(report.array.fields)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_prepared_networks_are_bit_exact(terms: int, tmp_path: Path) -> None:
    """prepare -> C++ is exact; evaluation mode gives the integers' codes; no DSP requantizes."""
    powers = "po2" if terms == 1 else "free"
    model = save_model(tmp_path / "model.pt", multipliers=f"k-hot:{terms}", scale_values=powers)
    report = build(model, tmp_path / "build").report
    assert [run.mismatches for run in report.csim] == [0]
    assert report.agreement.codes_differ_alone <= report.agreement.codes_compared // 1000
    assert _array(report)["multiplier_terms"] == terms
    assert 1 <= _terms(tmp_path / "build") <= terms


def test_a_build_restricts_a_trained_network(tmp_path: Path) -> None:
    """--multipliers needs no training; an array of DSP multipliers runs such a network too."""
    model = save_model(tmp_path / "model.pt")
    report = build(
        model, tmp_path / "build", multipliers="k-hot:2", array={"multiplier_terms": 0}
    ).report
    assert [run.mismatches for run in report.csim] == [0]
    assert _array(report)["multiplier_terms"] == 0
    assert _terms(tmp_path / "build") <= 2


def test_an_array_refuses_multipliers_of_more_terms(tmp_path: Path) -> None:
    """The message says which layer, how many terms, and what to do."""
    model = save_model(tmp_path / "model.pt")
    with pytest.raises(LoweringError, match=r"terms, the array adds at most 1") as caught:
        build(model, tmp_path / "build", array={"multiplier_terms": 1})
    assert "--multipliers k-hot:1" in str(caught.value)
    assert len(caught.value.findings) > 1


@pytest.mark.slow
def test_exact_widths_agree(tmp_path: Path) -> None:
    """ap_int, three terms: as native integers."""
    model = save_model(tmp_path / "model.pt", multipliers="k-hot:3")
    report = build(model, tmp_path / "build", storages=("native", "ap_int")).report
    assert [run.mismatches for run in report.csim] == [0, 0]


def test_evaluation_of_a_prepared_network_uses_the_multipliers(tmp_path: Path) -> None:
    """The saved network and the prepared model agree on every image's answer."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * 6 * 4, 5),
    )  # fmt: skip
    model = save_model(tmp_path / "model.pt", net, multipliers="po2", scale_values="po2")
    report = build(model, tmp_path / "build").report
    right = {item.stage: item.correct for item in report.accuracies}
    assert right["fake-quantized"] == right["integer"] == right["csim"]
    assert report.agreement.codes_differ == 0
