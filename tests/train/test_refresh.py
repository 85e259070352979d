"""When rows are assigned again, and what that leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError


def by_number(reverse: bool = False) -> rt.Scorer:
    """Return a measure that ranks rows by their number."""

    def score(network: rt.Network) -> dict[str, np.ndarray]:
        sign = -1.0 if reverse else 1.0
        return {op.name: sign * np.arange(op.shape[0]) for op in network.layers()}

    return score


def test_every_tenth_epoch_until_the_last_third(model: rt.RmsmpModel) -> None:
    """As in the papers; the epoch alone decides, so a resumed training does the same."""
    schedule = rt.AssignmentSchedule(model, rt.VarianceScore(), epochs=90)
    assert schedule.frozen_from == 60
    assert [epoch for epoch in range(90) if schedule.due(epoch)] == [0, 10, 20, 30, 40, 50]
    whole = rt.AssignmentSchedule(model, rt.VarianceScore(), epochs=4, every=2, frozen=1.0)
    assert [epoch for epoch in range(4) if whole.due(epoch)] == [0]
    none = rt.AssignmentSchedule(model, rt.VarianceScore(), epochs=4, every=3, frozen=0.0)
    assert [epoch for epoch in range(4) if none.due(epoch)] == [0, 3]


def test_a_step_changes_what_it_says(model: rt.RmsmpModel) -> None:
    """Changed rows are counted by layer; the others keep their trained scales to the bit."""
    schedule = rt.AssignmentSchedule(model, by_number(), epochs=9, every=2, ratio="0:3:1")
    schedule.step(0)
    with torch.no_grad():
        for op in model.layers():
            model.rmsmp.row(op.name).log_factor.normal_()
    before = rt.table_of(model)
    scales = {op.name: model.rmsmp.row(op.name).scales().detach() for op in model.layers()}
    quiet = schedule.step(1)
    assert not quiet.refreshed and quiet.rows_changed == 0 and rt.table_of(model) == before
    assert schedule.step(2).rows_changed == 0
    done = schedule.step(4, by_number(reverse=True))
    after = rt.table_of(model)
    assert done.refreshed and done.rows_changed > 0
    for name, formats in after.items():
        moved = torch.tensor([a != b for a, b in zip(before[name], formats, strict=True)])
        assert done.changed.get(name, 0) == int(moved.sum())
        now = model.rmsmp.row(name).scales().detach()
        assert torch.equal(now[~moved], scales[name][~moved])
        assert not torch.isclose(now[moved], scales[name][moved]).any()


def test_layers_of_few_rows_report_what_they_lack(model: rt.RmsmpModel) -> None:
    """5 rows at 65:30:5 hold 3.25 : 1.5 : 0.25, hence 3 : 2 : 0, and the missing row is named."""
    done = rt.AssignmentSchedule(model, by_number(), epochs=1, ratio="65:30:5").step(0)
    assert done.realized["fc"] == {"SP2-4": 3, "Fixed-4": 2}
    assert done.missing["fc"] == ("Fixed-8",)
    assert "layer 'fc': no row of 5 is Fixed-8" in done.text()
    assert "rows changed their format" in done.text()
    asked_for_none = rt.assign(model, by_number(), "1:1:0")
    assert "fc" not in asked_for_none.missing


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"epochs": 3, "every": 0}, {"epochs": 3, "frozen": 1.5}]
)
def test_impossible_schedules_are_refused(model: rt.RmsmpModel, options: dict[str, int]) -> None:
    """At once, not in the first epoch."""
    with pytest.raises(ConfigError, match="frozen"):
        rt.AssignmentSchedule(model, rt.VarianceScore(), **options)  # type: ignore[arg-type]


def test_negative_epochs_are_refused(model: rt.RmsmpModel) -> None:
    """They would be due every so often."""
    with pytest.raises(ConfigError, match="epoch -1"):
        rt.AssignmentSchedule(model, rt.VarianceScore(), epochs=3).step(-1)
