"""The report as JSON: nothing lost, nothing foreign taken."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.report.json import from_json, to_json
from rmsmp_hls.report.model import Report
from rmsmp_hls.report.origin import Origin


@pytest.mark.parametrize("name", ["sample_report", "bare_report", "hostile_report"])
def test_round_trip_gives_the_same_report(name: str, request: pytest.FixtureRequest) -> None:
    """Writing and reading changes nothing, whatever the names; the text is plain ASCII."""
    report = request.getfixturevalue(name)
    text = to_json(report)
    assert from_json(text) == report
    assert text.isascii()


def test_every_group_of_figures_names_its_origin(sample_report: Report) -> None:
    """Measured, simulated and modelled figures can be told apart by a program."""
    document = json.loads(to_json(sample_report))
    known = {origin.value for origin in Origin}
    groups = [document[key] for key in ("resources", "performance", "agreement")]
    groups += document["accuracies"] + document["csim"]
    assert {group["origin"] for group in groups} <= known
    assert {document["stages_origin"], document["layers_origin"]} <= known
    assert document["resources"]["origin"] == "modelled"


def test_a_figure_that_is_no_number_is_not_written(sample_report: Report) -> None:
    """NaN must be None by then: JSON has no NaN."""
    assert sample_report.performance is not None
    broken = replace(sample_report.performance, latency_ms=math.nan)
    with pytest.raises(ValueError, match="JSON"):
        to_json(replace(sample_report, performance=broken))


def _changed(report: Report, **values: object) -> str:
    return json.dumps({**json.loads(to_json(report)), **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": "other/report"}, "not a report: schema is 'other/report'"),
        ({"schema_version": 1}, "report version '1' is not known; this program reads 4"),
        ({"extra": 1}, "report: fields unknown extra"),
        ({"version": 7}, "report.version is '7', which it cannot be"),
        ({"board": None}, "report.board is 'None', which it cannot be"),
        ({"board": {"name": "a"}}, "report.board: fields missing clock_mhz, part"),
        ({"layers_origin": "guessed"}, "report.layers_origin is 'guessed', which it cannot be"),
        ({"notes": "text"}, "report.notes is 'text', which it cannot be"),
        ({"notes": [True]}, "report.notes[0] is 'True', which it cannot be"),
        ({"environment": [["a"]]}, "report.environment[0] has 1 entries, expected 2"),
    ],
)
def test_foreign_or_damaged_reports_are_refused(
    sample_report: Report, values: dict[str, object], message: str
) -> None:
    """The message names the field; nothing is guessed."""
    with pytest.raises(ArtefactError) as caught:
        from_json(_changed(sample_report, **values), "here.json")
    assert str(caught.value).startswith(f"here.json: {message}")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": NaN}', "[" * 100_000])
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    """Truncated, nested without end, or not JSON at all."""
    with pytest.raises(ArtefactError, match=r"report\.json: not (JSON|a report)"):
        from_json(text)
