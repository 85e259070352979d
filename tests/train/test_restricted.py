"""Multipliers of few terms: training model and integers agree, all multipliers have few terms."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntMatmul, IntMultiply, IntSumPool
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.multipliers import most_terms
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.evaluate import evaluate
from tests.blocks import BLOCKS, fitted_params, images_for
from tests.train.conftest import SHAPE, prepared
from tests.train.test_blocks import differences


def multipliers(graph: IntGraph) -> dict[str, list[int]]:
    """Operation -> its multipliers."""
    found: dict[str, list[int]] = {}
    for op in graph:
        if isinstance(op, IntMatmul):
            found[op.name] = [int(m) for m in np.asarray(op.multiplier.array)]
        elif isinstance(op, IntAdd):
            found[op.name] = list(op.multipliers)
        elif isinstance(op, (IntMultiply, IntSumPool)):
            found[op.name] = [op.multiplier]
    return found


@pytest.mark.parametrize("terms", [1, 2, 3])
@pytest.mark.parametrize("name", list(BLOCKS))
def test_evaluation_is_the_integer_model(name: str, terms: int) -> None:
    """Every multiplier has few terms; of the same codes every operation makes the same codes."""
    graph = BLOCKS[name](2)
    params = dataclasses.replace(fitted_params(graph), multiplier_terms=terms)
    images = images_for(graph, 12, 1)
    integer = lower(quantize(graph, params))
    verify(integer, "lower")
    assert max(most_terms(found) for found in multipliers(integer).values()) <= terms
    trained = evaluate(graph, params, images).codes
    assert max(differences(integer, dict(trained)).values()) < 1e-3


def test_training_sees_the_multipliers_of_the_integers() -> None:
    """In training mode too, weights are rounded to the scales that quantize gives the layer."""
    model = prepared(multipliers="k-hot:1").train()
    params, seen = rt.export_params(model), {}
    quantized = quantize(rt.export_graph(model), params)
    for op in model.layers():
        row = model.rmsmp.row(op.name)
        row.register_forward_hook(lambda _m, _i, made, name=op.name: seen.update({name: made}))
    loss = F.cross_entropy(model(torch.rand(16, *SHAPE)), torch.zeros(16, dtype=torch.long))
    loss.backward()
    fresh = {op.module: op for op in quantized if hasattr(op, "row_scales")}
    for op in model.layers():
        scales = seen[op.name][1].detach().numpy()
        wanted = np.asarray(fresh[op.module or op.name].row_scales.array)
        assert scales == pytest.approx(wanted, rel=1e-5)
        trained = model.rmsmp.row(op.name).log_factor.grad
        assert trained is not None and bool(torch.isfinite(trained).all())
    assert any(
        (s[1].detach().numpy() != params.rows[n].scales.array).any() for n, s in seen.items()
    )


def test_a_saved_model_keeps_its_terms(tmp_path: Path) -> None:
    """Through the checkpoint; a model prepared without keeps 0."""
    rt.save(prepared(multipliers="k-hot:3"), tmp_path / "a.pt")
    rt.save(prepared(), tmp_path / "b.pt")
    terms = [load_checkpoint(tmp_path / f"{name}.pt").params.multiplier_terms for name in "ab"]
    assert terms == [3, 0]


def test_other_words_are_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match="k-hot:3"):
        prepared(multipliers="k-hot:5")


def test_more_terms_cost_less_without_training() -> None:
    """Post-training: the SQNR of the result grows with K and comes near that of exact ones."""
    graph = BLOCKS["inverted_residual"](0)
    images = images_for(graph, 32, 3)
    found = {
        word: rt.post_training_quantize(graph, images, multipliers=word, ratio="0:0:100",
                                        activation_bits=8, equalize="off")
        for word in ("k-hot:1", "k-hot:2", "k-hot:3", "exact")
    }  # fmt: skip
    db = [result.output.sqnr_db for result in found.values()]
    assert db[0] < db[1] < db[2] < db[3] + 0.5
    assert [r.params.multiplier_terms for r in found.values()] == [1, 2, 3, 0]
