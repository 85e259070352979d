"""Which layers are first and last ones, and what the policy makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmsmp_hls.config.calibration import FIRST_LAST
from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Window
from rmsmp_hls.quant.ends import POLICIES, check_policy, end_layers, pinned_layers
from rmsmp_hls.quant.params_json import params_from_json, params_to_json
from rmsmp_hls.quant.reassign import reassign
from tests.blocks import BLOCKS
from tests.networks import NetworkBuilder, params_for, residual_network

POINT = Window()


def by_paths(graph: FloatGraph) -> set[str]:
    """Walk every path of the graph, one by one."""

    def is_layer(name: str) -> bool:
        return isinstance(graph.op(name), (Conv2d, Linear))

    def clear_before(name: str) -> bool:
        return all(not is_layer(n) and clear_before(n) for n in graph.op(name).inputs)

    def clear_behind(name: str) -> bool:
        readers = [op.name for op in graph.consumers(name)]
        return all(not is_layer(n) and clear_behind(n) for n in readers)

    layers = [op.name for op in graph if is_layer(op.name)]
    return {name for name in layers if clear_before(name) or clear_behind(name)}


@pytest.mark.parametrize("name", list(BLOCKS))
def test_ends_are_those_with_no_layer_on_any_path(name: str) -> None:
    """In networks with branches, gates and concatenations of the input."""
    graph = BLOCKS[name](0)
    assert end_layers(graph) == by_paths(graph) != set()


def test_branches_of_the_input_and_heads_all_count() -> None:
    """Two layers read the input (one pooled, or behind a batch norm); two make the result."""
    net = NetworkBuilder((3, 4, 4))
    left = net.conv(4, POINT)
    net.batchnorm("x")
    right = net.conv(4, POINT)
    net.add(left, right)
    middle = net.conv(4, POINT)
    net.clamp()
    trunk = net.tail
    value = net.conv(4, POINT, trunk)
    gate = net.conv(4, POINT, trunk)
    net.multiply(value, net.activation("sigmoid", source=gate))
    assert end_layers(net.graph()) == {left, right, value, gate}
    assert middle not in end_layers(net.graph())


def test_one_layer_is_both() -> None:
    """It is first and last; without any layer there is none."""
    net = NetworkBuilder((3, 4, 4))
    assert end_layers(net.graph()) == frozenset()
    only = net.conv(4, POINT)
    assert end_layers(net.graph()) == {only}


def test_only_fixed8_pins() -> None:
    """ "same" leaves every layer to the ratio; what is neither is refused with the list."""
    graph = residual_network()
    assert pinned_layers(graph, "same") == frozenset()
    assert pinned_layers(graph, "fixed8") == end_layers(graph)
    assert POLICIES == FIRST_LAST
    with pytest.raises(ConfigError, match="same, fixed8"):
        check_policy("8bit")


def test_another_ratio_leaves_the_ends_in_eight_bits() -> None:
    """`build --ratio` of a model with that policy."""
    graph = residual_network()
    params = replace(params_for(graph), first_last="fixed8")
    rows = reassign(graph, params, (1.0, 0.0, 0.0), None).rows
    ends = end_layers(graph)
    for name, row in rows.items():
        assert set(row.formats) == ({"Fixed-8"} if name in ends else {"SP2-4"})
        assert bool(np.all(row.scales.array > 0))


def test_the_policy_is_kept_in_json() -> None:
    """Files of earlier versions have none; unknown ones are refused."""
    graph = residual_network()
    params = replace(params_for(graph), first_last="fixed8")
    text = params_to_json(params)
    assert params_from_json(text) == params
    assert params_from_json({k: v for k, v in text.items() if k != "first_last"}).first_last == (
        "same"
    )
    with pytest.raises(ArtefactError, match="policy 'odd'"):
        params_from_json(text | {"first_last": "odd"})
