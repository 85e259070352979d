"""Values of the command line and of rmsmp.yaml."""

from __future__ import annotations

from dataclasses import fields

import pytest

from rmsmp_hls.config import parse_array_override, parse_ratio, show_ratio
from rmsmp_hls.config.values import (
    ARRAY_KEYS,
    MULTIPLIERS,
    SCALE_VALUES,
    SHIFT_ADD_CODEBOOKS,
    STORAGES,
    did_you_mean,
)
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.numerics import multipliers
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES
from rmsmp_hls.train import power_of_two


def test_the_lists_equal_those_of_the_areas_that_own_them() -> None:
    """config imports nothing, so it repeats some lists; here they are held equal."""
    whole = tuple(field.name for field in fields(ArrayShape) if field.type == "int")
    assert whole == ARRAY_KEYS
    assert SHIFT_ADD_CODEBOOKS == SHIFT_ADD_NAMES
    assert STORAGES == ("native", "ap_int")
    assert tuple(multipliers.MULTIPLIERS) == MULTIPLIERS
    assert SCALE_VALUES == power_of_two.SCALE_VALUES


@pytest.mark.parametrize(
    ("text", "ratio"),
    [("65:30:5", (65, 30, 5)), (" 1 : 0 : 0 ", (1, 0, 0)), ("0.65:.3:5e-2", (0.65, 0.3, 0.05))],
)
def test_a_ratio_is_three_numbers(text: str, ratio: tuple[float, float, float]) -> None:
    """Percent, parts or shares: only proportions matter."""
    assert parse_ratio(text) == ratio
    assert parse_ratio(show_ratio(ratio)) == ratio


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("65:35", "a ratio has three numbers, '65:35' has 2"),
        ("", "a ratio has three numbers, '' has 1"),
        ("1:2:3:4", "a ratio has three numbers, '1:2:3:4' has 4"),
        ("a:b:c", "'a:b:c' is not three numbers"),
        ("1::2", "'1::2' is not three numbers"),
        ("65:-5:40", "'65:-5:40' holds a negative share"),
        ("0:0:0", "'0:0:0' gives no format any row"),
        ("nan:1:1", "'nan:1:1' holds NaN or infinity"),
        ("inf:1:1", "'inf:1:1' holds NaN or infinity"),
        ("1e308:1e308:1e308", "'1e308:1e308:1e308' is too large to add up"),
    ],
)
def test_an_impossible_ratio_is_refused(text: str, problem: str) -> None:
    """Each with its own reason and the way to write it."""
    with pytest.raises(ConfigError) as caught:
        parse_ratio(text)
    fix = "write shift-add:fixed-4:fixed-8, e.g. 65:30:5"
    assert str(caught.value) == f"ratio: {problem}\n  -> {fix}"


def test_an_array_override_is_a_field_and_a_number() -> None:
    """Dashes in the field's name are as good as underscores."""
    assert parse_array_override("drain-rows=4") == ("drain_rows", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channels", "array: 'channels' has no '='\n  -> write FIELD=NUMBER, e.g. channels=16"),
        ("channels=many", "array channels: 'many' is not a whole number"),
        ("channels=1.5", "array channels: '1.5' is not a whole number"),
        ("chanels=4", "array: unknown array field 'chanels'\n  -> did you mean 'channels'? known: "
         + ", ".join(ARRAY_KEYS)),
    ],
)  # fmt: skip
def test_a_wrong_array_override_is_refused(text: str, message: str) -> None:
    """The nearest field is suggested."""
    with pytest.raises(ConfigError) as caught:
        parse_array_override(text)
    assert str(caught.value) == message


def test_did_you_mean_keeps_the_spelling_of_the_known_word() -> None:
    """Case does not matter for being near."""
    assert did_you_mean("sp24", ("SP2-4", "PoT-4")) == "did you mean 'SP2-4'? known: SP2-4, PoT-4"
    assert did_you_mean("xyz", ("SP2-4",)) == "known: SP2-4"
