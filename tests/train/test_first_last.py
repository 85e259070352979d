"""First and last layers in 8 bits: at preparation, in every assignment, after loading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.quant.ends import end_layers
from rmsmp_hls.train.save import export_graph
from tests.train.conftest import SHAPE, prepared


def ends(model: rt.RmsmpModel) -> tuple[str, ...]:
    return tuple(op.name for op in model.layers() if op.name in model.pinned())


def shares(model: rt.RmsmpModel) -> dict[str, set[str]]:
    return {name: set(formats) for name, formats in rt.table_of(model).items()}


def only_the_ends(model: rt.RmsmpModel) -> bool:
    """Whether exactly the ends are Fixed-8, under a ratio without Fixed-8."""
    pinned = model.pinned()
    return all(("Fixed-8" in found) == (name in pinned) for name, found in shares(model).items())


def test_prepare_begins_with_it() -> None:
    """Under "same" the ratio holds everywhere; under "fixed8" not in the ends."""
    same, fixed = prepared(ratio="1:1:0"), prepared(ratio="1:1:0", first_last="fixed8")
    assert same.pinned() == frozenset() and same.first_last == "same"
    assert not any("Fixed-8" in found for found in shares(same).values())
    assert fixed.first_last == "fixed8" and fixed.pinned() == end_layers(fixed.graph)
    assert len(fixed.pinned()) == 2 and only_the_ends(fixed)
    with pytest.raises(ConfigError, match="first_last"):
        prepared(first_last="eight")


@pytest.mark.parametrize("method", ["hessian", "output-error", "variance", "weight-error"])
def test_every_assignment_keeps_it(method: str) -> None:
    """Whatever the measure; the other layers follow the ratio, and the pinned are reported."""
    model = prepared(first_last="fixed8")
    batch = (torch.rand(4, *SHAPE), torch.tensor([0, 1, 2, 3]))
    done = rt.assign(model, rt.scorer(method, F.cross_entropy, batch, iterations=2), "1:1:0")
    assert only_the_ends(model) and done.pinned == ends(model)
    for name in done.pinned:
        assert f"layer {name!r}: all rows are Fixed-8, as first or last layer" in done.text()
        assert name not in done.missing
    rows = {op.name: op.shape[0] for op in model.layers()}
    assert all(done.realized[name] == {"Fixed-8": rows[name]} for name in done.pinned)


def test_scores_of_the_ends_are_not_needed() -> None:
    """A measure may leave them out."""
    model = prepared(first_last="fixed8")
    pinned = model.pinned()

    def inner(network: rt.Network) -> dict[str, np.ndarray]:
        return {op.name: np.ones(op.shape[0]) for op in network.layers() if op.name not in pinned}

    rt.assign(model, inner)
    with pytest.raises(QuantizationError, match="leave it out"):
        rt.assign(prepared(), inner)


def test_tables_may_not_contradict_it() -> None:
    """An end in another format is refused with both ways out; Fixed-8, or none, is taken."""
    model = prepared(first_last="fixed8")
    first, last = ends(model)
    before = rt.table_of(model)
    with pytest.raises(QuantizationError, match="first_last='same'") as caught:
        rt.assign(model, {first: "Fixed-4", last: "SP2-4", "conv1": "Fixed-4"})
    assert len(caught.value.findings) == 2 and rt.table_of(model) == before
    rt.assign(model, {first: "Fixed-8", "conv1": "Fixed-4"})
    assert shares(model)["conv1"] == {"Fixed-4"} and shares(model)[last] == {"Fixed-8"}


def test_a_refresh_after_loading_keeps_it() -> None:
    """The policy lies in the state_dict, whatever the network was prepared with; a state_dict
    of an earlier version has none, a float one neither, and both load strictly."""
    source, model = prepared(first_last="fixed8"), prepared(ratio="1:1:0")
    state = source.state_dict()
    model.load_state_dict(state)
    assert model.first_last == "fixed8"
    rt.AssignmentSchedule(model, rt.VarianceScore(), epochs=3).step(0)
    assert only_the_ends(model)
    del state["rmsmp.eight_bit_ends"]
    fresh = prepared(ratio="1:1:0")
    fresh.load_state_dict(state)
    assert fresh.first_last == "same"
    fresh = prepared(first_last="fixed8")
    plain = {key: t for key, t in source.state_dict().items() if not key.startswith("rmsmp.")}
    fresh.load_state_dict(plain)
    assert fresh.first_last == "fixed8"


def test_the_model_file_keeps_it(tmp_path: Path) -> None:
    """What `build` reads."""
    rt.save(prepared(first_last="fixed8"), tmp_path / "model.pt")
    params = load_checkpoint(tmp_path / "model.pt").params
    assert params.first_last == "fixed8" and set(params.rows["fc"].formats) == {"Fixed-8"}


def test_post_training_quantization_keeps_it() -> None:
    """The same rows are pinned without training."""
    model = prepared()
    images = np.random.default_rng(0).random((12, *SHAPE), dtype=np.float32)
    result = rt.post_training_quantize(
        export_graph(model), images, ratio="1:1:0", first_last="fixed8"
    )
    ends = end_layers(result.graph)
    for name, row in result.params.rows.items():
        assert ("Fixed-8" in row.formats) == (name in ends)
        assert name not in ends or set(row.formats) == {"Fixed-8"}
    assert result.params.first_last == "fixed8"
