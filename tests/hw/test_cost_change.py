"""Costs of sizes that the search varies add up."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.cost import array_cost, cost_change

BASE = ArrayShape(
    shift_add_lanes=20, fixed4_lanes=10, fixed8_lanes=2, channels=64, pixels=4, banks=8,
    drain_rows=1, vector_lanes=4, tile_groups=16, activation_depth=4096, weight_word_bits=128,
    acc_bits=27, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E1,
)  # fmt: skip


@given(
    st.sampled_from([1, 2, 4, 8, 16, 32]), st.sampled_from([16, 64, 128, 512]),
    st.sampled_from([4, 16, 64]), st.sampled_from([32, 64, 4096, 1 << 18]),
    st.sampled_from([0, 2]), st.sampled_from([1, 4]),
)  # fmt: skip
def test_changes_add_up_to_the_whole(
    drain: int, groups: int, vector: int, depth: int, terms: int, taps: int
) -> None:
    """Drain, partial sums and vector unit change the cost each by itself, at any depth."""
    other = replace(BASE, multiplier_terms=terms, window_taps=taps)
    deep = replace(other, activation_depth=depth)
    total = array_cost(deep)
    for field, value in (("drain_rows", drain), ("tile_groups", groups), ("vector_lanes", vector)):
        total = total + cost_change(other, field, value)
    whole = replace(deep, drain_rows=drain, tile_groups=groups, vector_lanes=vector)
    assert total == array_cost(whole)
