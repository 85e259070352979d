"""A few dozen random networks in every run of the tests; `make fuzz` runs thousands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.arrays import random_array
from tests.fuzz.campaign import CASES, run_session
from tests.fuzz.case import Case
from tests.fuzz.cases import cases, random_case
from tests.fuzz.checks import Effort, Passed, Refusal, check
from tests.fuzz.choices import SeededChoices
from tests.fuzz.simulator import Simulator

ARRAYS = (11, 12, 13)
"""Seeds of the three arrays that the default tests compile."""


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("array", ARRAYS)
def test_all_implementations_agree(array: int, seed: int, simulator: Simulator) -> None:
    """Module, training model, integers, packed design and C++ agree on a random network."""
    case = random_case(SeededChoices(1000 * array + seed), random_array(SeededChoices(array)))
    outcome = check(case, Effort(simulator, emulated=2000))
    assert isinstance(outcome, (Passed, Refusal))
    assert isinstance(outcome, Refusal) or outcome.elements > 0


@settings(
    max_examples=10, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(cases())
def test_what_hypothesis_draws_agrees_too(case: Case) -> None:
    """Networks that hypothesis draws: all implementations but the C++ agree."""
    assert isinstance(check(case, Effort(None, emulated=1000)), (Passed, Refusal))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 103])
def test_whole_sessions(seed: int, tmp_path: Path) -> None:
    """Sessions as the nightly run has them: nothing fails, at most a fifth is refused."""
    coverage = run_session(seed, tmp_path).coverage
    assert not coverage.failed
    assert coverage.cases == CASES
    assert coverage.refused.total() <= CASES / 5
