"""Every failure: its words, its exit code, and no traceback unless it is a bug."""

from __future__ import annotations

import errno

import pytest

from rmsmp_hls import errors

BUG = "This is a bug in rmsmp-hls: please report it with the text above.\n"


def fail(call, fake_flow, error: BaseException, *before: str):
    fake_flow.error = error
    return call(*before, "build", "m.pt", "--board", "zcu102")


KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.RmsmpError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_our_errors_are_plain_words_with_their_exit_code(call, fake_flow, kind) -> None:
    """where: what, then the remedy; on stderr."""
    result = fail(call, fake_flow, kind("is wrong", where="layer 'a'", fix="change it"))
    assert result.exit_code == kind.exit_code
    expected = "error: layer 'a': is wrong\n  -> change it\n"
    assert result.stderr == expected + (BUG if kind is errors.IrVerificationError else "")
    assert "lower      stopped" in result.stdout


def test_debug_shows_the_traceback(call, fake_flow) -> None:
    """Before the plain words."""
    result = fail(call, fake_flow, errors.ConfigError("is wrong"), "--debug")
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("error: is wrong\n")


def test_an_unexpected_error_is_a_bug_with_its_traceback(call, fake_flow) -> None:
    """Once, with a request to report it."""
    result = fail(call, fake_flow, ZeroDivisionError("division by zero"))
    assert result.exit_code == 70
    assert result.stderr.count("Traceback") == 1
    assert result.stderr.endswith(f"ZeroDivisionError: division by zero\n{BUG}")


def test_an_interrupt_says_how_to_go_on(call, fake_flow) -> None:
    """Exit code 130, as shells expect."""
    result = fail(call, fake_flow, KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr.strip() == "stopped; run the same command again to go on"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_no_bug(call, fake_flow, number: int) -> None:
    """The file and the system's own words."""
    result = fail(call, fake_flow, OSError(number, "the reason", "build/file"))
    assert result.exit_code == 74
    assert result.stderr.startswith("error: build/file: the reason\n  -> ")


def test_a_missing_file_that_we_did_not_foresee_is_a_bug(call, fake_flow) -> None:
    """Not every OSError is the user's."""
    assert fail(call, fake_flow, FileNotFoundError(errno.ENOENT, "gone", "x")).exit_code == 70


def test_out_of_memory_says_so(call, fake_flow) -> None:
    """With something to try."""
    result = fail(call, fake_flow, MemoryError())
    assert (result.exit_code, result.stderr.splitlines()[0]) == (71, "error: out of memory")


def test_control_characters_in_messages_are_written_out(call, fake_flow) -> None:
    """A layer's name cannot drive the terminal; the lines of the message stay."""
    result = fail(call, fake_flow, errors.LoweringError("bad\x1b[31m", where="x", fix="y"))
    assert result.stderr == "error: x: bad\\x1b[31m\n  -> y\n"
