"""Build folders: which stages are there, and what each left."""

from __future__ import annotations

from pathlib import Path

from rich.console import ConsoleRenderable, Group
from rich.text import Text

from rmsmp_hls.errors import RmsmpError
from rmsmp_hls.inspect.layout import page, titled
from rmsmp_hls.report import words
from rmsmp_hls.report.json import from_json
from rmsmp_hls.report.tables import Column, Table
from rmsmp_hls.report.terminal import summary_renderable
from rmsmp_hls.store import STATE


def build_view(path: Path, width: int) -> ConsoleRenderable:
    """Return a build folder: its finished stages, its files, the summary of its report."""
    stages = sorted(file.stem for file in (path / STATE).glob("*.json"))
    facts = [
        ("folder", str(path)),
        ("finished stages", ", ".join(stages) or "none"),
        ("look closer with", "rmsmp-hls inspect FOLDER/SUBFOLDER"),
    ]
    files = titled("Files", _files_table(path), width)
    return page("Build folder", facts, files, _report(path, width))


def _files_table(path: Path) -> Table:
    columns = (
        Column("Folder", name=True),
        Column("Files", number=True),
        Column("Bytes", number=True),
        Column("Holds", detail=True),
    )
    rows = []
    everything = 0
    for folder in sorted(item for item in path.iterdir() if item.is_dir()):
        if folder.name == STATE:
            continue
        files = [file for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        everything += size
        shown = ", ".join(sorted({file.relative_to(folder).parts[0] for file in files}))
        rows.append((folder.name, words.count(len(files)), words.size(size), shown))
    return Table(columns, tuple(rows), ("all", "", words.size(everything), ""))


def _report(path: Path, width: int) -> ConsoleRenderable | None:
    """Return the summary of the build's report, or why it cannot be shown; None without one."""
    for file in (path / "report.json", *sorted(path.glob("*/report.json"))):
        if not file.is_file():
            continue
        try:
            report = from_json(file.read_text(encoding="utf-8", errors="replace"), str(file))
        except RmsmpError as error:
            return Text("\n" + error.message(), style="yellow")
        return Group(Text("\nReport", style="bold"), summary_renderable(report, width))
    return None
