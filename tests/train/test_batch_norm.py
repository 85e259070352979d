"""Batch norm with frozen statistics: in training what it is in evaluation and in hardware."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.trainer.network import holder
from tests.blocks import BLOCKS, images_for
from tests.frontend.models import Residual, randomized
from tests.train.conftest import SHAPE
from tests.train.test_training import task


def without_dropout() -> rt.RmsmpModel:
    torch.manual_seed(0)
    net = randomized(Residual())
    net.dropout = nn.Identity()
    model = rt.prepare(net, torch.zeros(1, *SHAPE), ratio="40:40:20")
    rt.calibrate(model, [torch.rand(32, *SHAPE)])
    return model


def statistics(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_buffers()
    return {name: t.clone() for name, t in named if "running" in name or "tracked" in name}


def epoch(model: rt.RmsmpModel, optimizer: torch.optim.Optimizer) -> None:
    images, labels = task()
    for x, y in zip(images.split(32), labels.split(32), strict=True):
        loss = F.cross_entropy(model.train()(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_the_last_third_by_default(model: rt.RmsmpModel) -> None:
    """As the assignment of rows; the epoch alone decides."""
    schedule = rt.BatchNormSchedule(model, epochs=90)
    assert schedule.frozen_from == 60
    assert [schedule.step(e) for e in (0, 59, 60, 89, 3)] == [False, False, True, True, False]
    assert not model.rmsmp.frozen_norms
    assert rt.BatchNormSchedule(model, epochs=4, frozen=0.0).step(3) is False
    assert rt.BatchNormSchedule(model, epochs=4, frozen=1.0).step(0) is True


@pytest.mark.parametrize("quantized", [False, True])
def test_frozen_training_is_evaluation(quantized: bool) -> None:
    """Without dropout both modes give the same numbers but for float rounding, and before that
    they do not; with quantizers a code may round another way."""
    model = without_dropout().quantize_enabled(quantized)
    x = task()[0][:32]
    with torch.no_grad():
        evaluated = model.eval()(x)
        by_batch = model.train()(x)
        model.load_state_dict({k: v for k, v in without_dropout().state_dict().items()})
        frozen = model.freeze_batch_norm().train()(x)
    assert float((by_batch - evaluated).abs().max()) > 0.05
    off = (frozen - evaluated).abs() > 1e-4 * evaluated.abs().max()
    assert float(off.double().mean()) <= (0.02 if quantized else 0.0)


def test_statistics_stay_and_all_else_learns() -> None:
    """Running means, variances and counters are the same to the bit; weight and bias of the
    batch norms move on."""
    model = without_dropout()
    optimizer = torch.optim.Adam(rt.parameter_groups(model), lr=1e-3)
    schedule = rt.BatchNormSchedule(model, epochs=2, frozen=0.5)
    seen = [statistics(model)]
    factors = [model.bn1.weight.detach().clone()]  # type: ignore[union-attr,operator]
    for number in range(2):
        schedule.step(number)
        epoch(model, optimizer)
        seen.append(statistics(model))
        factors.append(model.bn1.weight.detach().clone())  # type: ignore[union-attr,operator]
    assert all(not torch.equal(seen[0][name], seen[1][name]) for name in seen[0])
    assert all(torch.equal(seen[1][name], seen[2][name]) for name in seen[0])
    assert not torch.equal(factors[1], factors[2])


def test_networks_without_modules_too() -> None:
    """A file's batch norms are operations only, also those of their own."""
    graph = BLOCKS["dense_block"](0)
    from rmsmp_hls.train.model import prepare_traced

    model = prepare_traced(
        holder(graph), graph, codebook="SP2-4", ratio="65:30:5", widths=(4, 8, 8)
    )
    x = torch.from_numpy(images_for(graph, 8, 0))
    rt.calibrate(model, [x])
    before = statistics(model)
    with torch.no_grad():
        frozen = model.freeze_batch_norm().train()(x)
        assert all(torch.equal(before[name], t) for name, t in statistics(model).items())
        evaluated = model.eval()(x)
        model.freeze_batch_norm(False).train()(x)
    assert any(not torch.equal(before[name], t) for name, t in statistics(model).items())
    assert float(((frozen - evaluated).abs() > 1e-3).double().mean()) < 0.2


def test_a_training_that_goes_on_ends_the_same() -> None:
    """Stopped behind the first epoch and loaded into a fresh model: the schedule has no state."""

    def run(model: rt.RmsmpModel, optimizer: torch.optim.Optimizer, epochs: range) -> None:
        schedule = rt.BatchNormSchedule(model, epochs=3)
        for number in epochs:
            schedule.step(number)
            epoch(model, optimizer)

    def fresh() -> tuple[rt.RmsmpModel, torch.optim.Optimizer]:
        model = without_dropout()
        return model, torch.optim.Adam(rt.parameter_groups(model), lr=1e-3)

    whole, first, second = fresh(), fresh(), fresh()
    run(*whole, range(3))
    run(*first, range(2))
    second[0].load_state_dict(copy.deepcopy(first[0].state_dict()))
    second[1].load_state_dict(copy.deepcopy(first[1].state_dict()))
    run(*second, range(2, 3))
    ours, theirs = whole[0].state_dict(), second[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_impossible_schedules_are_refused(model: rt.RmsmpModel) -> None:
    """At once; and epochs are counted from 0."""
    for options in ({"epochs": 0}, {"epochs": 3, "frozen": 1.5}, {"epochs": 3, "frozen": -0.1}):
        with pytest.raises(ConfigError, match="frozen"):
            rt.BatchNormSchedule(model, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="epoch -1"):
        rt.BatchNormSchedule(model, epochs=3).step(-1)


def test_one_value_per_channel_has_no_statistics() -> None:
    """A batch of one image, behind which batch norm sees one pixel: the layer is named; of
    several pixels, in evaluation and with frozen statistics one image will do."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(16, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3),
    )  # fmt: skip
    model = rt.prepare(net, torch.zeros(1, 1, 4, 4))
    x = torch.rand(8, 1, 4, 4)
    rt.calibrate(model, [x])
    for quantized in (True, False):
        model.quantize_enabled(quantized).freeze_batch_norm(False).train()
        with pytest.raises(QuantizationError, match="layer '5': batch norm of one value"):
            model(x[:1])
        model(x[:2])
        model.freeze_batch_norm()(x[:1])
        model.eval()(x[:1])
