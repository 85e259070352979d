"""How busy others are, and the spread of repeated times."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def test_own_work_does_not_count_as_others(capfd: pytest.CaptureFixture[str]) -> None:
    """A busy child of ours adds almost nothing to the others' share; a stranger's work does."""
    import machine

    def ticks(busy: int, total: int) -> None:
        machine._ticks = lambda: (busy, total)  # type: ignore[attr-defined]

    original = machine._ticks
    try:
        ticks(1000, 10000)
        others = machine.Others()
        spin = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"
        subprocess.run([sys.executable, "-c", spin], check=True)
        ticks(1031, 10200)
        assert others.share() <= 0.01
        assert capfd.readouterr().err == ""
        ticks(1131, 10200)
        assert 0.4 <= others.share() <= 0.53
        assert "other programs" in capfd.readouterr().err
    finally:
        machine._ticks = original


def test_the_kernels_ticks_count_on() -> None:
    """Busy time never exceeds the whole, and both only grow."""
    import machine

    before = machine._ticks()
    time.sleep(0.1)
    after = machine._ticks()
    assert 0 < before[0] <= before[1] < after[1]
    assert before[0] <= after[0] <= after[1]


def test_spread_holds_median_and_ends() -> None:
    """The median is not moved by one slow run; the slow run is shown."""
    import machine

    assert machine.spread([1.0, 2.0, 50.0]) == {
        "median": 2.0,
        "least": 1.0,
        "most": 50.0,
        "runs": 3,
    }
