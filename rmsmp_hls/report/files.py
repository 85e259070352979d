"""The report files of a build folder."""

from __future__ import annotations

from rmsmp_hls.report.html import to_html
from rmsmp_hls.report.json import to_json
from rmsmp_hls.report.markdown import to_markdown
from rmsmp_hls.report.model import Report

JSON_NAME, HTML_NAME, MARKDOWN_NAME = "report.json", "report.html", "report.md"


def report_files(report: Report) -> dict[str, bytes]:
    """Return {file name: content} of the report in every form, UTF-8."""
    return {
        JSON_NAME: to_json(report).encode(),
        HTML_NAME: to_html(report).encode(),
        MARKDOWN_NAME: to_markdown(report).encode(),
    }
