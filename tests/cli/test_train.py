"""`rmsmp-hls train`, for real."""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.frontend.checkpoint import load_checkpoint

SETTINGS = """
model: {factory: "tests.trainer.samples:network"}
data: {factory: "tests.trainer.samples:data", batch_size: 16, keep: 10}
assignment: {method: weight-error}
float_training: {epochs: 1}
quantized_training: {epochs: 1}
device: cpu
"""


def test_it_trains_and_says_what_came_out(call, tmp_path: Path) -> None:
    """Stages, accuracies as in the file, rows, and where the model is; again, it goes on."""
    Path("train.yaml").write_text(SETTINGS)
    result = call("train", "--config", "train.yaml", "-o", "out")
    assert result.exit_code == 0, result.output
    checkpoint = load_checkpoint(tmp_path / "out" / "model.pt")
    share = 100 * (checkpoint.fake_quantized_accuracy or 0)
    assert f"Quantized network, right on the same images: {share:.2f} %" in result.stdout
    for stage in ("float_training", "calibrate", "quantized_training"):
        assert f"{stage} …" in " ".join(result.stdout.split())
    assert result.stdout.endswith("Model: out/model.pt\n")
    again = call("train", "--config", "train.yaml", "-o", "out")
    assert again.exit_code == 0, again.output
    assert "Went on from the end" in again.stdout


def test_bad_settings_are_an_error_of_usage(call) -> None:
    """All of them at once, exit code 2, no traceback."""
    Path("train.yaml").write_text(SETTINGS + "seed: no\nspeed: fast\n")
    result = call("train", "--config", "train.yaml")
    assert result.exit_code == 2
    assert "train.yaml:8: seed" in result.stderr
    assert "train.yaml:9: speed: unknown key 'speed'" in result.stderr
    assert "Traceback" not in result.output
