"""A float network from torch.export.save: quantize, then build, to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from torch import nn

from rmsmp_hls.cli.program import program


def _run(*words: str) -> str:
    result = CliRunner().invoke(program, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_an_exported_network_goes_all_the_way(tmp_path: Path) -> None:
    """check and quantize take the file itself; build takes what quantize wrote; 0 mismatches."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(96, 5),
    ).eval()  # fmt: skip
    images = torch.rand(16, 1, 8, 8)
    exported, model = tmp_path / "net.pt2", tmp_path / "model.pt"
    torch.export.save(torch.export.export(net, (images[:2],)), exported)
    np.save(tmp_path / "images.npy", images.numpy())
    found = json.loads(_run("check", str(exported), "--board", "zcu102", "--format", "json"))
    assert found["ok"] is True
    _run("quantize", str(exported), "--calib", str(tmp_path / "images.npy"), "-o", str(model))
    text = _run(
        "build", str(model), "--board", "zcu102", "-o", str(tmp_path / "out"), "--storage", "native"
    )
    assert "Bit-exact" in text and "native: 0 of " in text


def test_build_says_what_to_do_with_an_exported_network(tmp_path: Path) -> None:
    """It is named as what it is, with the command that makes it buildable."""
    exported = tmp_path / "net.pt2"
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    torch.export.save(torch.export.export(net, (torch.rand(2, 1, 2, 2),)), exported)
    result = CliRunner().invoke(program, ["build", str(exported), "--board", "zcu102"])
    assert result.exit_code == 3
    assert "exported program" in result.stderr and "rmsmp-hls quantize" in result.stderr
