"""Options that cannot be meant: exit code, the remedy, nothing written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from rmsmp_hls import hw
from rmsmp_hls import train as rt
from rmsmp_hls.cli.program import program
from rmsmp_hls.errors import ConfigError
from tests.flow.models import save_model, snapshot

CONFIG_ERROR, RESOURCE_ERROR = 2, 6
SHIPPED = Path(hw.__file__).parent / "boards" / "zcu102.yaml"


def run(model: Path, out: Path, *more: str) -> Result:
    board = () if {"--board", "--part"} & set(more) else ("--board", "zcu102")
    words = ["build", str(model), "-o", str(out), "--storage", "native", *board, *more]
    return CliRunner().invoke(program, words)


OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "misspelt board": (("--board", "zcu-102"), "did you mean 'zcu102'?"),
    "no such board": (("--board", "qqqqq"), "unknown board 'qqqqq'"),
    "no such part": (("--part", "xc7z999clg400-1"), "the device of part"),
    "part that is code": (("--part", "x;[exec rm]"), "is not a part"),
    "missing board file": (("--board", "none.yaml"), "cannot read the board file"),
    "ratio of zeros": (("--ratio", "0:0:0"), "gives no format any row"),
    "ratio of letters": (("--ratio", "a:b"), "a ratio has three numbers"),
    "ratio of two": (("--ratio", "1:2"), "a ratio has three numbers"),
    "negative ratio": (("--ratio", "-1:2:3"), "holds a negative share"),
    "NaN ratio": (("--ratio", "nan:1:1"), "NaN or infinity"),
    "endless ratio": (("--ratio", "1e308:1e308:1"), "too large to add up"),
    "fixed codebook": (("--codebook", "Fixed-4"), "known: SP2-4, PoT-4, APoT-4"),
    "misspelt codebook": (("--codebook", "SP24"), "did you mean 'SP2-4'?"),
    "misspelt stage": (("--from", "csimm"), "did you mean 'csim'?"),
    "misspelt array field": (("--array", "chanels=8"), "did you mean 'channels'?"),
    "array field of zero": (("--array", "drain_rows=0"), "must not be below 1"),
    "top that is code": (("--top", "f(); int x"), "is not a name for a C++ function"),
    "top that is a keyword": (("--top", "while"), "while"),
    "clock": (("--clock-mhz", "nan"), "the clock must be 1..1000 MHz"),
    "share": (("--lut-share", "1.5"), "a share is above 0 and at most 1"),
    "images": (("--images", "0"), "at least one image"),
    "board and part": (("--board", "zcu102", "--part", "xc7z020clg400-1"), "both a board and"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_impossible_options(kind: str, model: Path, folder: Path) -> None:
    """Exit code 2; the finished build stays as it is."""
    words, said = OPTIONS[kind]
    before = snapshot(folder)
    result = run(model, folder, *words)
    assert result.exit_code == CONFIG_ERROR, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert snapshot(folder) == before


def test_an_unknown_board_is_refused_before_anything_is_written(
    model: Path, tmp_path: Path
) -> None:
    """Not after minutes of other stages."""
    assert run(model, tmp_path / "new", "--board", "zcu103").exit_code == CONFIG_ERROR
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [("bord: zcu102", "c.yaml:1: unknown key 'bord'\n  -> did you mean 'board'?"),
     ("weight_width: 4", "unknown key 'weight_width'"),
     ("ratio: 1:2", "three numbers"), ("array: {pixel: 4}", "did you mean 'pixels'?"),
     ("images: many", "'many' is not a whole number"), ("- a", "not a list of"),
     ("a: [", "not YAML")],
)  # fmt: skip
def test_configuration_files(text: str, said: str, model: Path, tmp_path: Path) -> None:
    """The line and the nearest known key."""
    (tmp_path / "c.yaml").write_text(text)
    result = run(model, tmp_path / "new", "--config", str(tmp_path / "c.yaml"))
    assert result.exit_code == CONFIG_ERROR
    assert said in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("override", "code", "said"),
    [("shift_add_lanes=99996 drain_rows=1", RESOURCE_ERROR, "LUT"),
     ("fixed8_lanes=4096 drain_rows=1", RESOURCE_ERROR, "DSP"),
     ("activation_depth=4000000", RESOURCE_ERROR, "BRAM36"),
     ("activation_depth=4", RESOURCE_ERROR, "the lines that one operation needs"),
     ("shift_add_lanes=99999", RESOURCE_ERROR, "LUT"),
     ("drain_rows=31", CONFIG_ERROR, "drain_rows must divide the row lanes"),
     ("channels=12", CONFIG_ERROR, "channels must be"),
     ("pixels=3", CONFIG_ERROR, "pixels must be even"),
     ("banks=3", CONFIG_ERROR, "banks must be a power of two"),
     ("fixed4_lanes=3", CONFIG_ERROR, "must be even"),
     ("weight_word_bits=48", CONFIG_ERROR, "weight_word_bits"),
     ("min_step=1", CONFIG_ERROR, "min_step must be at least 8"),
     ("acc_bits=64", CONFIG_ERROR, "acc_bits must be 8 .. 32"),
     ("acc_bits=8", 5, "8 bits")],
)  # fmt: skip
def test_arrays_that_cannot_be(
    override: str, code: int, said: str, model: Path, folder: Path
) -> None:
    """Illegal shapes, and shapes that do not fit the board or the network."""
    before = snapshot(folder)
    fields = [word for field in override.split() for word in ("--array", field)]
    result = run(model, folder, *fields)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert snapshot(folder) == before


def test_a_board_file_with_missing_keys(model: Path, tmp_path: Path) -> None:
    """All of them are listed at once."""
    lines = [x for x in SHIPPED.read_text().splitlines() if not x.startswith(("lut:", "dsp:"))]
    (tmp_path / "mine.yaml").write_text("\n".join(lines) + "\nluts: 5\n")
    result = run(model, tmp_path / "new", "--board", str(tmp_path / "mine.yaml"))
    assert result.exit_code == CONFIG_ERROR
    for said in ("key 'lut' is missing", "key 'dsp' is missing", "unknown key 'luts'"):
        assert said in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_network_too_large_for_the_board(tmp_path: Path) -> None:
    """A mean over an image that does not fit: the operation and the lines that it needs."""
    layers = {"wide": nn.Conv2d(1, 256, 1), "a": nn.ReLU(), "mean": nn.AdaptiveAvgPool2d(1)}
    net = nn.Sequential(OrderedDict(layers))
    model = save_model(tmp_path / "m.pt", net, (1, 160, 160), images=1, labels=False)
    result = run(model, tmp_path / "out", "--board", "zedboard", "--images", "1")
    assert result.exit_code == RESOURCE_ERROR, result.output
    assert "is too small, also with tensors in DRAM" in result.stderr
    assert "mean: needs lines of a (" in result.stderr


def arrays(**given: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **given)


def loose_object(path: Path) -> None:
    np.savez(path, inputs=np.array([{"a": 1}], dtype=object))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, GOOD)


GOOD = np.zeros((2, 3, 8, 6), dtype=np.float32)
DATA: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read: No such file"),
    "folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "text": (lambda path: path.write_text("a,b\n"), "is not an .npz file of plain arrays"),
    "empty": (lambda path: path.touch(), "is not an .npz file of plain arrays"),
    "one array": (one_array, "is not an .npz file of plain arrays"),
    "objects": (loose_object, "is not an .npz file of plain arrays"),
    "other name": (arrays(images=GOOD), "holds no array `inputs`"),
    "shape": (arrays(inputs=GOOD[:, :2]), "shape [2, 2, 8, 6], the network takes [N, 3, 8, 6]"),
    "no image": (arrays(inputs=GOOD[:0]), "N >= 1"),
    "NaN": (arrays(inputs=GOOD + np.nan), "must hold finite numbers"),
    "text array": (arrays(inputs=GOOD.astype(str)), "must hold finite numbers"),
    "labels too few": (arrays(inputs=GOOD, labels=np.array([1])), "`labels` has shape [1]"),
    "labels no whole": (arrays(inputs=GOOD, labels=np.array([1.5, 2])), "float64"),
}


@pytest.mark.parametrize("kind", DATA)
def test_data_files(kind: str, model: Path, folder: Path, tmp_path: Path) -> None:
    """What is wrong, and how to save it."""
    make, said = DATA[kind]
    path = tmp_path / "data.npz"
    make(path)
    before = snapshot(folder)
    result = run(model, folder, "--data", str(path))
    assert result.exit_code == CONFIG_ERROR, result.output
    assert said in result.stderr
    assert str(path) in result.stderr
    assert snapshot(folder) == before


def test_ratios_of_the_python_interface() -> None:
    """It refuses the same ones as the command line."""
    for ratio in ("0:0:0", "a:b", "1:2", "-1:2:3", "nan:1:1"):
        with pytest.raises(ConfigError, match="ratio"):
            rt.prepare(nn.Linear(3, 2), torch.zeros(1, 3), ratio=ratio)
