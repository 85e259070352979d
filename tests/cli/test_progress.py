"""Progress on a terminal and in a log."""

from __future__ import annotations

import io

from rich.console import Console

from rmsmp_hls.cli.progress import LiveProgress, PlainProgress, make_progress


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def console(*, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=100, color_system=None,
        _environ={"TERM": "xterm"},
    )  # fmt: skip


def rendered(progress: LiveProgress) -> list[list[str]]:
    out = Console(file=io.StringIO(), width=100)
    out.print(progress.render())
    return [line.split() for line in out.file.getvalue().splitlines()]


def test_the_live_list_shows_waiting_running_done_and_cached() -> None:
    """All stages from the beginning, the running one with its time and step."""
    clock = Clock()
    with LiveProgress(console(terminal=True), ("import", "lower", "csim"), clock) as progress:
        progress.stage("import", "cached", 1.0, "")
        progress.stage("lower", "run", None, "")
        progress.step("layers", 1200, 5000)
        clock.now = 2.5
        assert rendered(progress) == [
            ["=", "import", "cached"],
            ["▸", "lower", "2.50", "s", "layers", "1,200", "of", "5,000"],
            ["·", "csim"],
        ]
        progress.stage("lower", "done", 2.6, "11 operations")
        assert rendered(progress)[1] == ["✓", "lower", "2.60", "s", "11", "operations"]


def test_a_stage_that_fails_is_shown_as_stopped() -> None:
    """The list stays on the screen."""
    clock = Clock()
    progress = LiveProgress(console(terminal=True), ("import",), clock)
    try:
        with progress:
            progress.stage("import", "run", None, "")
            clock.now = 1.0
            raise RuntimeError
    except RuntimeError:
        pass
    assert rendered(progress) == [["✗", "import", "1.00", "s"]]


def test_plain_steps_come_at_most_every_five_seconds() -> None:
    """A log stays readable."""
    clock = Clock()
    out = console(terminal=False)
    progress = PlainProgress(out, clock)
    progress.stage("csim", "run", None, "")
    for done in range(1, 13):
        clock.now = float(done)
        progress.step("images", done, 12)
    assert out.file.getvalue().splitlines() == [
        "csim       …",
        "csim       images 5 of 12",
        "csim       images 10 of 12",
    ]


def test_the_display_fits_the_console() -> None:
    """Live on a terminal, lines elsewhere."""
    assert isinstance(make_progress(console(terminal=True), ()), LiveProgress)
    assert isinstance(make_progress(console(terminal=False), ()), PlainProgress)
