"""The log of a training: JSON lines, always; TensorBoard's files, if asked for and installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rmsmp_hls.frontend.whole_file import write_whole

LOG = "log.jsonl"
NO_TENSORBOARD = (
    "TensorBoard's logs were asked for, but the package is not installed: only log.jsonl is "
    "written (pip install rmsmp-hls[tensorboard])"
)


class Log:
    """One line per record; records behind the step that a training goes on from are dropped.

    Attributes:
        path: the file of JSON lines.
        warning: what the user should know, "" mostly.
    """

    def __init__(self, folder: Path, total: int, tensorboard: bool) -> None:
        self.path, self.warning = folder / LOG, ""
        self._writer: Any = None
        kept = [line for line in self._lines() if _total(line) <= total]
        write_whole(self.path, "".join(f"{line}\n" for line in kept).encode())
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self.warning = NO_TENSORBOARD
            else:
                self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=total + 1)

    def write(self, total: int, phase: str, **figures: float | int | None) -> None:
        """Append a record.

        Args:
            total: steps done in the whole training.
            phase: of the training.
            figures: what was measured; None is left out.
        """
        found = {name: value for name, value in figures.items() if value is not None}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"total": total, "phase": phase, **found}) + "\n")
        if self._writer is not None:
            for name, value in found.items():
                self._writer.add_scalar(f"{phase}/{name}", value, total)
            self._writer.flush()

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._writer is not None:
            self._writer.close()

    def _lines(self) -> list[str]:
        if not self.path.is_file():
            return []
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()


def _total(line: str) -> float:
    """Return the step of a record; infinity for a line that was cut off."""
    try:
        return float(json.loads(line)["total"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
