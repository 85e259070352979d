"""Every failure in plain words, with its exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from rmsmp_hls.errors import IrVerificationError, RmsmpError

BUG, OUT_OF_MEMORY, FILE_SYSTEM, STOPPED, PIPE_CLOSED = 70, 71, 74, 130, 141
_FILE_SYSTEM = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
_REPORT_IT = "This is a bug in rmsmp-hls: please report it with the text above."


def explain(error: BaseException, *, debug: bool) -> int:
    """Say on stderr what went wrong; return the exit code.

    Errors that the user can act on come without a traceback, unless `debug` asks for it;
    everything else is a bug and says so.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if debug:
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        _say("stopped; run the same command again to go on")
        return STOPPED
    if isinstance(error, RmsmpError):
        _say(f"error: {_plain(error.message())}")
        if isinstance(error, IrVerificationError):
            _say(_REPORT_IT)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # Nobody reads any more: keep the interpreter from saying so again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    if isinstance(error, MemoryError):
        _say("error: out of memory\n  -> close other programs, or use fewer images (--images)")
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in _FILE_SYSTEM:
        where = f"{_plain(str(error.filename))}: " if error.filename else ""
        _say(f"error: {where}{error.strerror}\n  -> make room, or choose another folder with -o")
        return FILE_SYSTEM
    if not debug:
        traceback.print_exception(error)
    _say(_REPORT_IT)
    return BUG


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(text: str) -> str:
    """Return a message with the control characters of names written out; lines stay lines."""
    from rmsmp_hls.report.words import printable

    return "\n".join(printable(line) for line in text.split("\n"))
