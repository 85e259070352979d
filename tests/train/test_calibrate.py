"""What calibration keeps of the tensors it sees."""

from __future__ import annotations

import pytest
import torch

from rmsmp_hls.train.calibrate import Observer


@pytest.mark.parametrize("batches", [1, 4, 7, 23])
@pytest.mark.parametrize("width", [7, 8, 12])
def test_a_sample_sees_all_columns(batches: int, width: int) -> None:
    """Whatever the image's width and the number of batches: each column by its share."""
    images = torch.zeros(64, 16, 8, width) + torch.arange(width)
    seen = Observer()
    for _ in range(batches):
        seen.see(images)
    counts = torch.bincount(seen.sample().long(), minlength=width) / seen.sample().numel()
    assert torch.allclose(counts, torch.full((width,), 1 / width, dtype=counts.dtype), atol=0.02)


def test_small_tensors_are_kept_whole() -> None:
    """In order, extremes noted."""
    seen = Observer()
    seen.see(torch.tensor([[1.0, -2.0]]))
    seen.see(torch.tensor([[3.0, 0.5]]))
    assert seen.sample().tolist() == [1.0, -2.0, 3.0, 0.5]
    assert (seen.low, seen.high) == (-2.0, 3.0)


def test_memory_is_bounded_and_batches_weigh_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four batches of thousand numbers, room for ten thousand: early and late ones alike."""
    monkeypatch.setitem(Observer.see.__globals__, "_SAMPLES", 1000)
    monkeypatch.setitem(Observer.see.__globals__, "_KEPT", 10_000)
    seen = Observer()
    for number in range(64):
        seen.see(torch.full((1000,), float(number)))
        assert sum(part.numel() for part in seen.parts) <= 10_000
    kept = torch.cat(seen.parts)
    assert float((kept < 32).double().mean()) == pytest.approx(0.5, abs=0.1)
    assert seen.sample().numel() == 1000
