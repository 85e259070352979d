"""The error hierarchy: every message says what is wrong, where, and what to do.

Each class carries the exit code of the command line. Findings of one check are
gathered and raised once (`RmsmpError.gather`), never one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence


class RmsmpError(Exception):
    """An error the user can act on.

    Args:
        what: what is wrong, one sentence.
        where: file, layer or option it is about; empty if the sentence says it.
        fix: what to do about it; empty only if nothing can be done.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        self._gathered: tuple[RmsmpError, ...] = ()
        super().__init__(self.message())

    @property
    def findings(self) -> tuple[RmsmpError, ...]:
        """What was gathered into this error, one by one; the error itself if it stands alone."""
        return self._gathered or (self,)

    def message(self) -> str:
        """Return `where: what` with the remedy on a line of its own."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  -> {self.fix}" if self.fix else head

    def within(self, place: str) -> RmsmpError:
        """Return this error with `place` before its own place; the findings stay as they are."""
        where = f"{place}, {self.where}" if self.where else place
        moved = type(self)(self.what, where=where, fix=self.fix)
        moved._gathered = self._gathered
        return moved

    @classmethod
    def gather(cls, findings: Sequence[RmsmpError]) -> RmsmpError:
        """Return one error of this class that lists all findings; there must be at least one."""
        if len(findings) == 1:
            only = findings[0]
            gathered = cls(only.what, where=only.where, fix=only.fix)
            gathered._gathered = only._gathered
            return gathered
        lines = "\n".join(f"- {finding.message()}" for finding in findings)
        gathered = cls(f"{len(findings)} problems:\n{lines}")
        gathered._gathered = tuple(part for finding in findings for part in finding.findings)
        return gathered


class ConfigError(RmsmpError):
    """A command line option, a configuration key or a board file is wrong."""

    exit_code = 2


class ModelImportError(RmsmpError):
    """The model file cannot be read, is not safe to read, or holds what we cannot map."""

    exit_code = 3


class QuantizationError(RmsmpError):
    """Weights, scales, ratios or row formats cannot be quantized as asked."""

    exit_code = 4


class LoweringError(RmsmpError):
    """The quantized network cannot be written in the integer operations of the array."""

    exit_code = 5


class ResourceError(RmsmpError):
    """The design does not fit the board."""

    exit_code = 6


class ArtefactError(RmsmpError):
    """A saved artefact is damaged, foreign, or of a version we do not know."""

    exit_code = 7


class CodegenError(RmsmpError):
    """The HLS project cannot be generated or written."""

    exit_code = 8


class ToolError(RmsmpError):
    """An external tool is missing or failed; the message carries its own first error."""

    exit_code = 9


class MismatchError(RmsmpError):
    """The C simulation differs from the integer reference."""

    exit_code = 10


class ReportError(RmsmpError):
    """A tool report cannot be read."""

    exit_code = 11


class IrVerificationError(RmsmpError):
    """A pass made an illegal graph: a bug of ours, please report it."""

    exit_code = 70
