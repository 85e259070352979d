"""FilePlan: the files that a generator wants, as a value. Nothing is written here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rmsmp_hls.errors import CodegenError

MAX_PATH_CHARS = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def path_problem(path: str) -> str:
    """Return why `path` may not be in a plan, or "" if it may.

    Allowed are relative POSIX paths whose every part is letters, digits, `_`, `.` and `-` and
    starts with neither `.` nor `-`.
    """
    if len(path) > MAX_PATH_CHARS:
        return f"the path is {len(path)} characters long, at most {MAX_PATH_CHARS} are allowed"
    if path.startswith("/"):
        return "the path is absolute"
    if any(not character.isprintable() for character in path):
        return "the path holds control characters"
    if "\\" in path:
        return "the path holds a backslash"
    parts = path.split("/")
    if ".." in parts:
        return "the path leaves its folder"
    if not all(_NAME.fullmatch(part) for part in parts):
        return "a part of the path is empty, hidden or holds characters other than A-Za-z0-9_.-"
    return ""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """Relative POSIX path -> content, sorted by path.

    Raises:
        CodegenError: a path is unsafe, or two paths cannot both exist; all findings at once.
    """

    files: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        """Check every path."""
        findings = [
            CodegenError(problem, where=repr(path)[: MAX_PATH_CHARS + 2])
            for path, _ in self.files
            if (problem := path_problem(path))
        ]
        findings += self._clashes()
        if findings:
            raise CodegenError.gather(findings)
        if list(self.paths) != sorted(self.paths):
            object.__setattr__(self, "files", tuple(sorted(self.files)))

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> FilePlan:
        """Return the plan of a mapping path -> content."""
        return cls(tuple(sorted((path, bytes(content)) for path, content in files.items())))

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, path: str) -> bytes:
        for known, content in self.files:
            if known == path:
                return content
        raise KeyError(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, sorted."""
        return tuple(path for path, _ in self.files)

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, over paths and contents; equal plans have equal digests."""
        total = hashlib.sha256()
        for path, content in self.files:
            total.update(f"{path}\0{len(content)}\0".encode())
            total.update(content)
        return total.hexdigest()

    def plus(self, files: Mapping[str, bytes]) -> FilePlan:
        """Return this plan with more files.

        Raises:
            CodegenError: one of them is already in the plan.
        """
        return FilePlan(tuple(sorted((*self.files, *files.items()))))

    def _clashes(self) -> list[CodegenError]:
        """Find files wanted twice (letter case aside) or as both file and folder."""
        seen: dict[str, str] = {}
        findings = []
        for path, _ in self.files:
            if path.lower() in seen:
                findings.append(
                    CodegenError("the file is in the plan twice (letter case aside)", where=path)
                )
            seen[path.lower()] = path
        for lower, path in seen.items():
            parents = ("/".join(lower.split("/")[:n]) for n in range(1, lower.count("/") + 1))
            findings += [
                CodegenError(f"{seen[parent]} is both a file and a folder", where=path)
                for parent in parents
                if parent in seen
            ]
        return findings
