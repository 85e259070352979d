"""The report as Markdown."""

from __future__ import annotations

import re

from rmsmp_hls.report import words
from rmsmp_hls.report.model import Report
from rmsmp_hls.report.sections import Section, sections, verdict
from rmsmp_hls.report.tables import Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")


def to_markdown(report: Report) -> str:
    """Return the whole report as Markdown text (tables in GitHub's form)."""
    board = report.board
    outcome = verdict(report)
    target = f"{board.name} ({board.part})" if board.name else board.part
    blocks = [
        f"# {_text(report.model.name)}",
        f"Target: {_text(target)} at {words.real(board.clock_mhz, 'MHz')}. "
        f"Written by rmsmp-hls {_text(report.version)}.",
        f"**{_text(outcome.headline)}** ({_text(outcome.detail)})",
    ]
    blocks += [f"> **Warning:** {_text(item, 2000)}" for item in report.warnings]
    blocks += [_section(item) for item in sections(report)]
    if report.commands:
        lines = [
            f"# {words.printable(c.purpose)}\n{words.printable(c.command)}" for c in report.commands
        ]
        blocks.append("## By hand\n\n" + _fenced("\n".join(lines)))
    if report.environment:
        lines = [f"- {_text(what)}: {_text(version)}" for what, version in report.environment]
        blocks.append("## Measured with\n\n" + "\n".join(lines))
    if report.notes:
        blocks.append("## Notes\n\n" + "\n".join(f"- {_text(item, 2000)}" for item in report.notes))
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> str:
    head = f"## {_text(section.title)}"
    if section.origins:
        head += f" ({', '.join(origin.value for origin in section.origins)})"
    parts = [head, *(_text(sentence, 2000) for sentence in section.sentences)]
    if section.table is not None and section.table.rows:
        parts.append(_table(section.table))
    return "\n\n".join(parts)


def _table(table: Table) -> str:
    lines = [
        _line(tuple(_text(column.title) for column in table.columns)),
        _line(tuple("---:" if column.number else "---" for column in table.columns)),
    ]
    lines += [_line(tuple(_text(cell) for cell in row)) for row in table.rows]
    if table.total:
        lines.append(_line(tuple(f"**{_text(cell)}**" if cell else "" for cell in table.total)))
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str, width: int = 80) -> str:
    """Return `text` short, on one line, with nothing that Markdown or HTML would obey."""
    return _SPECIAL.sub(r"\\\1", words.shorten(text, width))


def _fenced(text: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
