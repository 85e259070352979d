"""Words and tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from machine import BUSY_SHARE


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; all columns but the first hold numbers."""
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def computer(machine: dict[str, Any]) -> str:
    """Return processor, memory, compiler and versions as words."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['processor']}, {machine['processors']} processors, "
        f"{machine['memory_gib']} GiB; {machine['compiler']}; Python {machine['python']}, "
        f"{packages}; OMP_NUM_THREADS {machine['omp_num_threads']}"
    )


def measured_on(result: dict[str, Any]) -> str:
    """Return the paragraph that says where a result is from."""
    text = (
        f"Measured on: {computer(result['machine'])}. "
        f"Other programs used {result['other_programs_share']:.0%} of the processors meanwhile"
    )
    return text + (", **so they slowed this down**.\n" if is_busy(result) else ".\n")


def is_busy(result: dict[str, Any]) -> bool:
    """Return whether other programs kept the machine busy."""
    share: float = result["other_programs_share"]
    return share > BUSY_SHARE
