"""Model files that are none: named as what they are, never executed, nothing else touched."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from rmsmp_hls import train as rt
from rmsmp_hls.cli.program import program
from rmsmp_hls.errors import RmsmpError
from tests.flow.models import Residual, snapshot

MODEL_ERROR = 3


class Payload:
    """Loading a pickle of it would make a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


def refusal(path: Path, folder: Path) -> str:
    """Build `path` in an up-to-date folder: exit code 3; return what is said."""
    before = snapshot(folder)
    command = ["build", str(path), "--board", "zcu102", "-o", str(folder), "--storage", "native"]
    result = CliRunner().invoke(program, command)
    assert result.exit_code == MODEL_ERROR, result.output
    assert result.stderr.startswith("error: "), result.stderr
    assert str(path) in result.stderr
    assert "Traceback" not in result.output
    assert snapshot(folder) == before, "nothing is lost"
    return result.stderr


def altered(model: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(model, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


def first_weight(content: dict[str, Any]) -> Tensor:
    return content["state"]["first.weight"]


def write_text(path: Path, model: Path) -> None:
    path.write_text("these are no weights\n")


def write_zip(path: Path, model: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


FILES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "missing": (lambda path, model: None, "does not exist"),
    "folder": (lambda path, model: path.mkdir(), "is a folder"),
    "empty": (lambda path, model: path.touch(), "is empty"),
    "truncated": (
        lambda path, model: path.write_bytes(model.read_bytes()[:-2000]), "is truncated or damaged",
    ),
    "one byte changed": (
        lambda path, model: path.write_bytes(
            (lambda data: data[:1500] + bytes([data[1500] ^ 1]) + data[1501:])(model.read_bytes())
        ),
        "damaged",
    ),
    "text": (write_text, "is not a PyTorch file"),
    "zip": (write_zip, "is a zip archive, but not one of torch.save"),
    "plain pickle": (lambda path, model: path.write_bytes(pickle.dumps({"a": 1})), "bare pickle"),
    "module": (lambda path, model: torch.save(nn.Linear(2, 2), path), "which would run code"),
    "state_dict": (
        lambda path, model: torch.save(Residual().state_dict(), path), "(a state_dict)",
    ),
    "tensor": (lambda path, model: torch.save(torch.zeros(3), path), "holds one tensor"),
    "other schema": (
        lambda path, model: altered(model, path, lambda c: c.update(schema="else")),
        "has schema 'else'",
    ),
    "newer version": (
        lambda path, model: altered(model, path, lambda c: c.update(version=2)),
        "is of version 2, this program knows versions up to 1",
    ),
    "NaN": (
        lambda path, model: altered(model, path, lambda c: first_weight(c).fill_(torch.nan)),
        "first.weight",
    ),
    "infinite": (
        lambda path, model: altered(
            model, path, lambda c: first_weight(c).view(-1)[5].fill_(torch.inf)
        ),
        "first.weight",
    ),
    "empty layer": (
        lambda path, model: altered(
            model, path, lambda c: c["state"].update({"fc.weight": torch.zeros(0, 8)})
        ),
        "fc",
    ),
    "no row scales": (
        lambda path, model: altered(model, path, lambda c: c["row_scales"].clear()),
        "has no row scales",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_checkpoint_is_named(
    kind: str, model: Path, folder: Path, tmp_path: Path
) -> None:
    """With the remedy; the finished build beside it stays as it is."""
    make, words = FILES[kind]
    path = tmp_path / "bad.pt"
    make(path, model)
    said = refusal(path, folder)
    assert words in said
    assert "\n  -> " in said


@pytest.mark.parametrize("wrap", ["pickle", "torch.save", "inside a checkpoint"])
def test_a_pickle_that_would_run_code_does_not(
    wrap: str, model: Path, folder: Path, tmp_path: Path
) -> None:
    """The function is named; it was not called."""
    marker, path = tmp_path / "ran", tmp_path / "bad.pt"
    if wrap == "pickle":
        path.write_bytes(pickle.dumps(Payload(marker)))
    elif wrap == "torch.save":
        torch.save(Payload(marker), path)
    else:
        altered(model, path, lambda content: content.update(meta={"x": Payload(marker)}))
    said = refusal(path, folder)
    assert "mkdir, which would run code; it was not loaded" in said
    assert not marker.exists()
    if wrap == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert marker.exists(), "the payload is a real one"


def test_a_device_file_is_no_model(folder: Path) -> None:
    """Nothing is read without end."""
    assert "is empty" in refusal(Path("/dev/zero"), folder)


class Unsupported(nn.Module):
    """Three things that the array cannot do, and three that it can."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.act = nn.SELU()
        self.normed = nn.GroupNorm(2, 4)
        self.tail = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Softplus())
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tail(self.normed(self.act(self.stem(x))))
        return self.fc(x.mean((2, 3)))


def test_unsupported_operations_are_listed_at_once() -> None:
    """Each with its module path and what to do."""
    with pytest.raises(RmsmpError) as caught:
        rt.prepare(Unsupported(), torch.zeros(1, 2, 8, 8))
    said = str(caught.value)
    assert said.startswith("3 problems:")
    for name in ("act", "normed", "tail.1"):
        assert name in said
    assert said.count("  -> ") == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_not_saved(value: float, tmp_path: Path) -> None:
    """A failed training is seen where it is saved, not on the board."""
    model = rt.prepare(Residual(), torch.zeros(1, 3, 8, 8))
    rt.calibrate(model, [torch.rand(2, 3, 8, 8)])
    with torch.no_grad():
        model.get_parameter("branch.weight")[1, 2, 0, 0] = value
    with pytest.raises(RmsmpError, match=r"branch\.weight"):
        rt.save(model, tmp_path / "m.pt")
    assert list(tmp_path.iterdir()) == []
