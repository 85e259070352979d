"""Read the pages that users copy from: their code blocks, commands, links and tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python_of(page: str) -> str:
    """Return all Python blocks of a page, one after another."""
    blocks = re.findall(r"^```python\n(.*?)^```", _text(page), re.MULTILINE | re.DOTALL)
    assert blocks, page
    return "\n".join(blocks)


def commands_of(page: str) -> list[list[str]]:
    """Return the words of every `rmsmp-hls` command that is indented as code."""
    lines = re.findall(r"^    rmsmp-hls ([a-z].*)$", _text(page), re.MULTILINE)
    return [line.split("#")[0].split() for line in lines]


def links_of(page: str) -> list[str]:
    """Return the targets of the links and pictures that lead into this repository."""
    found = re.findall(r"\]\(([^)#]+)", _text(page))
    return [link for link in found if "://" not in link]


def rows_of(page: str, first_title: str) -> list[list[str]]:
    """Return the cells of the table whose first column is called `first_title`."""
    lines = _text(page).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_title} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")])
    return rows


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
