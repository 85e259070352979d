"""Times and memory of a watched command, against programs whose use is known."""

from __future__ import annotations

import sys

import pytest

MIB = 1 << 20
_CHILD = "import time; block = bytearray(80 << 20); time.sleep(0.6)"
_PARENT = f"""
import subprocess, sys, time
print("first", flush=True)
time.sleep(0.3)
print("second", flush=True)
subprocess.run([sys.executable, "-c", {_CHILD!r}])
"""


def test_lines_carry_the_time_they_came() -> None:
    """Lines arrive in order, as far apart as they were printed."""
    from watch import watch

    run = watch([sys.executable, "-c", _PARENT])
    (first, a), (second, b) = run.lines
    assert (a, b) == ("first", "second")
    assert 0.25 <= second - first <= run.seconds


def test_memory_of_children_counts_in_their_time() -> None:
    """The child's 80 MiB are seen while it runs, not before; the kernel's peak agrees."""
    from watch import watch

    run = watch([sys.executable, "-c", _PARENT])
    second = run.lines[1][0]
    assert run.peak_between(second, run.seconds) >= 80 * MIB
    assert run.peak_between(0.0, second) < 80 * MIB
    assert run.peak_bytes >= 80 * MIB


def test_a_failing_command_is_shown_and_stops() -> None:
    """No figure comes from a command that failed."""
    from watch import watch

    with pytest.raises(SystemExit, match="out of order"):
        watch([sys.executable, "-c", "import sys; sys.exit('out of order')"])


def test_stages_are_read_from_their_lines() -> None:
    """A stage spans its two lines; what is before and after has rows of its own."""
    from build_stages import stage_spans
    from watch import Watched

    lines = ((1.0, "import     …"), (1.5, "import     done in 0.5 s  7 operations"),
             (1.6, "lower      …"), (1.9, "lower      steps 1 of 2"),
             (2.0, "lower      done in 0.4 s"), (2.1, "report"))  # fmt: skip
    spans = stage_spans(Watched(2.5, lines, (), 0))
    assert spans == {
        "(start)": (0.0, 1.0), "import": (1.0, 1.5), "lower": (1.6, 2.0), "(show)": (2.0, 2.5),
    }  # fmt: skip
