"""Label smoothing and distillation against their formulas."""

from __future__ import annotations

import pytest
import torch

from rmsmp_hls.config.training import LossSettings
from rmsmp_hls.train import prepare
from rmsmp_hls.trainer.loss import Loss, Teacher, float_tensors
from tests.trainer.samples import network


def softmax(row: list[float], heat: float) -> list[float]:
    powers = [2.718281828459045 ** (value / heat) for value in row]
    return [power / sum(powers) for power in powers]


def test_label_smoothing_is_its_formula() -> None:
    """A share of every target is spread over all classes."""
    from math import log

    logits, labels = [[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], [2, 0]
    expected = 0.0
    for row, label in zip(logits, labels, strict=True):
        targets = [0.2 / 3 + 0.8 * (c == label) for c in range(3)]
        expected -= sum(t * log(p) for t, p in zip(targets, softmax(row, 1), strict=True)) / 2
    loss = Loss(LossSettings(label_smoothing=0.2))
    found = loss(torch.tensor(logits), torch.zeros(2, 1), torch.tensor(labels))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_distillation_is_its_formula() -> None:
    """The share of the divergence from the teacher's softened answers, times T squared."""
    from math import log

    torch.manual_seed(0)
    model = prepare(network(), torch.rand(1, 1, 4, 4)).eval().quantize_enabled(False)
    images, labels = torch.randn(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])
    teacher = Teacher(model, float_tensors(model))
    theirs = model(images).detach()
    ours = theirs + torch.randn(theirs.shape)
    hard = float(torch.nn.functional.cross_entropy(ours, labels))
    soft = 0.0
    for p_row, q_row in zip(theirs.tolist(), ours.tolist(), strict=True):
        pairs = zip(softmax(p_row, 3), softmax(q_row, 3), strict=True)
        soft += sum(p * (log(p) - log(q)) for p, q in pairs) / 4
    found = Loss(LossSettings(distillation=0.25, temperature=3), teacher)(ours, images, labels)
    assert float(found) == pytest.approx(0.75 * hard + 0.25 * 9 * soft, rel=1e-4)


def test_the_teacher_stays_as_it_was() -> None:
    """Training the model on does not move its teacher."""
    model = prepare(network(), torch.rand(1, 1, 4, 4)).eval().quantize_enabled(False)
    teacher, images = Teacher(model, float_tensors(model)), torch.randn(2, 1, 4, 4)
    before = teacher(images)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert torch.equal(teacher(images), before)
    assert not torch.allclose(model(images), before)
