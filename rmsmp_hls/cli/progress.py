"""Progress of a build: a live list of stages on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING

from rmsmp_hls.report import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STEP_LINE_SECONDS = 5.0
"""Plain lines say at most this often how far a stage is."""


@dataclass(frozen=True, slots=True)
class StageLine:
    """What is shown of one stage; `began` is on the clock of the progress."""

    name: str
    state: str = "waiting"
    seconds: float | None = None
    detail: str = ""
    began: float = 0.0
    step: str = ""


@dataclass
class LiveProgress:
    """A list of stages that redraws itself; a context manager around the build."""

    console: Console
    names: Sequence[str]
    clock: Callable[[], float] = time.monotonic
    lines: dict[str, StageLine] = field(default_factory=dict)
    running: str = ""

    def __enter__(self) -> LiveProgress:
        from rich.live import Live

        self.lines = {name: StageLine(name) for name in self.names}
        self._live = Live(
            console=self.console, get_renderable=self.render, refresh_per_second=8, transient=False
        )
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.running:
            began = self.lines[self.running].began
            self._change(self.running, state="stopped", seconds=self.clock() - began)
            self.running = ""
        self._live.stop()

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """Show that a stage began ("run"), is "done", or is "cached"."""
        self.running = name if state == "run" else ""
        self._change(name, state=state, seconds=seconds, detail=detail, began=self.clock(), step="")

    def step(self, text: str, done: int, total: int) -> None:
        """Show how far the running stage is."""
        if self.running:
            self._change(self.running, step=step_text(text, done, total))

    def _change(self, name: str, **values: object) -> None:
        line = self.lines.get(name, StageLine(name))
        self.lines[name] = replace(line, **values)  # type: ignore[arg-type]

    def render(self) -> Table:
        """Return the list as it is now."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        styles = {"run": "bold", "done": "green", "cached": "dim", "stopped": "red"}
        marks = {"run": "▸", "done": "✓", "cached": "=", "stopped": "✗"}
        for line in self.lines.values():
            style = styles.get(line.state, "dim")
            seconds = self.clock() - line.began if line.state == "run" else line.seconds
            spent = "cached" if line.state == "cached" else words.seconds(seconds)
            table.add_row(
                Text(marks.get(line.state, "·"), style=style),
                Text(words.shorten(line.name, 20), style=style),
                Text("" if line.state == "waiting" else spent, justify="right"),
                Text(words.shorten(line.step or line.detail, 100), style="dim"),
            )
        return table


@dataclass
class PlainProgress:
    """One line per event; a context manager like `LiveProgress`."""

    console: Console
    clock: Callable[[], float] = time.monotonic
    running: str = ""
    last_line: float = 0.0

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.running:
            self._print(self.running, "stopped")

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """Print that a stage began ("run"), is "done", or is "cached"."""
        self.running = name if state == "run" else ""
        self.last_line = self.clock()
        words_of = {"run": "…", "done": f"done in {words.seconds(seconds)}", "cached": "cached"}
        self._print(name, words_of.get(state, state), detail)

    def step(self, text: str, done: int, total: int) -> None:
        """Print how far the running stage is, at most every few seconds."""
        if self.clock() - self.last_line >= STEP_LINE_SECONDS:
            self.last_line = self.clock()
            self._print(self.running, step_text(text, done, total))

    def _print(self, name: str, text: str, detail: str = "") -> None:
        line = f"{words.shorten(name, 20):<10} {words.shorten(text, 100)}"
        if detail:
            line += f"  {words.shorten(detail, 200)}"
        self.console.print(line, soft_wrap=True)


def step_text(text: str, done: int, total: int) -> str:
    """Return `images 120 of 360`."""
    return f"{text} {words.count(done)} of {words.count(total)}"


def make_progress(console: Console, names: Sequence[str]) -> LiveProgress | PlainProgress:
    """Return a live display on a terminal, plain lines elsewhere (pipes, logs, dumb terminals)."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console, names)
    return PlainProgress(console)
