"""Right answers, counted without keeping tensors."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls.ir.types import Window
from rmsmp_hls.train.evaluate import count_correct, evaluate, images_per_batch
from tests.networks import NetworkBuilder, params_for, residual_network

IMAGES = np.random.default_rng(0).normal(size=(20, 3, 9, 7)).astype(np.float32)


def test_counts_are_those_of_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both networks, in batches of any size."""
    graph = residual_network()
    params, labels = params_for(graph), np.arange(20) % 5
    expected = evaluate(graph, params, IMAGES, labels)
    monkeypatch.setattr("rmsmp_hls.train.evaluate._BATCH", 6)
    steps: list[tuple[str, int, int]] = []
    found = [
        count_correct(
            graph, params, IMAGES, labels, quantized=q, progress=lambda *step: steps.append(step)
        )
        for q in (False, True)
    ]
    assert found == [expected.float_correct, expected.quantized_correct]
    assert steps[-1] == ("validation", 20, 20)


def test_images_have_no_class() -> None:
    """A result that is an image is no answer."""
    net = NetworkBuilder((3, 9, 7))
    net.conv(4, Window(kernel=(3, 3)))
    graph = net.graph()
    labels = np.zeros(20, dtype=np.int64)
    assert count_correct(graph, params_for(graph), IMAGES, labels, quantized=True) is None


def test_large_images_come_in_small_batches() -> None:
    """At least one at a time."""
    small, large, huge = (NetworkBuilder((3, n, n)).graph() for n in (8, 1024, 8192))
    assert images_per_batch(small) == 64
    assert images_per_batch(large) == 10
    assert images_per_batch(huge) == 1
