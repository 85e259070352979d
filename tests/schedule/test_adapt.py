"""Fields set by hand: what depends on them follows."""

from __future__ import annotations

import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.schedule.adapt import adapt_array
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.schedule import make_schedule
from tests.networks import params_for, residual_network


@pytest.fixture(scope="module")
def chosen():
    network = residual_network(1)
    graph = lower(quantize(network, params_for(network)))
    return graph, choose_array(graph, load_board("zcu102"))


@pytest.mark.parametrize(
    "given",
    [{"shift_add_lanes": 5}, {"fixed8_lanes": 3, "fixed4_lanes": 6}, {"channels": 4},
     {"pixels": 6}, {"channels": 64, "pixels": 2}],
)  # fmt: skip
def test_one_field_alone_gives_a_legal_array(chosen, given) -> None:
    """Drain rows, banks, vector lanes and depth are fitted, and the network still fits."""
    graph, array = chosen
    adapted = adapt_array(graph, array, given)
    assert all(getattr(adapted, key) == value for key, value in given.items())
    assert make_schedule(graph, adapted).depth <= adapted.activation_depth


def test_fields_given_are_never_changed(chosen) -> None:
    """A given field that contradicts another is an error, not silently mended."""
    graph, array = chosen
    with pytest.raises(ConfigError, match="drain_rows must divide"):
        adapt_array(graph, array, {"shift_add_lanes": 5, "fixed4_lanes": 0, "fixed8_lanes": 2,
                                   "drain_rows": 4})  # fmt: skip
    for key in ("drain_rows", "vector_lanes"):
        with pytest.raises(ConfigError, match=key):
            adapt_array(graph, array, {key: 0})
