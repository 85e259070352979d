"""`rmsmp-hls quantize`, for real."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.train.ptq import post_training_quantize
from tests.cli.models import META, images, save_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.pt", validation=True)
    np.savez(tmp_path / "calib.npz", pictures=images(16))
    return tmp_path / "model.pt"


def test_it_writes_a_checkpoint_and_says_what_it_cost(call, model: Path) -> None:
    """The file holds what post_training_quantize chose; the table has its figures."""
    result = call("quantize", "model.pt", "--calib", "calib.npz", "-o", "q.pt", "--ratio", "2:1:1")
    assert result.exit_code == 0, result.output
    saved = load_checkpoint(model.parent / "q.pt")
    expected = post_training_quantize(load_checkpoint(model).graph, images(16), ratio="2:1:1")
    assert saved.params == expected.params
    assert saved.graph == expected.graph
    for item in expected.layers:
        line = rf"{item.module} +{item.operation} .* {item.sqnr_db:.1f} dB +{item.cosine:.4f}"
        assert re.search(line, result.stdout), (line, result.stdout)
    share = f"{100 * (expected.top1_agreement or 0):.2f} %"
    assert f"Same answer as the float network: {share} (calibration images)" in result.stdout
    assert result.stdout.endswith("Checkpoint: q.pt\n")


def test_validation_images_stay_and_calibration_images_do_not(call, model: Path) -> None:
    """The new accuracy replaces the old one; what the source knew of the float network stays."""
    result = call("quantize", "model.pt", "--calib", "calib.npz")
    assert result.exit_code == 0, result.output
    saved, source = load_checkpoint(model.parent / "quantized.pt"), load_checkpoint(model)
    assert saved.validation == source.validation
    assert saved.float_accuracy == META["float_accuracy"]
    match = re.search(r"8 validation images in the model: float \d, quantized (\d)", result.stdout)
    assert match
    assert saved.fake_quantized_accuracy == int(match[1]) / 8
    assert saved.meta["note"] == "kept"
    assert saved.meta["calibration_images"] == 16


def test_settings_reach_the_checkpoint(call, model: Path) -> None:
    """Widths, codebook, number of images, no new biases."""
    result = call(
        "quantize", "model.pt", "--calib", "calib.npz", "--activation-bits", "5",
        "--residual-bits", "6", "--input-bits", "7", "--codebook", "apot-4", "--images", "4",
        "--method", "percentile", "--percentile", "99", "--no-bias-correction",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    saved = load_checkpoint(model.parent / "quantized.pt")
    params = saved.params
    assert (params.activation_bits, params.residual_bits, params.input_bits) == (5, 6, 7)
    assert params.codebook == "APoT-4"
    assert saved.meta["calibration_images"] == 4
    assert saved.graph == load_checkpoint(model).graph


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--calib", "none.npz"), 2, "none.npz: cannot be read: No such file"),
        (("--calib", "wrong.npy"), 2, "`inputs` has shape [2, 7, 9, 3], the network takes [N, 3"),
        (("--calib", "nan.npy"), 2, "must hold finite numbers"),
        (("--calib", "calib.npz", "--ratio", "1:2"), 2, "impossible ratio"),
        (("--calib", "calib.npz", "--codebook", "SP3"), 2, "unknown codebook"),
        (("--calib", "calib.npz", "--activation-bits", "9"), 2, "choose 2 to 8 bits"),
        (("--calib", "calib.npz", "--images", "0"), 2, "at least one image"),
        (("--calib", "calib.npz", "--mean", "0.5"), 2, "arrays are taken as they are"),
        (("--calib", "calib.npz", "--mean", "a"), 2, "is not a number"),
        (("--calib", "calib.npz", "-o", "./model.pt"), 2, "would be overwritten"),
        (("--calib", "calib.npz", "-o", "no/folder/q.pt"), 3, "cannot be written"),
        (("--calib", "huge.npy"), 4, "activations are NaN or infinite"),
    ],
)
def test_bad_input_writes_nothing(
    call, model: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    """The exit code of its class, what is wrong, and no file."""
    folder = model.parent
    np.save(folder / "wrong.npy", images(2).transpose(0, 3, 2, 1))
    np.save(folder / "nan.npy", images(2) * np.nan)
    np.save(folder / "huge.npy", np.full((2, 3, 9, 7), 3e38, dtype=np.float32))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = call("quantize", "model.pt", *arguments)
    assert (result.exit_code, text in result.stderr) == (code, True), result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_checkpoint_builds(call, model: Path, tmp_path: Path) -> None:
    """`check` maps what `quantize` wrote, with its formats."""
    call("quantize", "model.pt", "--calib", "calib.npz", "-o", "q.pt")
    result = call("check", "q.pt", "--board", "zcu102")
    assert result.exit_code == 0, result.output
    assert "carries no formats" not in result.stdout


def test_equalization_is_told(call, model: Path) -> None:
    """Both results of the trial; or that it was asked for."""
    text = call("quantize", "model.pt", "--calib", "calib.npz").stdout
    expected = post_training_quantize(load_checkpoint(model).graph, images(16)).equalization
    assert expected.without_db is not None
    assert expected.with_db is not None
    state = "used" if expected.used else "not used"
    assert (
        f"Cross-layer equalization of {expected.tensors} activations: {state}; on 16 images the "
        f"result has {expected.with_db:.1f} dB with it, {expected.without_db:.1f} dB without."
    ) in " ".join(text.split())
    text = call("quantize", "model.pt", "--calib", "calib.npz", "--equalize", "off").stdout
    assert "Cross-layer equalization: not used" in text


def test_an_unusual_range_is_warned_of(call, model: Path) -> None:
    """Bytes for a network that takes normalized images."""
    np.save(model.parent / "bytes.npy", np.full((2, 3, 9, 7), 255, dtype=np.uint8))
    result = call("quantize", "model.pt", "--calib", "bytes.npy")
    assert result.exit_code == 0
    assert "warning: the calibration images hold numbers up to 255 in magnitude" in result.stdout
