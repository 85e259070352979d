"""Where quantizers stand."""

from __future__ import annotations

from rmsmp_hls.ir.types import Window
from rmsmp_hls.quant.placement import place_quantizers
from tests.networks import NetworkBuilder, residual_network


def test_chains_end_at_the_clamp_and_branches_of_an_add_have_eight_bits() -> None:
    """conv + batch norm + ReLU is one point; tensors that an add reads get 8 bits."""
    plan = place_quantizers(residual_network())
    bits = {p.tensor: p.bits for p in plan.points}
    assert bits["x"] == 8
    assert bits["relu3"] == 8, "read by the add"
    assert bits["conv7"] == 8, "the other branch"
    assert bits["relu9"] == 4
    assert plan.logits.tensor == plan.logits.head == "fc15"
    assert plan.point("fc15") is None


def test_a_matmul_reads_an_eight_bit_branch_through_a_narrow() -> None:
    """The trunk is kept at 8 bits for the add and read at 4 bits by the convolution."""
    plan = place_quantizers(residual_network())
    narrow = plan.narrow_of("relu3")
    assert narrow is not None and narrow.bits == 4 and not narrow.signed
    assert plan.narrow_of("x") is None, "the network's input is read at 8 bits"


def test_sign_follows_the_clamp() -> None:
    """A convolution without ReLU is signed, ReLU and pooled ReLU are not."""
    plan = place_quantizers(residual_network())
    signed = {p.tensor: p.signed for p in plan.points}
    assert signed["x"] and signed["conv7"]
    assert not signed["relu3"] and not signed["relu9"] and not signed["pool13"]


def test_a_clamp_whose_input_has_other_readers_is_a_point_of_its_own() -> None:
    """conv read by an add and by a ReLU: conv makes codes, the ReLU requantizes them."""
    net = NetworkBuilder((2, 4, 4))
    conv = net.conv(2, Window())
    relu = net.clamp()
    net.add(conv, relu)
    net.conv(3, Window())
    plan = place_quantizers(net.graph())
    heads = {p.tensor: p.head for p in plan.points}
    assert heads[conv] == conv and heads[relu] == relu
