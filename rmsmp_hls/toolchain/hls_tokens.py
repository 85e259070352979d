"""Tokens of C++ sources as synthesis sees them: without comments, literals and simulation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SIMULATION_MACRO = "RMSMP_SIM"
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d[\w.']*(?:(?<=[eE])[-+]\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator>::|->|\+\+|--|<<=|>>=|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)",
    re.DOTALL,
)
_LITERAL_OR_COMMENT = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL
)
_PRAGMA = re.compile(r"#\s*pragma\s+HLS\b\s*(.*)", re.IGNORECASE)
_MACRO_PRAGMA = re.compile(r"#\s*define\b.*\bRMSMP_PRAGMA\(\s*HLS\s+(.*?)\)\s*$", re.IGNORECASE)
_INCLUDE = re.compile(r"#\s*include\s*<([^>]+)>")


@dataclass(frozen=True, slots=True)
class Token:
    """One token and its line, from 1."""

    text: str
    line: int


@dataclass(slots=True)
class _Branch:
    """An open #if: what synthesis sees of it now, and what of its other branch."""

    seen: bool
    other: bool


def synthesized_tokens(
    source: str,
) -> tuple[list[Token], list[tuple[int, str]], list[tuple[int, str]]]:
    """Split a source into what synthesis compiles.

    Args:
        source: the file's text.

    Returns:
        Tokens; (line, text behind `#pragma HLS`); (line, name) of `#include <name>`. Branches
        for `__SYNTHESIS__` undefined are left out, both branches of other conditions are in.
    """
    text = _LITERAL_OR_COMMENT.sub(_blank, source)
    lines: list[str] = []
    pragmas: list[tuple[int, str]] = []
    includes: list[tuple[int, str]] = []
    open_branches: list[_Branch] = []
    for number, line in _logical_lines(text):
        stripped = line.lstrip()
        while len(lines) < number - 1:
            lines.append("")
        visible = all(branch.seen for branch in open_branches)
        if not stripped.startswith("#"):
            lines.append(line if visible else "")
            continue
        _condition(stripped, open_branches)
        if visible:
            pragmas += [(number, found[1].strip()) for found in _PRAGMA.finditer(stripped)]
            pragmas += [(number, found[1].strip()) for found in _MACRO_PRAGMA.finditer(stripped)]
            includes += [(number, found[1]) for found in _INCLUDE.finditer(stripped)]
    return _without_simulation(_tokens("\n".join(lines))), pragmas, includes


def _blank(found: re.Match[str]) -> str:
    """A comment becomes blanks, a literal the number 0; lines stay."""
    text = found.group()
    filler = "" if text.startswith(("//", "/*")) else "0"
    return filler + "\n" * text.count("\n")


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number of the first line, text) with continued preprocessor lines joined."""
    joined: list[tuple[int, str]] = []
    waiting: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.endswith("\\"):
            waiting.append(line[:-1])
            continue
        joined.append((number - len(waiting), " ".join([*waiting, line])))
        waiting = []
    return joined


def _condition(line: str, branches: list[_Branch]) -> None:
    """Follow #if, #ifdef, #ifndef, #else, #elif, #endif."""
    word = re.match(r"#\s*(\w+)\s*(.*)", line)
    if word is None:
        return
    directive, condition = word[1], word[2].strip()
    if directive == "ifdef":
        branches.append(_Branch(seen=True, other=condition != "__SYNTHESIS__"))
    elif directive == "ifndef":
        branches.append(_Branch(seen=condition != "__SYNTHESIS__", other=True))
    elif directive == "if":
        negated = re.fullmatch(r"!\s*defined\s*\(?\s*__SYNTHESIS__\s*\)?", condition) is not None
        plain = re.fullmatch(r"defined\s*\(?\s*__SYNTHESIS__\s*\)?", condition) is not None
        branches.append(_Branch(seen=not negated, other=not plain))
    elif directive in ("else", "elif") and branches:
        branches[-1] = _Branch(seen=branches[-1].other, other=branches[-1].other)
    elif directive == "endif" and branches:
        branches.pop()


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    line = 1
    for found in _TOKEN.finditer(text):
        if found.lastgroup != "space":
            tokens.append(Token(found.group(), line))
        line += found.group().count("\n")
    return tokens


def _without_simulation(tokens: Sequence[Token]) -> list[Token]:
    """Drop RMSMP_SIM( ... ) and the semicolon behind it."""
    kept: list[Token] = []
    at = 0
    while at < len(tokens):
        if tokens[at].text != SIMULATION_MACRO:
            kept.append(tokens[at])
            at += 1
            continue
        depth = 0
        at += 1
        while at < len(tokens):
            depth += (tokens[at].text == "(") - (tokens[at].text == ")")
            at += 1
            if depth == 0:
                break
    return kept
