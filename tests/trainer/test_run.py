"""Whole trainings: what they write, and that they go on as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rmsmp_hls.config.training import DataSource, NetworkSource, PhaseSettings
from rmsmp_hls.errors import ArtefactError, ConfigError, ModelImportError, QuantizationError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.trainer import train
from rmsmp_hls.trainer.session import Session
from tests.trainer.samples import (
    HERE,
    StopAt,
    Stopped,
    config,
    data,
    log,
    network,
    run,
    same,
    states,
)

ROOT = HERE.parents[1]


def test_it_writes_what_build_reads(whole: Path) -> None:
    """The model has formats in the ratio, the validation images, and both accuracies."""
    checkpoint = load_checkpoint(whole / "model.pt")
    assert checkpoint.params.ratio == (65.0, 30.0, 5.0)
    assert checkpoint.validation is not None
    assert len(checkpoint.validation.labels.array) == 10
    assert checkpoint.float_accuracy is not None
    assert checkpoint.fake_quantized_accuracy is not None
    final = states(whole)
    assert np.array_equal(checkpoint.graph.constants["0.weight"].array, final["0.weight"].numpy())


def test_the_log_has_every_epoch(whole: Path) -> None:
    """One record per epoch, with loss, rate, accuracy and the number of steps so far."""
    records = log(whole)
    assert [record["total"] for record in records] == [4, 8, 12, 16, 20]
    assert [record["phase"] for record in records] == ["float_training"] * 2 + [
        "quantized_training"
    ] * 3
    assert all(0 <= record["accuracy"] <= 1 and record["loss"] > 0 for record in records)


def test_the_best_epoch_is_kept(whole: Path) -> None:
    """best.pt is the first epoch of the highest accuracy among the quantized ones."""
    shares = [record["accuracy"] for record in log(whole)[2:]]
    position = torch.load(whole / "state" / "last.pt")["position"]
    assert position["best_accuracy"] == max(shares)
    assert position["best_epoch"] == shares.index(max(shares)) + 1
    assert load_checkpoint(whole / "best.pt").validation is not None


def test_the_seed_decides(whole: Path, tmp_path: Path) -> None:
    """The same seed gives the same bits, another one others."""
    run(config(tmp_path / "same"))
    run(config(tmp_path / "other", seed=1))
    assert same(states(whole), states(tmp_path / "same"))
    assert not same(states(whole), states(tmp_path / "other"))


@pytest.mark.parametrize("step", [1, 6, 8, 9, 14, 20])
def test_a_stopped_training_goes_on_to_the_same_bits(
    whole: Path, tmp_path: Path, step: int
) -> None:
    """Stopped at any step, with states kept every 3 steps, the result and the log are the same."""
    settings = config(tmp_path / "out", checkpoint_steps=3)
    with pytest.raises(Stopped):
        train(settings, HERE, StopAt(step))
    outcome = run(settings)
    assert outcome.resumed
    assert same(states(whole), states(tmp_path / "out"))
    assert [(r["total"], r["loss"]) for r in log(tmp_path / "out")] == [
        (r["total"], r["loss"]) for r in log(whole)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("reading", [40, 200, 340])
def test_a_killed_training_goes_on_to_the_same_bits(
    whole: Path, tmp_path: Path, reading: int
) -> None:
    """SIGKILL while an item is read, in either phase: the same command ends with the same bits."""
    script = (
        "import sys; from pathlib import Path; from rmsmp_hls.trainer import train;"
        "from tests.trainer.samples import config, HERE;"
        "train(config(Path(sys.argv[1]), checkpoint_steps=1), HERE)"
    )
    environment = {**os.environ, "KILL_AT": str(reading), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")], env=environment, cwd=ROOT,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "out" / "model.pt").exists()
    outcome = run(config(tmp_path / "out", checkpoint_steps=1))
    assert outcome.resumed
    assert same(states(whole), states(tmp_path / "out"))


def test_a_finished_training_is_not_done_again(whole: Path) -> None:
    """Running it again changes neither state nor log; parts of killed writes are removed."""
    leftovers = [whole / ".model.pt.abc", whole / "state" / ".last.pt.abc"]
    for leftover in leftovers:
        leftover.touch()
    before = states(whole), log(whole)
    assert run(config(whole)).resumed == "the end"
    assert not any(leftover.exists() for leftover in leftovers)
    assert same(before[0], states(whole))
    assert log(whole) == before[1]


def test_loader_processes_change_nothing(whole: Path, tmp_path: Path) -> None:
    """Augmentation depends on the item, not on who reads it."""
    settings = config(tmp_path / "out")
    run(replace(settings, data=replace(settings.data, workers=1)))
    assert same(states(whole), states(tmp_path / "out"))


def test_other_settings_are_refused(whole: Path) -> None:
    """A folder goes on with its own settings only; those that changed are listed."""
    with pytest.raises(ConfigError, match=r"seed was 0, is 5.*") as caught:
        run(config(whole, seed=5, float_training=PhaseSettings(2, lr=0.02, clip_norm=1.0)))
    assert "float_training.lr was 0.01, is 0.02" in str(caught.value)


def test_another_architecture_is_refused(whole: Path) -> None:
    """The names in which the state and the network differ are listed."""
    other = NetworkSource("tests.trainer.samples:network", {"norm": "no"})
    with pytest.raises(ArtefactError, match=r"another architecture.*missing.*unknown: 1\.weight"):
        run(config(whole, model=other))
    other = NetworkSource("tests.trainer.samples:network", {"channels": "6"})
    with pytest.raises(ArtefactError, match=r"0\.weight \[4, 1, 3, 3\] instead of \[6, 1, 3, 3\]"):
        run(config(whole, model=other))


def test_a_loss_that_is_not_finite_stops(tmp_path: Path) -> None:
    """The epoch, the step and the layer are named; the state before can be loaded."""
    settings = config(
        tmp_path / "out", data=DataSource("tests.trainer.samples:broken_data", batch_size=8)
    )
    with pytest.raises(QuantizationError, match=r"not finite first: layer '0'") as caught:
        run(settings)
    assert "float_training, epoch 1, step" in caught.value.where
    assert all(bool(torch.isfinite(t).all()) for k, t in states(tmp_path / "out").items()
               if not k.startswith("rmsmp."))  # fmt: skip


def test_a_step_too_far_stops(tmp_path: Path) -> None:
    """Parameters that are no numbers are named, and never kept."""
    phase = PhaseSettings(2, "sgd", lr=1e38)
    with pytest.raises(QuantizationError, match="NaN or infinite"):
        run(config(tmp_path / "out", float_training=phase, checkpoint_steps=1))
    assert all(bool(torch.isfinite(t).all()) for k, t in states(tmp_path / "out").items()
               if not k.startswith("rmsmp."))  # fmt: skip


def test_a_checkpoint_is_fine_tuned_on_arrays(whole: Path, tmp_path: Path) -> None:
    """The network of a file and .npz data: its weights are where training begins."""
    items = data()[0]
    np.savez(tmp_path / "train.npz", inputs=items.images.numpy(), labels=items.classes.numpy())
    settings = config(
        tmp_path / "out",
        model=NetworkSource(checkpoint=whole / "model.pt"),
        data=DataSource(train=tmp_path / "train.npz", batch_size=16),
        float_training=PhaseSettings(0),
        quantized_training=PhaseSettings(1, lr=1e-9, weight_decay=0.0),
    )
    run(settings)
    before, after = (load_checkpoint(p / "model.pt").graph for p in (whole, tmp_path / "out"))
    assert set(before.constants) == set(after.constants)
    for key in ("0.weight", "5.weight"):
        assert np.allclose(before.constants[key].array, after.constants[key].array, atol=1e-6)
    assert not np.array_equal(
        before.constants["1.running_mean"].array, after.constants["1.running_mean"].array
    )


def test_unsupported_modules_are_listed(tmp_path: Path) -> None:
    """Both, before anything is trained."""
    settings = config(tmp_path / "out", model=NetworkSource("tests.trainer.samples:unsupported"))
    with pytest.raises(ModelImportError) as caught:
        run(settings)
    assert len(caught.value.findings) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": NetworkSource("no_such:thing")}, "cannot be imported"),
        ({"model": NetworkSource("tests.trainer.samples:nothing")}, "no function 'nothing'"),
        ({"model": NetworkSource("tests.trainer.samples:data")}, "returns a tuple"),
        ({"data": DataSource("tests.trainer.samples:network")}, "does not return a pair"),
        ({"data": DataSource("tests.trainer.samples:data", batch_size=71)}, "do not fill a batch"),
        ({"data": DataSource(train=Path("nothing.npz"))}, "cannot be read"),
        ({"precision": "float16"}, "float16 needs a GPU"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    """What is named but is not there, or does not fit, is an error in plain words."""
    with pytest.raises(ConfigError, match=message):
        run(config(tmp_path / "out", **changes))


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    """A folder with other things in it is refused untouched."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not a training's folder"):
        run(config(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_bfloat16_trains(tmp_path: Path) -> None:
    """Mixed precision runs in both phases and ends with a finite model in float32."""
    run(config(tmp_path / "out", precision="bfloat16"))
    assert states(tmp_path / "out")["0.weight"].dtype == torch.float32
    assert load_checkpoint(tmp_path / "out" / "model.pt").params.ratio == (65.0, 30.0, 5.0)


def test_rows_are_assigned_again_until_they_are_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three epochs, with one frozen: at the beginning and before the second."""
    epochs: list[int] = []
    assign = Session._assign

    def counted(session: Session) -> None:
        epochs.append(session.position.epoch if session.position.phase != "float_training" else 0)
        assign(session)

    monkeypatch.setattr(Session, "_assign", counted)
    run(config(tmp_path / "out"))
    assert epochs == [0, 1]


def test_an_exported_network_is_fine_tuned(tmp_path: Path) -> None:
    """A file of torch.export.save is trained under its own names."""
    torch.manual_seed(0)
    net = network().eval()
    exported = torch.export.export(net, (torch.rand(2, 1, 4, 4),))
    torch.export.save(exported, tmp_path / "net.pt2")
    run(
        config(
            tmp_path / "out",
            model=NetworkSource(checkpoint=tmp_path / "net.pt2"),
            float_training=PhaseSettings(1, lr=0.01),
            quantized_training=PhaseSettings(1),
        )
    )
    trained = states(tmp_path / "out")
    assert set(net.state_dict()) - {"1.num_batches_tracked"} <= set(trained)
    assert not torch.equal(trained["0.weight"], net.state_dict()["0.weight"])


def test_a_factory_starts_with_given_weights(tmp_path: Path) -> None:
    """A state_dict is where training begins; that of another architecture is refused."""
    torch.manual_seed(7)
    net = network()
    torch.save(net.state_dict(), tmp_path / "float.pth")
    named = "tests.trainer.samples:network"
    settings = config(
        tmp_path / "out",
        model=NetworkSource(named, weights=tmp_path / "float.pth"),
        float_training=PhaseSettings(0),
        quantized_training=PhaseSettings(0),
    )
    run(settings)
    assert torch.equal(states(tmp_path / "out")["0.weight"], net.state_dict()["0.weight"])
    other = NetworkSource(named, {"norm": "no"}, weights=tmp_path / "float.pth")
    with pytest.raises(ArtefactError, match=r"float\.pth: belongs to another architecture"):
        run(replace(settings, model=other, out=tmp_path / "other"))
