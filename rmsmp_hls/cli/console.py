"""The console of the command line: no markup, no guessing, wide enough when it is a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

FILE_COLUMNS = 140


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr; rich obeys NO_COLOR, COLUMNS and TERM."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_COLUMNS
    return console
