"""The files of a build folder's report."""

from __future__ import annotations

from rmsmp_hls.report.files import report_files
from rmsmp_hls.report.json import from_json
from rmsmp_hls.report.model import Report


def test_every_form_is_there_and_repeatable(hostile_report: Report) -> None:
    """The same report gives the same bytes, in UTF-8."""
    files = report_files(hostile_report)
    assert list(files) == ["report.json", "report.html", "report.md"]
    assert files == report_files(hostile_report)
    assert from_json(files["report.json"].decode()) == hostile_report
