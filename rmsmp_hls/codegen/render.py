"""The Jinja environment and the filters that make values safe in C++ and Tcl."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

import jinja2

from rmsmp_hls.errors import CodegenError
from rmsmp_hls.resources import asset_dir

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MAX_IDENTIFIER_CHARS = 100
_PLAIN_TCL_WORD = re.compile(r"[A-Za-z0-9_./:%+\-]+")
# Words that C++14, Verilog or VHDL keep for themselves: a top function becomes a module.
_RESERVED_TEXT = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
    const_cast constexpr continue decltype default delete do double dynamic_cast else enum
    explicit export extern false float for friend goto if inline int long main mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast return short signed sizeof static static_assert static_cast std struct switch
    template this throw true try typedef typeid typename union unsigned using virtual void
    volatile wchar_t while xor xor_eq
    always assign begin buf cell endmodule entity architecture function initial inout input is
    module nand nor output parameter port process reg rmsmp signal supply0 supply1 table task
    time tri use variable wait wire
"""
_RESERVED = frozenset(_RESERVED_TEXT.split())


def tcl_word(value: object) -> str:
    """Return `value` as one Tcl word that stands for exactly its text.

    Raises:
        CodegenError: the text holds control characters, such as line breaks.
    """
    text = str(value)
    if any(not character.isprintable() for character in text):
        raise CodegenError(f"{text!r} holds control characters and cannot be written in Tcl")
    if _PLAIN_TCL_WORD.fullmatch(text):
        return text
    return '"' + re.sub(r'([\\"$\[\]{};#])', r"\\\1", text) + '"'


def c_ident(value: object) -> str:
    """Return `value` if it is a name that C++ and hardware languages take.

    Raises:
        CodegenError: it is not a plain identifier, is reserved, or is too long.
    """
    text = str(value)
    if (
        not IDENTIFIER.fullmatch(text)
        or len(text) > MAX_IDENTIFIER_CHARS
        or text.lower() in _RESERVED
    ):
        raise CodegenError(
            f"{text[:MAX_IDENTIFIER_CHARS]!r} cannot be the name of a function or constant",
            fix="use letters, digits and _, start with a letter, and avoid reserved words",
        )
    return text


def c_array(values: Iterable[int]) -> str:
    """Return a braced C++ initializer of integers, wrapped at 96 columns."""
    text = ", ".join(str(int(value)) for value in values)
    lines = textwrap.wrap(text, width=92, break_long_words=False) or [""]
    return "{" + "\n    ".join(lines) + "}"


def environment() -> jinja2.Environment:
    """Return the environment of all templates: undefined names are errors."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # C++ and Tcl, not HTML; the filters above escape
    )
    made.filters.update(tcl_word=tcl_word, c_ident=c_ident, c_array=c_array)
    return made


def render(template: str, **views: object) -> str:
    """Return the text of `template` (a file name in templates/) with the given views.

    Raises:
        CodegenError: the template is missing or broken, or names a value that no view has.
    """
    try:
        return environment().get_template(template).render(**views)
    except jinja2.TemplateError as error:
        raise CodegenError(
            f"the template cannot be rendered: {error}",
            where=f"templates/{template}",
            fix="reinstall rmsmp-hls; if you changed the template, correct it",
        ) from error
