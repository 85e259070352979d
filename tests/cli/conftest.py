"""A fake flow, so that the command line is tested without torch or a compiler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

import rmsmp_hls
from rmsmp_hls.cli.program import program
from rmsmp_hls.report.files import report_files
from rmsmp_hls.report.model import Report
from tests.report.conftest import bare_report, hostile_report, sample_report

__all__ = ["bare_report", "hostile_report", "sample_report"]


@dataclass
class FakeFlow:
    """Records the options; plays a build of seven stages, or raises `error` in the third."""

    report: Report
    ran: tuple[str, ...] = ("import", "csim")
    error: BaseException | None = None
    options: list[Any] = field(default_factory=list)

    def build(self, options: Any, progress: Any) -> Any:
        self.options.append(options)
        progress.stage("import", "run", None, "")
        progress.step("tensors", 3, 12)
        progress.stage("import", "done", 0.4, "7 operations")
        progress.stage("quantize", "cached", 1.0, "")
        progress.stage("lower", "run", None, "")
        if self.error is not None:
            raise self.error
        progress.stage("lower", "done", 0.2, "")
        folder = Path(options.out) / "7_report"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in report_files(self.report).items():
            (folder / name).write_bytes(content)
        return type("Outcome", (), {"report": self.report, "out": options.out, "ran": self.ran})()


@pytest.fixture
def fake_flow(monkeypatch: pytest.MonkeyPatch, sample_report: Report) -> FakeFlow:
    """Stand in for `rmsmp_hls.flow`."""
    fake = FakeFlow(sample_report)
    module = ModuleType("rmsmp_hls.flow")
    module.STAGES = ("import", "quantize", "lower", "schedule", "generate", "csim", "report")
    module.build = fake.build
    monkeypatch.setitem(sys.modules, "rmsmp_hls.flow", module)
    monkeypatch.setattr(rmsmp_hls, "flow", module, raising=False)
    return fake


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    return lambda *args: CliRunner().invoke(program, [str(arg) for arg in args])
