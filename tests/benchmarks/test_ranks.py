"""Ranks against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats


def test_ranks_share_the_mean_among_equals() -> None:
    """Equal values get the mean of the places they take."""
    import ranks

    assert ranks.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]


def test_spearman_is_scipys() -> None:
    """Also with ties."""
    import ranks

    generator = np.random.default_rng(1)
    for levels in (3, 1000):
        a = generator.integers(0, levels, 200).astype(float)
        b = a + generator.integers(0, levels, 200)
        assert ranks.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_a_constant_series_has_no_correlation() -> None:
    """There is no order to agree with."""
    import ranks

    assert ranks.spearman(np.ones(4), np.arange(4.0)) == 0.0


def test_quantiles_are_named_by_percent() -> None:
    """Of 0 .. 100 each is its own name."""
    import ranks

    found = ranks.quantiles(np.arange(101.0))
    assert found == {"5": 5.0, "25": 25.0, "50": 50.0, "75": 75.0, "95": 95.0}
