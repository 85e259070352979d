"""What stages refuse that the walk itself would not come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.flow import BuildOutcome
from rmsmp_hls.quant.reassign import reassign
from rmsmp_hls.stages import lower
from rmsmp_hls.stages.report import load_report
from tests.flow.models import build, snapshot
from tests.networks import params_for, residual_network


def test_a_missing_report_is_an_artefact_error(tmp_path: Path) -> None:
    """It says how to make it."""
    with pytest.raises(ArtefactError, match=r"report\.json: cannot be read: .*\n.*--from report"):
        load_report(tmp_path)


def test_a_damaged_report_is_an_artefact_error(tmp_path: Path) -> None:
    """Also one that is no text."""
    (tmp_path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ArtefactError, match="not JSON"):
        load_report(tmp_path)


@pytest.mark.parametrize("name", ["Fixed-4", "fixed-8"])
def test_shift_add_rows_take_no_fixed_codebook(name: str) -> None:
    """The fixed rows come with the ratio."""
    graph = residual_network()
    with pytest.raises(ConfigError, match="is not a codebook of shift-add rows"):
        reassign(graph, params_for(graph), None, name)


def test_what_is_already_so_stays_untouched() -> None:
    """The same proportions, written otherwise, are no new assignment."""
    graph = residual_network()
    params = params_for(graph)
    assert reassign(graph, params, (130.0, 60.0, 10.0), "sp2-4") is params


def test_the_reference_one_image_at_a_time_is_the_same(
    model: Path, built: BuildOutcome, seeded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many images memory has room for, files and counts are equal."""
    monkeypatch.setattr(lower, "BATCH_NUMBERS", 1)
    outcome = build(model, seeded)
    assert outcome.report.agreement == built.report.agreement
    assert outcome.report.agreement.images > 1
    for stage in ("3_lower", "hls"):
        assert snapshot(seeded / stage) == snapshot(built.out / stage)
