"""examples/full_size.py writes what `rmsmp-hls` reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rmsmp_hls.commands.check import check_model
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.pack.files import load_design
from tests.examples.conftest import FOLDER
from tests.flow.models import build

SCRIPT = FOLDER / "full_size.py"


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_resnet18_is_mapped_and_images_fit(tmp_path: Path) -> None:
    """The program is read and mapped to a board at its full size; the images are as many as
    asked for."""
    program, images = tmp_path / "net.pt2", tmp_path / "calib.npz"
    told = call("resnet18", "-o", str(program), "--calib", str(images), "--images", "2")
    assert told.returncode == 0, told.stderr
    outcome = check_model(BuildOptions(program, board="zcu102"))
    assert outcome.error is None
    assert sum(op.macs for op in outcome.operations) == pytest.approx(1.81e9, rel=0.01)
    with np.load(images) as data:
        assert data["inputs"].shape == (2, 3, 224, 224)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("alexnet",), "invalid choice"),
        (("squeezenet", "--images", "0"), "at least 1"),
        (("squeezenet", "-o", "net.pt"), ".pt2"),
        (("squeezenet", "--calib", "nowhere/calib.npz"), "does not exist"),
    ],
)
def test_wrong_options_are_refused_before_work(arguments: tuple[str, ...], words: str) -> None:
    """Usage errors, exit code 2."""
    told = call(*arguments)
    assert told.returncode == 2
    assert words in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "board", "spilled"),
    [
        ("mobilenet_v2", "zcu102", False),  # depthwise layers, folded 3-channel input
        ("squeezenet", "pynq-z2", True),  # concatenations, lines in DRAM
        ("yolo", "zcu104", True),  # 416 x 416: splits, nested concatenations, upsampling, tables
    ],
)
def test_full_size_networks_are_simulated_to_the_bit(
    tmp_path: Path, name: str, board: str, spilled: bool
) -> None:
    """From the exported program through quantization to the C simulation of one image."""
    program, images, out = tmp_path / "net.pt2", tmp_path / "calib.npz", tmp_path / "out"
    told = call(name, "-o", str(program), "--calib", str(images), "--images", "2")
    assert told.returncode == 0, told.stderr
    report = build(program, out, board=board, calib=images, images=1).report
    assert [(run.mismatches, run.images) for run in report.csim] == [(0, 1)]
    assert report.csim[0].compared > 1_000_000
    assert (load_design(out / "4_packed").spill_words > 0) == spilled
