"""Quantization parameters as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import ArtefactError
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.quant.params_json import params_from_json, params_to_json
from tests.networks import params_for, residual_network

PARAMS = params_for(residual_network(0))
formats = st.builds(
    ActFormat,
    bits=st.integers(2, 8),
    signed=st.booleans(),
    scale=st.floats(1e-30, 1e30),
    narrow=st.booleans(),
)


@given(st.dictionaries(st.text(max_size=5), formats, max_size=4))
def test_round_trip(activations: dict[str, ActFormat]) -> None:
    """Every format survives exactly, also one with the code -2^(bits-1)."""
    params = dataclasses.replace(PARAMS, activations=activations)
    assert params_from_json(json.loads(json.dumps(params_to_json(params)))) == params


def test_terms_of_multipliers() -> None:
    """Kept; 0 where a file does not say; refused where the stored form has no room for them."""
    params = dataclasses.replace(PARAMS, multiplier_terms=2)
    data = params_to_json(params)
    assert params_from_json(data) == params
    assert params_from_json({k: v for k, v in data.items() if k != "multiplier_terms"}) == PARAMS
    with pytest.raises(ArtefactError, match="4 terms"):
        params_from_json({**data, "multiplier_terms": 4})


def test_files_of_earlier_versions() -> None:
    """A format without `narrow` is narrow."""
    data = params_to_json(PARAMS)
    for form in data["activations"].values():
        del form["narrow"]
    assert params_from_json(data) == PARAMS


@pytest.mark.parametrize("changes", [{"narrow": 1}, {"signed": "no"}, {"bits": 9}, {"scale": []}])
def test_damaged_formats_are_refused(changes: dict[str, Any]) -> None:
    """Wrong types and widths."""
    data = params_to_json(PARAMS)
    data["activations"]["x"] |= changes
    with pytest.raises(ArtefactError, match="damaged"):
        params_from_json(data)
