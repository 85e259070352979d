"""Options of a training that change what is trained: formats, scales, penalties, statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rmsmp_hls.config.training import (
    AdmmSettings,
    Assignment,
    BatchNormSettings,
    PhaseSettings,
    Quantization,
)
from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.numerics.codebooks import CODEBOOKS
from rmsmp_hls.train.assign import METHODS
from rmsmp_hls.trainer import train
from tests.trainer.samples import HERE, StopAt, Stopped, config, log, run, same, states

LARGEST = [book.max_magnitude for book in CODEBOOKS.values()]


def test_policies_are_obeyed_and_go_on(tmp_path: Path) -> None:
    """ADMM, frozen batch norm and 8-bit ends: stopped anywhere, the bits are the same; statistics
    stay in the last epoch, and the ends are Fixed-8 to the end."""
    settings = config(
        tmp_path / "whole",
        quantization=Quantization(
            calibration_images=32, ratio=(1.0, 1.0, 0.0), first_last="fixed8"
        ),
        admm=AdmmSettings(rho=0.01, update_steps=3),
        batch_norm=BatchNormSettings(frozen_epochs=1),
        checkpoint_steps=1,
    )
    run(settings)
    for step in (11, 12, 17):
        stopped = replace(settings, out=tmp_path / str(step))
        with pytest.raises(Stopped):
            train(stopped, HERE, StopAt(step))
        if step == 17:  # behind the first step of the last epoch
            middle = states(stopped.out)
        run(stopped)
        assert same(states(settings.out), states(stopped.out)), step
    final = states(settings.out)
    assert torch.equal(middle["1.running_mean"], final["1.running_mean"])
    assert not torch.equal(middle["1.weight"], final["1.weight"])
    params = load_checkpoint(settings.out / "model.pt").params
    assert params.first_last == "fixed8"
    assert {name for row in params.rows.values() for name in row.formats} == {"Fixed-8"}


def test_admm_and_frozen_statistics_change_the_result(whole: Path, tmp_path: Path) -> None:
    """Each on its own; both leave the float phase alone."""
    for number, changes in enumerate(
        ({"admm": AdmmSettings(rho=0.01)}, {"batch_norm": BatchNormSettings(frozen_epochs=2)})
    ):
        out = tmp_path / str(number)
        run(config(out, **changes))
        assert not same(states(whole), states(out))
        assert [r["loss"] for r in log(out)][:2] == [r["loss"] for r in log(whole)][:2]


def test_rows_come_from_a_table(whole: Path, tmp_path: Path) -> None:
    """The user's own assignment; one for other layers is refused before anything is trained."""
    (tmp_path / "rows.yaml").write_text("'0': [SP2-4, Fixed-4, Fixed-8, SP2-4]\n'5': Fixed-8\n")
    run(config(tmp_path / "out", assignment=Assignment(table=tmp_path / "rows.yaml")))
    rows = load_checkpoint(tmp_path / "out" / "model.pt").params.rows
    assert rows["0"].formats == ("SP2-4", "Fixed-4", "Fixed-8", "SP2-4")
    assert set(rows["5"].formats) == {"Fixed-8"}
    (tmp_path / "other.yaml").write_text("conv1: Fixed-8\nfc: PoT-4\n")
    with pytest.raises(QuantizationError, match="no such layer") as caught:
        run(config(tmp_path / "no", assignment=Assignment(table=tmp_path / "other.yaml")))
    assert len(caught.value.findings) == 2
    assert not (tmp_path / "no" / "state" / "last.pt").exists()


@pytest.mark.parametrize("method", METHODS)
def test_every_measure_is_available(tmp_path: Path, method: str) -> None:
    """By its name, with the shares realized."""
    outcome = run(
        config(
            tmp_path / "out", assignment=Assignment(method=method, images=8),
            quantization=Quantization(ratio=(2.0, 1.0, 1.0), calibration_images=16),
            float_training=PhaseSettings(0), quantized_training=PhaseSettings(0),
        )
    )  # fmt: skip
    assert outcome.rows == {"SP2-4": 3, "Fixed-4": 2, "Fixed-8": 2}
    assert outcome.warnings == ()


def test_ways_to_scale_reach_the_network(tmp_path: Path) -> None:
    """Fixed activation scales are those of calibration, rows' scales the layer's largest weight;
    trained ones are not."""
    forms = []
    for number, scale in enumerate(("fixed", "lsq")):
        settings = config(
            tmp_path / str(number),
            quantization=Quantization(activation_scale=scale, weight_fit="max-abs"),
            float_training=PhaseSettings(0),
        )
        with pytest.raises(Stopped):
            train(settings, HERE, StopAt(1))
        before = states(settings.out)
        run(settings)
        forms.append((before, states(settings.out)))
    names = [n for n in forms[0][0] if n.startswith("rmsmp.activations") and "factor" in n]
    assert names and all(torch.equal(forms[0][0][n], forms[0][1][n]) for n in names)
    assert not all(torch.equal(forms[1][0][n], forms[1][1][n]) for n in names)
    before = forms[0][0]
    for layer in ("0", "5"):
        reach = before[f"rmsmp.rows.{layer}.base"] * torch.tensor(
            [LARGEST[int(index)] for index in before[f"rmsmp.rows.{layer}.formats"]]
        )
        largest = before[f"{layer}.weight"].abs().max()
        torch.testing.assert_close(reach, largest.expand_as(reach))


def test_layers_of_few_rows_are_reported(tmp_path: Path) -> None:
    """Four and three rows hold no twentieth."""
    phases = {"float_training": PhaseSettings(0), "quantized_training": PhaseSettings(0)}
    outcome = run(config(tmp_path / "out", **phases))
    assert "layer '5': no row of 3 is Fixed-8" in outcome.warnings[0]
