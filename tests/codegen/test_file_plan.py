"""FilePlan: only safe relative paths, no clashes, a digest of names and contents."""

from __future__ import annotations

import pytest

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.errors import CodegenError


@pytest.mark.parametrize("path", ["a", "a/b.hpp", "src/rmsmp/types.hpp", "A-1/_x.tar.gz"])
def test_plain_relative_paths_are_taken(path: str) -> None:
    """Letters, digits, `_`, `.` and `-` in every part."""
    assert FilePlan.of({path: b"x"})[path] == b"x"


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../../x", "a/..", "a//b", "a/", "./a", ".hidden", "a/.b",
     "a\\b", "C:\\x", "a b", "a\nb", "a\0b", "a\x7fb", "-rf", "a/-b", "~/x", "$(id)", "a;b",
     "a'b", 'a"b', "ä", "a\u202eb", "x" * 201, "a/" * 150 + "b", "CON:"],
)  # fmt: skip
def test_unsafe_paths_are_refused(path: str) -> None:
    """Absolute, climbing, hidden, quoted, control and overlong names never get into a plan."""
    with pytest.raises(CodegenError):
        FilePlan.of({path: b""})


def test_all_findings_are_named_at_once() -> None:
    """Two bad paths give one error that lists both."""
    with pytest.raises(CodegenError) as caught:
        FilePlan.of({"../a": b"", "/b": b"", "good": b""})
    assert "2 problems" in str(caught.value)
    assert "leaves its folder" in str(caught.value)
    assert "absolute" in str(caught.value)


@pytest.mark.parametrize("paths", [("a", "a/b"), ("A/x", "a/x"), ("d/e", "d/e/f/g")])
def test_files_that_cannot_both_exist_are_refused(paths: tuple[str, str]) -> None:
    """A file cannot be a folder too, and some disks do not know letter case."""
    with pytest.raises(CodegenError):
        FilePlan.of(dict.fromkeys(paths, b""))


def test_digest_depends_on_names_and_contents_only() -> None:
    """Order does not matter; moving a byte between two files does."""
    first = FilePlan.of({"a": b"12", "b": b"3"})
    assert first.digest == FilePlan.of({"b": b"3", "a": b"12"}).digest
    assert first.digest != FilePlan.of({"a": b"1", "b": b"23"}).digest
    assert first.digest != FilePlan.of({"a": b"12", "c": b"3"}).digest


def test_paths_are_sorted_however_the_plan_was_made() -> None:
    """The tuple form is sorted too."""
    assert FilePlan((("b", b""), ("a", b""))).paths == ("a", "b")


def test_plus_adds_and_never_replaces() -> None:
    """Adding a file twice is an error, not a silent replacement."""
    plan = FilePlan.of({"a": b"1"}).plus({"b": b"2"})
    assert plan.paths == ("a", "b")
    with pytest.raises(CodegenError, match="twice"):
        plan.plus({"a": b"other"})
