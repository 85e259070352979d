"""Refuse in the synthesized part of C++ sources what high-level synthesis cannot take.

A check on tokens, not a compiler: comments and literals are dropped, the branches of
`#if` that only simulation sees are skipped, and so are `RMSMP_SIM(...)` statements. What
remains is searched for constructs that Vivado HLS and Vitis HLS refuse (UG902, UG1399:
dynamic memory, recursion, virtual functions, exceptions, the standard library's
containers), that this project's hardware must not have (floating point, loops without a
bound or a label), for accesses to a memory port that depend on a condition, which are no
bursts, and for misspelt pragmas, which the tools only warn of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.toolchain.hls_tokens import Token, synthesized_tokens

_FORBIDDEN = {
    "dynamic memory": ("new", "delete", "malloc", "calloc", "realloc", "free"),
    "a virtual function": ("virtual", "override"),
    "an exception": ("throw", "try", "catch"),
    "floating point": ("float", "double"),
    "run-time type information": ("typeid", "dynamic_cast"),
    "goto": ("goto",),
    "an unbounded loop": ("while", "do"),
    "input or output": ("printf", "fprintf", "puts", "fopen", "cout", "cerr", "cin"),
    "the standard library": ("std",),
}
_FORBIDDEN_WORDS = {word: sin for sin, words in _FORBIDDEN.items() for word in words}
_ALLOWED_INCLUDES = ("ap_int.h", "hls_stream.h", "stdint.h")
_DIRECTIVES = {
    "ALLOCATION", "ARRAY_PARTITION", "ARRAY_RESHAPE", "BIND_OP", "BIND_STORAGE", "DATAFLOW",
    "DEPENDENCE", "EXPRESSION_BALANCE", "INLINE", "INTERFACE", "LATENCY", "LOOP_FLATTEN",
    "LOOP_MERGE", "LOOP_TRIPCOUNT", "PIPELINE", "PROTOCOL", "RESET", "RESOURCE", "STABLE",
    "STREAM", "UNROLL",
}  # fmt: skip
_MULTIPLIER_FREE = ("shift_add.hpp",)
_NOT_CALLS = {"if", "for", "while", "switch", "return", "sizeof", "static_assert", "alignof"}
_BOUND = re.compile(r"(?:k[A-Z]\w*|[A-Z]\w*|\d\w*|int|unsigned|::|[-+/%?:<>=!&|()]|\*)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One construct that cannot be synthesized.

    Attributes:
        path: the source file.
        line: its line, from 1.
        what: what is wrong, one sentence.
    """

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class _Function:
    """A function definition: its name, where, and the names it calls."""

    name: str
    path: Path
    line: int
    calls: frozenset[str]


def check_synthesizable(files: Iterable[Path]) -> list[Finding]:
    """Return everything in `files` that synthesis cannot take, by file and line.

    Args:
        files: C++ headers and sources; recursion is looked for across all of them.

    Raises:
        OSError: a file cannot be read.
    """
    findings: list[Finding] = []
    functions: list[_Function] = []
    for path in files:
        tokens, pragmas, includes = synthesized_tokens(path.read_text(encoding="utf-8"))
        findings += _forbidden_words(path, tokens)
        findings += _pointers_to_functions(path, tokens)
        findings += _loops(path, tokens, pragmas)
        findings += _conditional_accesses(path, tokens)
        findings += _pragmas(path, pragmas)
        findings += [
            Finding(path, line, f"includes <{name}>, which is no synthesizable header")
            for line, name in includes
            if name not in _ALLOWED_INCLUDES
        ]
        if path.name in _MULTIPLIER_FREE:
            findings += [
                Finding(path, token.line, "multiplies; this unit is made of shifts and additions")
                for token in tokens
                if token.text in ("*", "*=")
            ]
        functions += _functions(path, tokens)
    findings += _recursion(functions)
    return sorted(findings, key=lambda finding: (str(finding.path), finding.line, finding.what))


def _forbidden_words(path: Path, tokens: Sequence[Token]) -> Iterator[Finding]:
    for token in tokens:
        if token.text in _FORBIDDEN_WORDS:
            sin = _FORBIDDEN_WORDS[token.text]
            yield Finding(path, token.line, f"uses {sin} ({token.text!r})")
        elif re.fullmatch(r"\d[\d']*\.[\d']*(?:[eE][-+]?\d+)?[fFlL]?|\d+[eE][-+]?\d+", token.text):
            yield Finding(path, token.line, f"uses floating point ({token.text})")


def _pointers_to_functions(path: Path, tokens: Sequence[Token]) -> Iterator[Finding]:
    """`( * name ) (` declares or calls through a pointer to a function."""
    for i in range(len(tokens) - 4):
        shape = [token.text for token in tokens[i : i + 5]]
        if shape[0] == "(" and shape[1] == "*" and shape[3] == ")" and shape[4] == "(":
            yield Finding(path, tokens[i].line, f"uses a pointer to a function ({shape[2]!r})")


def _matching(tokens: Sequence[Token], start: int, opening: str, closing: str) -> int:
    """Index of the token that closes the one at `start`; the last index if none does."""
    depth = 0
    for i in range(start, len(tokens)):
        depth += (tokens[i].text == opening) - (tokens[i].text == closing)
        if depth == 0:
            return i
    return len(tokens) - 1


def _loops(
    path: Path, tokens: Sequence[Token], pragmas: Sequence[tuple[int, str]]
) -> Iterator[Finding]:
    """Every `for` is labelled and canonical; one with a run-time bound has a trip count."""
    for i, token in enumerate(tokens):
        if token.text != "for" or i + 1 >= len(tokens):
            continue
        labelled = i >= 2 and tokens[i - 1].text == ":" and tokens[i - 2].text.isidentifier()
        if not labelled or (i >= 3 and tokens[i - 3].text not in ("{", "}", ";", ")")):
            yield Finding(path, token.line, "has a loop without a label")
        end = _matching(tokens, i + 1, "(", ")")
        parts = _split(tokens[i + 2 : end])
        counter = _counter(parts)
        if counter is None:
            yield Finding(
                path, token.line, "has a loop that is not of the form (T i = a; i < bound; ++i)"
            )
            continue
        bound = [part.text for part in parts[1][2:]]
        if all(_BOUND.fullmatch(text) for text in bound):
            continue
        # The pragma stands between the loop's head and its first statement.
        body = tokens[end + 2] if end + 2 < len(tokens) else tokens[end]
        head = [text for line, text in pragmas if tokens[end].line <= line <= body.line]
        if not any(text.upper().startswith("LOOP_TRIPCOUNT") for text in head):
            yield Finding(
                path, token.line, "has a loop with a run-time bound and no LOOP_TRIPCOUNT"
            )


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The three parts of a for head."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _counter(parts: Sequence[Sequence[Token]]) -> str | None:
    """Name of the loop's counter, None if the head is not canonical."""
    if len(parts) != 3:
        return None
    first, test, step = ([token.text for token in part] for part in parts)
    if "=" not in first or first.index("=") < 2 or len(test) < 3 or len(step) != 2:
        return None
    name = first[first.index("=") - 1]
    forward = test[:2] in ([name, "<"], [name, "<="]) and sorted(step) == sorted(["++", name])
    return name if forward else None


def _pragmas(path: Path, pragmas: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    for line, text in pragmas:
        directive = text.split()[0].upper() if text.split() else ""
        if directive not in _DIRECTIVES:
            yield Finding(path, line, f"has an unknown directive: #pragma HLS {directive}".rstrip())


def _conditional_accesses(path: Path, tokens: Sequence[Token]) -> Iterator[Finding]:
    """`port[...]` in a branch, where `T* port` is a parameter: a memory port."""
    for start, opening, close in _definitions(tokens):
        head = tokens[start + 1 : opening]
        ports = {
            head[i].text
            for i in range(1, len(head) - 1)
            if head[i - 1].text == "*" and head[i + 1].text in (",", ")")
        }
        for first, last in _branches(tokens, opening, close):
            for i in range(first, last):
                if tokens[i].text in ports and tokens[i + 1].text == "[":
                    what = f"accesses memory port {tokens[i].text!r} under a condition: no burst"
                    yield Finding(path, tokens[i].line, what)


def _branches(tokens: Sequence[Token], start: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last token of what `if`, `else` and `?` choose; of `else if` the inner one's."""
    for i in range(start, end):
        if tokens[i].text == "?":
            yield i + 1, next((j for j in range(i, end) if tokens[j].text == ";"), end)
            continue
        if tokens[i].text == "if":
            first = _matching(tokens, i + 1, "(", ")") + 1
        elif tokens[i].text == "else" and tokens[i + 1].text != "if":
            first = i + 1
        else:
            continue
        if tokens[first].text == "{":
            yield first, _matching(tokens, first, "{", "}")
        else:
            yield first, next((j for j in range(first, end) if tokens[j].text == ";"), end)


def _definitions(tokens: Sequence[Token]) -> Iterator[tuple[int, int, int]]:
    """Function definitions `name ( ... ) [const] {`: where the name and both braces are."""
    for i in range(len(tokens) - 1):
        name = tokens[i].text
        if not name.isidentifier() or name in _NOT_CALLS or tokens[i + 1].text != "(":
            continue
        end = _matching(tokens, i + 1, "(", ")") + 1
        if end < len(tokens) and tokens[end].text == "const":
            end += 1
        if end >= len(tokens) or tokens[end].text != "{":
            continue
        yield i, end, _matching(tokens, end, "{", "}")


def _functions(path: Path, tokens: Sequence[Token]) -> Iterator[_Function]:
    """Function definitions and their bodies' calls by unqualified name."""
    for i, opening, close in _definitions(tokens):
        name = tokens[i].text
        calls = frozenset(_calls(tokens[opening + 1 : close]))
        owner = _owner(tokens, i)
        yield _Function(f"{owner}::{name}" if owner else name, path, tokens[i].line, calls)


def _owner(tokens: Sequence[Token], at: int) -> str:
    """The struct or class whose braces enclose token `at`, or ""."""
    depth = 0
    for i in range(at - 1, -1, -1):
        depth += (tokens[i].text == "}") - (tokens[i].text == "{")
        if depth < 0:
            depth = 0
            for j in range(i - 1, max(-1, i - 12), -1):
                if tokens[j].text in (";", "}", "{"):
                    break
                if tokens[j].text in ("struct", "class") and j + 1 < i:
                    return tokens[j + 1].text
    return ""


def _calls(body: Sequence[Token]) -> Iterator[str]:
    """Names called in a body: `name(` and `name<...>(`; members with a mark in front."""
    for i, token in enumerate(body):
        if not token.text.isidentifier() or token.text in _NOT_CALLS or i + 1 >= len(body):
            continue
        after = i + 1
        if body[after].text == "<":
            after = _matching(body, after, "<", ">") + 1
        if after < len(body) and body[after].text == "(":
            member = i > 0 and body[i - 1].text in (".", "->")
            yield f".{token.text}" if member else token.text


def _recursion(functions: Sequence[_Function]) -> Iterator[Finding]:
    """Functions that can reach themselves.

    A plain call may mean any function of the name, a call of a member any member of the
    name but the caller's own struct's: another object is not the same state.
    """
    targets: dict[str, set[str]] = {}
    for function in functions:
        plain = function.name.rpartition("::")[2]
        targets.setdefault(plain, set()).add(function.name)
        if "::" in function.name:
            targets.setdefault(f".{plain}", set()).add(function.name)
    graph: dict[str, set[str]] = {}
    for function in functions:
        reached = graph.setdefault(function.name, set())
        for call in function.calls:
            found = targets.get(call, set())
            reached |= {n for n in found if not (call.startswith(".") and n == function.name)}
    for function in functions:
        if function.name in _reachable(graph, function.name):
            yield Finding(function.path, function.line, f"is recursive: {function.name}")


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph.get(name, ())
    return seen
