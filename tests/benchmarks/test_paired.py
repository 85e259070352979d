"""The exact test over pairs, against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest


def test_p_is_the_share_of_signs_as_extreme() -> None:
    """The p-value is what going through all signs one by one counts."""
    import paired

    generator = np.random.default_rng(0)
    for count in (1, 2, 5, 8):
        values = generator.normal(0.3, 1, count).tolist()
        sums = [
            abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
            for signs in itertools.product((1, -1), repeat=count)
        ]
        extreme = sum(one >= abs(sum(values)) - 1e-12 for one in sums)
        assert paired.sign_flip_p(values) == extreme / len(sums)


def test_five_pairs_cannot_be_significant() -> None:
    """The least p of 5 pairs is 2 / 32, of 10 pairs 2 / 1024; no difference at all gives 1."""
    import paired

    assert paired.sign_flip_p([0.1, 0.2, 0.3, 0.1, 0.5]) == 2 / 32
    assert paired.sign_flip_p([-0.1] * 10) == 2 / 1024
    assert paired.sign_flip_p([0.0, 0.0]) == 1.0


@pytest.mark.parametrize("count", [0, 21])
def test_no_pairs_or_too_many_are_refused(count: int) -> None:
    """What cannot be counted is an error, not a figure."""
    import paired

    with pytest.raises(ValueError, match="pairs"):
        paired.sign_flip_p([1.0] * count)


def test_holm_steps_down() -> None:
    """Holm's own example: multiplied by what is left, never falling, at most 1."""
    import paired

    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([0.9, 0.8]) == [1.0, 1.0]
    assert paired.holm([]) == []
