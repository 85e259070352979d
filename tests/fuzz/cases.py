"""Random cases: an array, a network, and how it is quantized."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import boards
from tests.fuzz.arrays import random_array, random_shares
from tests.fuzz.case import Case, Quantization
from tests.fuzz.choices import Choices, DrawnChoices
from tests.fuzz.networks import random_network


def random_case(choices: Choices, array: ArrayShape | None = None) -> Case:
    """Return a case for the given array, or for one that is drawn as well."""
    chosen = array or random_array(choices)
    return Case(
        network=random_network(choices),
        quantization=random_quantization(choices, chosen),
        array=chosen,
        images=choices.integer(1, 3),
        tile_groups=choices.integer(1, chosen.tile_groups) if choices.chance(40) else 0,
        depth=choices.pick((80, 90, 60, 40)) if choices.chance(30) else 0,
        seed=choices.seed(),
    )


def board_case(choices: Choices) -> Case:
    """Return a case whose array is the one that the toolchain chooses for a random board."""
    case = random_case(choices)
    return Case(
        case.network, case.quantization, case.array,
        board=choices.pick(boards()).name, images=1, seed=case.seed,
    )  # fmt: skip


def random_quantization(choices: Choices, array: ArrayShape) -> Quantization:
    """Return how to quantize for an array: mostly 4 and 8 bits, else 2..8."""
    bits = (4, 8, 8)
    if choices.chance(40):
        bits = (choices.integer(2, 8), choices.integer(2, 8), choices.integer(2, 8))
    terms = array.multiplier_terms
    drawn = Quantization(
        codebook=array.shift_add_codebook,
        shares=random_shares(choices, array),
        bits=bits,
        input_signed=choices.chance(60),
        spread=choices.weighted({0: 50, 1: 30, 3: 15, 6: 5}),
        seed=choices.seed(),
    )
    if terms:
        terms = choices.integer(1, terms)
    elif choices.chance(15):
        terms = choices.integer(1, 3)
    return replace(drawn, terms=terms, powers=choices.chance(50 if terms else 5))


@st.composite
def cases(draw: st.DrawFn, array: ArrayShape | None = None) -> Case:
    """Strategy: cases as `random_case` draws them."""
    return random_case(DrawnChoices(draw), array)
