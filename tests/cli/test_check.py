"""`rmsmp-hls check`, for real."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from rmsmp_hls.frontend.load import LoadedModel
from rmsmp_hls.frontend.parameters import macs_per_image
from rmsmp_hls.ir.float_ops import AvgPool2d, MaxPool2d
from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.types import Window
from tests.cli.models import save_model
from tests.networks import NetworkBuilder, residual_network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_every_operation_has_its_unit(call, model: Path) -> None:
    """Named by module, in order, with rows and multiply-accumulates."""
    result = call("check", "model.pt", "--board", "zcu102", "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    units = {op["name"]: op["unit"] for op in found["operations"]}
    assert units == {
        "x": "host", "conv1": "matrix array", "bn2": "folded", "relu3": "folded",
        "relu3.narrow": "vector unit", "conv4": "matrix array", "bn5": "folded",
        "relu6": "folded", "conv7": "matrix array", "add8": "vector unit", "relu9": "folded",
        "pool10": "vector unit", "conv11": "matrix array", "relu12": "folded",
        "pool13": "vector unit", "flat14": "no work", "fc15": "matrix array",
    }  # fmt: skip
    details = {op["name"]: op["detail"] for op in found["operations"]}
    assert details["bn2"] == details["relu3"] == "into conv1"
    assert details["relu9"] == "into add8"
    assert sum(op["macs"] for op in found["operations"]) == macs_per_image(residual_network())
    assert [sum(op["rows"]) for op in found["operations"] if op["rows"]] == [10, 10, 10, 12, 5]
    assert (found["ok"], found["exit_code"], found["problems"]) == (True, 0, [])
    assert found["array"]["macs_per_cycle"] > 0
    assert found["modelled"]["lut"] > 0


def test_the_table_says_what_fits(call, model: Path) -> None:
    """One line per operation, then the array with its share of the board, as modelled."""
    result = call("check", "model.pt", "--board", "zedboard", "--clock-mhz", "120")
    assert result.exit_code == 0, result.output
    assert "Fits zedboard at 120 MHz: " in result.stdout
    assert "(modelled)" in result.stdout
    row = next(line for line in result.stdout.splitlines() if line.startswith("conv4"))
    assert "matrix array" in row
    assert "56,700" in row


def test_a_model_without_formats_is_mapped_with_assumptions(
    call, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the output says so."""
    monkeypatch.setattr(
        "rmsmp_hls.commands.check.load_model", lambda path: LoadedModel(residual_network())
    )
    text = call("check", "model.pt", "--board", "zcu102", "--ratio", "0:1:1").stdout
    assert "The model carries no formats" in text
    found = json.loads(
        call(
            "check", "model.pt", "--board", "zcu102", "--ratio", "0:1:1", "--format", "json"
        ).stdout
    )
    assert found["formats_assumed"] is True
    assert [op["rows"] for op in found["operations"] if op["name"] == "conv1"] == [[0, 5, 5]]


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_what_is_left_to_the_host_is_noted(call, form: str, tmp_path: Path) -> None:
    """A softmax at the end of an exported network, in the table and in JSON."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3), nn.Softmax(dim=1)
    )
    program = torch.export.export(net.eval(), (torch.zeros(1, 1, 6, 6),))
    torch.export.save(program, tmp_path / "net.pt2")
    result = call("check", "net.pt2", "--board", "zcu102", "--format", form)
    assert result.exit_code == 0, result.output
    if form == "json":
        assert ["softmax" in note for note in json.loads(result.stdout)["notes"]] == [True]
    else:
        assert "Note: softmax at the end is left to the host" in result.stdout


def test_what_cannot_be_mapped_is_listed_at_once(
    call, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batch norms of flattened images: both named, with what to do; the exit code is that of
    lowering."""
    net = NetworkBuilder((3, 6, 6))
    net.flatten()
    net.batchnorm()
    net.clamp()
    net.batchnorm()
    net.linear(2)
    monkeypatch.setattr(
        "rmsmp_hls.commands.check.load_model", lambda path: LoadedModel(net.graph())
    )
    result = call("check", "model.pt", "--board", "zcu102", "--format", "json")
    assert result.exit_code == 5
    found = json.loads(result.stdout)
    assert (found["ok"], found["exit_code"]) == (False, 5)
    assert [problem["where"] for problem in found["problems"]] == ["layer 'bn2'", "layer 'bn4'"]
    wrong = {op["name"] for op in found["operations"] if op["problem"]}
    assert wrong == {"bn2", "bn4"}
    assert all(op["fix"] for op in found["operations"] if op["problem"])
    assert "2 problems" in result.stderr
    table = call("check", "model.pt", "--board", "zcu102").stdout
    assert "Fits" not in table
    assert "not mapped" in table


def test_a_model_that_cannot_be_read_gives_its_problems(call, tmp_path: Path) -> None:
    """JSON too, with the exit code of imports."""
    (tmp_path / "model.pt").write_text("hello")
    result = call("check", "model.pt", "--board", "zcu102", "--format", "json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["operations"] == []
    assert found["problems"][0]["what"].startswith("is not a PyTorch file")


def test_unsupported_operations_of_an_exported_program_are_single_problems(
    call, tmp_path: Path
) -> None:
    """Each with its module path and its own advice, for programs to read."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softsign(), nn.Conv2d(4, 4, 3), nn.PReLU()).eval()
    program = torch.export.export(net, (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, str(tmp_path / "net.pt2"))
    result = call("check", "net.pt2", "--board", "zcu102", "--format", "json")
    assert result.exit_code == 3
    problems = json.loads(result.stdout)["problems"]
    found = {problem["where"]: problem["what"] for problem in problems}
    assert "module '1'" in found and "prelu" in found["module '3'"]
    assert all(problem["fix"] for problem in problems)


def test_a_network_too_large_for_the_board_is_refused(call, tmp_path: Path) -> None:
    """Exit code 6; every operation is mapped all the same."""
    net = NetworkBuilder((8, 256, 256))
    net.conv(96, Window(kernel=(3, 3), padding=(1, 1, 1, 1)))
    net.clamp()
    net.pool(AvgPool2d, Window((256, 256), (256, 256)))  # needs all lines at once
    net.flatten()
    net.linear(10)
    save_model(tmp_path / "model.pt", net.graph())
    result = call("check", "model.pt", "--board", "zedboard", "--format", "json")
    assert result.exit_code == 6, result.stderr
    found = json.loads(result.stdout)
    assert found["array"] is None
    assert {op["unit"] for op in found["operations"]} >= {"host", "matrix array", "folded"}
    assert found["problems"]
    assert all(problem["what"] for problem in found["problems"])


def test_tensors_in_dram_are_noted_with_their_cost(call, tmp_path: Path) -> None:
    """A network that fits only with them; one that fits without says nothing of it."""
    for lines in (256, 8):
        net = NetworkBuilder((3, lines, 256))
        net.conv(64, Window(kernel=(3, 3), padding=(1, 1, 1, 1)))
        net.clamp()
        net.pool(MaxPool2d, Window((2, 2), (2, 2)))
        save_model(tmp_path / "model.pt", net.graph())
        result = call("check", "model.pt", "--board", "zedboard", "--format", "json")
        assert result.exit_code == 0, result.stderr
        notes = json.loads(result.stdout)["notes"]
        found = [re.fullmatch(r"Not all .* (\d+) operations .* ([\d.]+) % .*", n) for n in notes]
        assert len(found) == (lines == 256)
        assert all(m and int(m[1]) >= 2 and 0 < float(m[2]) < 100 for m in found)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no board is given"),
        (("--board", "zcu103"), "did you mean"),
        (("--board", "zcu102", "--ratio", "1:2"), "a ratio has three numbers"),
        (("--board", "zcu102", "--lut-share", "2"), "a share is above 0"),
    ],
)
def test_wrong_options_are_refused(call, model: Path, arguments: tuple[str, ...], text) -> None:
    """As in build, before the model is looked at."""
    result = call("check", "model.pt", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stdout == ""


def test_hostile_names_do_not_reach_the_terminal(call, tmp_path: Path) -> None:
    """No escape sequence of a module path is printed."""
    graph = residual_network()
    ops = tuple(
        dataclasses.replace(op, module="\x1b[31m[/]evil\n") if op.name == "conv4" else op
        for op in graph
    )
    save_model(tmp_path / "model.pt", Graph(graph.level, ops, graph.output, graph.constants))
    result = call("check", "model.pt", "--board", "zcu102")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
