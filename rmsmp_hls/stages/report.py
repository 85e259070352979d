"""report: all that the stages found out, as JSON, Markdown and one HTML page."""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.report.files import report_files
from rmsmp_hls.report.json import from_json
from rmsmp_hls.report.model import Report
from rmsmp_hls.stages.compose import compose
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult


def load_report(out: Path) -> Report:
    """Read the report of a build folder; ArtefactError if it is missing or damaged."""
    path = out / "report.json"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ArtefactError(
            f"cannot be read: {error.strerror}", where=str(path), fix="build with --from report"
        ) from error
    return from_json(text, str(path))


def _run(context: StageContext) -> StageResult:
    return StageResult(report_files(compose(context)))


REPORT = Stage("report", ".", (), _run)
