"""The fuzzer finds faults: each one planted here is seen in the stage where it lies."""

from __future__ import annotations

import dataclasses

import pytest

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.hw.array import PARAM_BYTES
from rmsmp_hls.ir.graph import IntGraph, QuantGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.pack.design import PARAMS, PackedDesign
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.schedule.schedule import Schedule
from tests.fuzz import checks
from tests.fuzz.arrays import random_array
from tests.fuzz.case import Case, Network, Node, Quantization
from tests.fuzz.checks import Effort, Failure, Passed, Refusal, check
from tests.fuzz.choices import SeededChoices
from tests.fuzz.simulator import Simulator
from tests.fuzz.test_random_networks import ARRAYS

_NODES = (
    Node.of(
        "conv", 0, kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1), out=4, bias=1,
        seed=1,
    ),
    Node.of("relu", 1),
    Node.of("mean", 2, keepdim=0),
    Node.of("linear", 3, out=3, bias=1, seed=2),
)  # fmt: skip


def _case() -> Case:
    """Return a small classifier for the first of the arrays that are compiled anyway."""
    array = random_array(SeededChoices(ARRAYS[0]))
    shares = (1, 0, 0) if array.shift_add_lanes else (0, 1, 0)
    how = Quantization(array.shift_add_codebook, shares, (4, 8, 8), True, 0, 5)
    return Case(Network((3, 5, 4), _NODES), how, array)


def test_a_good_case_passes(simulator: Simulator) -> None:
    """With emulator and C++."""
    outcome = check(_case(), Effort(simulator))
    assert isinstance(outcome, Passed) and outcome.emulated and outcome.elements > 100


def test_a_wrong_multiplier_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training model disagrees with an integer model whose bias is off by one code."""

    def wrong(graph: QuantGraph) -> IntGraph:
        lowered = lower(graph)
        ops = [
            dataclasses.replace(op, bias=ConstTensor(op.bias.array + (1 << op.shift)))
            if isinstance(op, IntMatmul) and op.output is not None
            else op
            for op in lowered
        ]
        return dataclasses.replace(lowered, ops=tuple(ops))

    monkeypatch.setattr(checks, "lower", wrong)
    with pytest.raises(Failure, match="training model"):
        check(_case(), Effort(None))


def _flip_bias(design: PackedDesign) -> PackedDesign:
    """Return the design with a bit of every row's bias the other way round."""
    data = bytearray(design.blob(PARAMS))
    for start in range(0, len(data), PARAM_BYTES):
        data[start + 6] ^= 1
    blobs = tuple((name, bytes(data) if name == PARAMS else old) for name, old in design.blobs)
    return dataclasses.replace(design, blobs=blobs)


@pytest.mark.parametrize("stage", ["emulator", "csim native"])
def test_a_wrong_parameter_is_found(
    stage: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emulator and C++ each see a packed design that means something else."""
    pack = checks.pack
    monkeypatch.setattr(checks, "pack", lambda g, s: _flip_bias(pack(g, s)))
    emulated = 10**6 if stage == "emulator" else 0
    with pytest.raises(Failure, match=stage):
        check(_case(), Effort(simulator, emulated=emulated))


def test_a_proper_refusal_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the toolchain with what and fix; without a fix it is a failure."""

    def refuse(fix: str) -> None:
        def raising(graph: IntGraph, array: object) -> Schedule:
            raise LoweringError("too wide", fix=fix)

        monkeypatch.setattr(checks, "make_schedule", raising)

    refuse("make it narrower")
    assert check(_case(), Effort(None)) == Refusal("schedule", "too wide")
    refuse("")
    with pytest.raises(Failure, match="without what or fix"):
        check(_case(), Effort(None))


def test_any_other_exception_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure names the exception and its line."""
    monkeypatch.setattr(checks, "lower", lambda graph: {}["nothing"])
    with pytest.raises(Failure, match=r"KeyError at test_checks\.py"):
        check(_case(), Effort(None))
