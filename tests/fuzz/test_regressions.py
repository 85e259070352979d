"""What once failed does not fail again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.arrays import random_array
from tests.fuzz.checks import Effort, Passed, Refusal, check
from tests.fuzz.choices import SeededChoices
from tests.fuzz.regressions import FOLDER, load
from tests.fuzz.simulator import Simulator
from tests.fuzz.test_random_networks import ARRAYS

_COMPILED = [random_array(SeededChoices(seed)) for seed in ARRAYS]


def _kept() -> list[Any]:
    """Return all cases; those that need an array of their own compiled are slow."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        slow = path.name.startswith("csim") and load(path).array not in _COMPILED
        found.append(pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if slow else []))
    return found


@pytest.mark.parametrize("path", _kept())
def test_kept_case_stays_right(path: Path, simulator: Simulator) -> None:
    """Everything agrees, or the network is refused properly."""
    with_cpp = path.name.startswith("csim")
    outcome = check(load(path), Effort(simulator if with_cpp else None))
    assert isinstance(outcome, (Passed, Refusal))
