"""The report as Markdown."""

from __future__ import annotations

import re

from rmsmp_hls.report.markdown import to_markdown
from rmsmp_hls.report.model import Report


def test_tables_have_one_cell_per_column(hostile_report: Report) -> None:
    """A bar or line break in a name does not make a cell or a row."""
    text = to_markdown(hostile_report)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1


def test_names_are_neither_html_nor_markdown(hostile_report: Report) -> None:
    """Outside the code block no tag, no code span and no link is left."""
    text = to_markdown(hostile_report)
    prose = re.sub(r"^(`{3,})sh\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)<", prose)
    assert not re.search(r"(?<!\\)`", prose)
    assert "\x1b" not in text


def test_commands_cannot_end_their_code_block(sample_report: Report) -> None:
    """The fence is longer than any run of backticks inside."""
    from dataclasses import replace

    from rmsmp_hls.report.model import Command

    report = replace(sample_report, commands=(Command("look", "echo ````"),))
    assert "`````sh\n# look\necho ````\n`````" in to_markdown(report)


def test_the_report_says_what_was_asked_and_realized(sample_report: Report) -> None:
    """The row ratio stands in a sentence and in a table."""
    text = to_markdown(sample_report)
    assert "Asked 65 : 30 : 5, realized 62.2 : 31.1 : 6.7" in text
    assert "| SP2-4 | 65.0 % | 62.2 % | 56 |" in text


def test_the_report_says_what_moves_between_ddr_and_the_array(sample_report: Report) -> None:
    """Bytes and time of one image stand among the figures of speed."""
    text = to_markdown(sample_report)
    assert re.search(r"DDR traffic per image \| +12\.8 KiB", text)
    assert re.search(r"DDR time of one image \| +0\.983 µs", text)
