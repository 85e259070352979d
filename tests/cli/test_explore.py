"""`rmsmp-hls explore`, for real."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rmsmp_hls.commands.explore import CALIBRATED_RATIOS, build_options
from rmsmp_hls.explore.points import front_points
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.schedule.adapt import adapt_array
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.space import SearchSpace
from tests.cli.models import save_model
from tests.explore.spaces import SMALL
from tests.report.test_html import Page
from tests.schedule.graphs import small_residual


@pytest.fixture(autouse=True)
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_the_table_names_what_build_takes_and_how(call) -> None:
    """A numbered row and a line of options for every design; no gain of a batch is claimed."""
    result = call("explore", "model.pt", "--board", "zcu104", "--points", "6")
    assert result.exit_code == 0, result.output
    rows = re.findall(r"^ *(\d+) +\d+\+\d+\+\d+ × ", result.stdout, re.M)
    options = re.findall(r"^ *(\d+)  --array shift_add_lanes=", result.stdout, re.M)
    assert rows == options == [str(n) for n in range(1, len(rows) + 1)]
    assert 1 < len(rows) <= 6
    assert len(re.findall("takes it$", result.stdout, re.M)) == 1
    assert "whatever the batch" in result.stdout
    assert "SQNR of the weights" in result.stdout


def test_pasted_options_make_that_very_array() -> None:
    """Whatever array `build` would choose."""
    graph = small_residual()
    points = front_points(SearchSpace(graph, load_board("zcu102"), tried=SMALL))
    other = choose_array(graph, load_board("zcu102"), multiplier_terms=0)
    for point in points:
        words = " ".join(build_options(point)).split()
        given = dict(word.split("=") for word in words if "=" in word)
        assert words[::2] == ["--array"] * len(given)
        fields = {key: int(value) for key, value in given.items()}
        assert adapt_array(graph, other, fields) == point.array


def test_ratios_of_a_checkpoint_are_compared_by_their_weights(call) -> None:
    """More 8-bit rows, nearer weights; JSON says what the figure is."""
    words = ("--ratio", "90:10:0", "--ratio", "0:0:100", "--board", "kv260", "--json")
    found = json.loads(call("explore", "model.pt", *words).stdout)
    assert (found["schema"], found["version"]) == ("rmsmp-hls/explore", 1)
    proxies = {tuple(p["ratio"]): p["proxy_db"] for p in found["points"]}
    assert set(proxies) == {(90, 10, 0), (0, 0, 100)}
    assert proxies[0, 0, 100] > proxies[90, 10, 0] + 10
    assert sum(p["chosen"] for p in found["points"]) == 2
    for point in found["points"]:
        assert point["images_per_second"] == pytest.approx(1e3 / point["latency_ms"])
        assert point["latency_ms"] == pytest.approx(point["cycles"] / found["clock_mhz"] / 1e3)


@pytest.mark.slow
def test_a_float_network_is_quantized_at_every_ratio(call, tmp_path: Path) -> None:
    """The proxy is what quantization measures of the result; without images there is none."""
    net = nn.Sequential(nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Flatten(), nn.Linear(192, 5)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 6, 6),)), tmp_path / "net.pt2")
    np.savez(tmp_path / "c.npz", inputs=np.random.default_rng(0).normal(size=(8, 1, 6, 6)))
    found = json.loads(
        call("explore", "net.pt2", "--board", "kv260", "--calib", "c.npz", "--json").stdout
    )
    assert "calibration images" in found["proxy"]
    ratios = {tuple(p["ratio"]) for p in found["points"]}
    assert ratios == set(CALIBRATED_RATIOS)
    assert all(3 < p["proxy_db"] < 60 for p in found["points"])
    bare = json.loads(call("explore", "net.pt2", "--board", "kv260", "--json").stdout)
    assert {p["proxy_db"] for p in bare["points"]} == {None}
    assert "--calib" in bare["proxy"]


def test_the_page_is_whole_and_self_contained(call, tmp_path: Path) -> None:
    """A dot per design and chart, no script, no address; names are escaped."""
    name = "a<b>&c.pt"
    (tmp_path / "model.pt").rename(tmp_path / name)
    words = ("--ratio", "65:30:5", "--ratio", "20:60:20", "--board", "zcu102", "--html", "x.html")
    found = json.loads(call("explore", name, *words, "--json").stdout)
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("circle") == 4 * len(found["points"])
    assert "script" not in tags
    assert "http" not in re.sub(r'http-equiv|xmlns="[^"]*"', "", text)
    assert "<b>" not in text
    for tag, values in page.elements:
        if tag == "circle":
            assert 52 <= float(values["cx"]) <= 392
            assert 14 <= float(values["cy"]) <= 204


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--board", "zcu102"), 2, "MODEL"),
        (("model.pt", "--board", "zcu10"), 2, "zcu102"),
        (("model.pt", "--board", "zcu102", "--ratio", "1:2"), 2, "three numbers"),
        (("model.pt", "--board", "zcu102", "--calib", "model.pt"), 2, "quantized already"),
        (("model.pt", "--board", "pynq-z2", "--lut-share", "0.01"), 6, "LUT"),
        (("model.pt", "--sweep", "s.yaml"), 2, "--sweep goes with"),
        (("--sweep", "s.yaml"), 2, "no such file"),
    ],
)
def test_what_cannot_be_is_said(call, words: tuple[str, ...], code: int, text: str) -> None:
    """With the exit codes of the other commands."""
    result = call("explore", *words)
    assert result.exit_code == code, result.output
    assert text in result.output


@pytest.mark.slow
def test_a_sweep_writes_every_point_and_goes_on(call, tmp_path: Path) -> None:
    """A model that is not there spoils its own points only; nothing is computed twice."""
    text = "models: [model.pt, none.pt]\nboards: [zcu102, kv260]\nclocks: 100\nratios: [65:30:5]\n"
    (tmp_path / "s.yaml").write_text(text)
    result = call("explore", "--sweep", "s.yaml", "-o", "points")
    assert result.exit_code == 0, result.output
    assert "4 points in points, 2 without a design" in result.stdout
    points = [json.loads(path.read_text()) for path in (tmp_path / "points").glob("*.json")]
    assert sorted("error" in point for point in points) == [False, False, True, True]
    whole = next(point for point in points if point["board"] == "kv260" and "points" in point)
    assert whole["clock_mhz"] == 100
    again = call("explore", "--sweep", "s.yaml", "-o", "points")
    assert again.stdout.count("(was there)") == 4


def test_a_scheduler_asks_for_dask(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the message names the extra."""
    (tmp_path / "s.yaml").write_text("models: [model.pt]\nboards: [zcu102]\n")
    monkeypatch.setattr("rmsmp_hls.explore.engines.dask_is_there", lambda: False)
    result = call("explore", "--sweep", "s.yaml", "--scheduler", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "pip install rmsmp-hls[dask]" in result.output
