"""Scale groups, widths and second quantizations around concatenations and wide readers."""

from __future__ import annotations

import pytest

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.ir.float_ops import AvgPool2d, MaxPool2d
from rmsmp_hls.ir.types import Window
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.quant.quantize import quantize
from tests.blocks import BLOCKS, HALVE, POINT, SAME, dense_block, fire_module
from tests.networks import NetworkBuilder, params_for


def scales(plan: QuantPlan) -> dict[str, str]:
    return {point.tensor: point.scale for point in plan.points}


def widths(plan: QuantPlan) -> dict[str, tuple[int, bool]]:
    return {point.tensor: (point.bits, point.signed) for point in plan.points}


def test_operands_of_a_concatenation_share_the_first_ones_scale() -> None:
    """Two ReLU branches: one quantizer, named after the first; others keep their own."""
    plan = place_quantizers(fire_module())
    assert scales(plan) == {
        "x": "x", "relu2": "relu2", "relu5": "relu5", "relu7": "relu7", "relu9": "relu7",
        "cat10": "relu7", "relu12": "relu12", "pool13": "pool13",
    }  # fmt: skip
    assert plan.quantizer_of("relu9") == "relu7"
    assert [q.name for q in plan.quantizers].count("relu7") == 1


def test_groups_that_share_an_operand_are_one() -> None:
    """Growing concatenations, behind a pool too: one scale for all of them."""
    plan = place_quantizers(dense_block())
    shared = {tensor for tensor, scale in scales(plan).items() if scale == "conv1"}
    assert shared == {"conv1", "conv4", "cat5", "conv8", "cat9"}
    net = NetworkBuilder((2, 4, 4))
    a, b = net.conv(2, POINT), net.conv(2, POINT)
    net.concat(net.pool(MaxPool2d, HALVE, a), net.pool(MaxPool2d, HALVE, b))
    c = net.conv(2, POINT, b)
    net.concat(b, c)
    found = scales(place_quantizers(net.graph()))
    assert {found[name] for name in (a, b, c, net.tail)} == {a}


def test_a_group_has_its_widest_members_format() -> None:
    """One operand is read by an add and one is signed: all have 8 bits and a sign; what a
    convolution reads is narrow, unsigned where the values are."""
    net = NetworkBuilder((2, 4, 4))
    net.conv(3, POINT)
    relu = net.clamp()
    signed = net.conv(3, POINT)
    net.add(relu, relu)
    net.concat(relu, signed)
    net.conv(2, POINT)
    net.conv(2, POINT, relu)
    plan = place_quantizers(net.graph())
    assert {widths(plan)[name] for name in (relu, signed, "cat5")} == {(8, True)}
    mine, joined = plan.narrow_of(relu), plan.narrow_of("cat5")
    assert mine is not None and (mine.bits, mine.signed, mine.scale) == (4, False, "relu2.narrow")
    assert joined is not None and (joined.bits, joined.signed) == (4, True)


def test_a_concatenation_that_an_add_reads_widens_its_operands() -> None:
    """Through a selection of channels as well."""
    net = NetworkBuilder((2, 4, 4))
    a, b = net.conv(2, POINT), net.conv(2, POINT)
    net.concat(a, b)
    half = net.select(range(2))
    net.add(half, net.conv(2, POINT))
    plan = place_quantizers(net.graph())
    assert {widths(plan)[name][0] for name in (a, b, "cat3")} == {8}


def test_the_network_input_is_brought_into_the_group() -> None:
    """It keeps its own 8 bits for convolutions; each concatenation reads a copy."""
    plan = place_quantizers(BLOCKS["image_beside_features"](0))
    copies = {n.name: (n.source, n.reader, n.bits, n.signed, n.scale) for n in plan.narrows}
    assert copies == {
        "x.in.cat2": ("x", "cat2", 4, True, "conv1"),
        "pool4.in.cat5": ("pool4", "cat5", 4, True, "conv1"),
    }
    assert scales(plan)["x"] == "x" and plan.narrow_of("x") is None


def test_a_concatenation_of_the_input_alone() -> None:
    """The group then has no maker but the copies; it is named after the concatenation."""
    net = NetworkBuilder((2, 4, 4))
    net.concat("x", net.pool(MaxPool2d, POINT, "x"))
    net.conv(3, POINT)
    plan = place_quantizers(net.graph())
    assert {n.scale for n in plan.narrows} == {"cat2"}
    assert widths(plan)["cat2"] == (4, True)
    graph = net.graph()
    joined = lower(quantize(graph, params_for(graph))).op("cat2")
    assert joined.inputs == ("x.in.cat2", "pool1.in.cat2")


def test_readers_of_wide_codes() -> None:
    """Products, functions and batch norms of their own read 8 bits, means and clamps 4."""
    net = NetworkBuilder((2, 4, 4))
    for reader in ("multiply", "activation", "batchnorm", "clamp", "pool"):
        tensor = net.conv(2, POINT)
        if reader == "multiply":
            net.multiply(tensor, tensor)
        elif reader == "activation":
            net.activation("silu")
        elif reader == "batchnorm":
            net.pool(MaxPool2d, POINT)
            net.batchnorm()
        elif reader == "clamp":
            net.pool(MaxPool2d, POINT)
            net.clamp()
        else:
            net.pool(AvgPool2d, POINT)
        net.conv(2, POINT)
    plan = place_quantizers(net.graph())
    bits = [bits for name, (bits, _) in widths(plan).items() if name.startswith("conv")]
    assert bits == [8, 4, 8, 4, 8, 4, 4, 4, 4, 8], "the last one is the network's result"


def test_a_batch_norm_stands_alone_where_its_producer_has_other_readers() -> None:
    """A convolution read by a batch norm and an add makes codes; the batch norm takes its
    ReLU along."""
    net = NetworkBuilder((2, 4, 4))
    conv = net.conv(2, POINT)
    net.batchnorm()
    relu = net.clamp()
    net.add(conv, relu)
    plan = place_quantizers(net.graph())
    point = plan.point(relu)
    assert point is not None and (point.head, point.batchnorm, point.clamp) == ("bn2", "", relu)
    assert plan.point(conv) is not None


def test_signs_of_functions_and_products() -> None:
    """Only what can be negative is signed."""
    net = NetworkBuilder((2, 4, 4))
    conv = net.conv(2, POINT)
    sigmoid, tanh = net.activation("sigmoid", source=conv), net.activation("tanh", source=conv)
    positive = net.activation("silu", source=sigmoid)
    product, square = net.multiply(sigmoid, tanh), net.multiply(sigmoid, positive)
    signed = {name: sign for name, (_, sign) in widths(place_quantizers(net.graph())).items()}
    assert not signed[sigmoid] and not signed[positive] and not signed[square]
    assert signed[tanh] and signed[product]


@pytest.mark.parametrize("move", ["upsample", "select", "pad"])
def test_a_result_that_is_moved_is_codes(move: str) -> None:
    """One pixel of a convolution, but not as sums: 8-bit codes leave."""
    net = NetworkBuilder((2, 3, 3))
    net.conv(4, Window((3, 3)))
    if move == "upsample":
        net.upsample(2, 2)
    elif move == "select":
        net.select([1, 0])
    else:
        net.pad((1, 1, 1, 1))
    graph = net.graph()
    integer = lower(quantize(graph, params_for(graph)))
    assert integer.op(integer.output).output.bits == 8 and not integer.argmax


def test_a_function_at_the_end_leaves_wide_codes() -> None:
    """A sigmoid behind a linear layer: no sums, no argmax."""
    net = NetworkBuilder((3,))
    net.linear(4)
    net.activation("sigmoid")
    graph = net.graph()
    integer = lower(quantize(graph, params_for(graph)))
    assert integer.op(integer.output).output.bits == 8 and not integer.argmax


def test_single_features_of_flattened_images_are_refused_together() -> None:
    """A batch norm, a selection, an image of features, a sum and a concatenation, all at once."""
    net = NetworkBuilder((2, 4, 4))
    small, flat = net.flatten(net.pool(MaxPool2d, HALVE)), net.flatten("x")
    net.batchnorm(flat)
    net.select(range(8), flat)
    net.add(small, net.tail)
    net.concat(flat, small)
    net.unflatten()
    net.activation("swishy", source="x")
    net.conv(1, SAME)
    with pytest.raises(LoweringError) as error:
        place_quantizers(net.graph())
    found = {finding.where: finding for finding in error.value.findings}
    assert set(found) == {
        "layer 'bn4'", "layer 'select5'", "layer 'add6'", "layer 'cat7'", "layer 'unflat8'",
        "layer 'swishy9'",
    }  # fmt: skip
    assert all(finding.fix for finding in found.values())
    assert "silu" in found["layer 'swishy9'"].fix
