"""Names from a model reach the report, escaped, and nothing that is compiled, run or opened."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rmsmp_hls import flow
from rmsmp_hls.cli.program import program
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.flow import BuildOutcome
from rmsmp_hls.frontend.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.params import QuantParams
from tests.flow.models import Recorder, snapshot

HOSTILE = (
    '"quote\'d"; int main(){}', "a]; exec touch x", "$(touch x)", "`touch x`", "../../../etc/x",
    "line\nbreak\r\n#define X", "tab\tbell\a\x1b[31mred", "nul\0byte", "x" * 10_000,
    "ünïcode 层 \u202e\u2028", "<script>alert(1)</script>", "{{ 7*7 }}{% raw %}", "*/ #error /*",
    "%s%n", "-rf", "", " ", "\\", "\ud800",
)  # fmt: skip


def rename(checkpoint: Checkpoint, names: dict[str, str]) -> Checkpoint:
    """Give tensors, layers, modules and parameters other names."""

    def new(name: str) -> str:
        return names.get(name, name)

    def op(old: FloatOp) -> FloatOp:
        fields: dict[str, Any] = {
            "name": new(old.name), "inputs": tuple(map(new, old.inputs)),
            "module": new(old.module) or old.module,
        }  # fmt: skip
        for key in ("weight", "bias", "running_mean", "running_var"):
            if getattr(old, key, ""):
                fields[key] = key + new(old.name)
        return dataclasses.replace(old, **fields)

    graph, params = checkpoint.graph, checkpoint.params
    constants: dict[str, ConstTensor] = {}
    for old in graph:
        for key in ("weight", "bias", "running_mean", "running_var"):
            if getattr(old, key, ""):
                constants[key + new(old.name)] = graph.constants[getattr(old, key)]
    forms = {
        (new(n.removesuffix(".narrow")) + ".narrow" if n.endswith(".narrow") else new(n)): form
        for n, form in params.activations.items()
    }
    rows = {new(n): row for n, row in params.rows.items()}
    renamed = Graph(graph.level, tuple(map(op, graph)), new(graph.output), constants)
    quant: QuantParams = dataclasses.replace(params, activations=forms, rows=rows)
    return Checkpoint(renamed, quant, checkpoint.validation, {'<b>"': "</script>"})


def hostile_model(model: Path, path: Path, start: int) -> tuple[Path, list[str]]:
    """Name every operation of the model from the list, from number `start` on."""
    checkpoint = load_checkpoint(model)
    old = [op.name for op in checkpoint.graph]
    chosen = [HOSTILE[(start + i) % len(HOSTILE)] for i in range(len(old))]
    save_checkpoint(path, rename(checkpoint, dict(zip(old, chosen, strict=True))))
    return path, chosen


@pytest.mark.parametrize("start", [0, 9])
def test_names_stay_out_of_everything_that_is_compiled_or_run(
    start: int, model: Path, built: BuildOutcome, seeded: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The project is the same as with plain names, to the byte; no path holds a name."""
    monkeypatch.chdir(tmp_path)
    path, _ = hostile_model(model, tmp_path / "hostile.pt", start)
    options = BuildOptions(path, "zcu102", out=seeded, storages=("native",), dump_ir=True)
    outcome = flow.build(options, Recorder())
    assert outcome.report.exact
    plain, hostile = snapshot(built.out / "hls"), snapshot(seeded / "hls")
    assert plain == hostile
    files = {name for name in snapshot(seeded) if not name.startswith(("ir/", "csim/run/"))}
    known = {n for n in snapshot(built.out) if not n.startswith("csim/run/")}
    assert files == known
    assert not list(tmp_path.rglob("x")), "nothing was executed"


@pytest.mark.parametrize("start", [0, 9])
def test_names_reach_the_report_escaped(
    start: int, model: Path, seeded: Path, tmp_path: Path
) -> None:
    """No markup, no control character; long ones are cut on the screen."""
    path, chosen = hostile_model(model, tmp_path / "hostile.pt", start)
    command = f"build {path} --board zcu102 -o {seeded} --storage native"
    result = CliRunner().invoke(program, command.split())
    assert result.exit_code == 0, result.output
    html = (seeded / "report.html").read_text()
    for markup in ("<script>alert", "</script><", "{{ 7*7 }}{%\n"):
        assert markup not in html
    for text in (html, result.stdout, (seeded / "report.md").read_text()):
        assert not set(text) & set("\0\a\x1b\r\u202e\u2028")
    assert "x" * 2000 not in result.stdout
    json.loads((seeded / "report.json").read_text())
    for words in (["report"], ["inspect"]):
        shown = CliRunner().invoke(program, [*words, str(seeded)])
        assert shown.exit_code == 0, shown.output
        assert not set(shown.stdout) & set("\0\a\x1b\r\u202e\u2028")
    assert len(chosen) > 5


@pytest.mark.parametrize("name", ["$(touch x).pt", "a b;'\"].pt", "-o.pt", "<b>.pt", "a\udcff.pt"])
def test_hostile_file_names(
    name: str, model: Path, seeded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command in the report can be pasted; bytes that are no text are written out."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(model.read_bytes())
    options = BuildOptions(path, "zcu102", out=seeded, storages=("native",))
    outcome = flow.build(options, Recorder())
    assert outcome.report.exact
    command = outcome.report.commands[0].command
    assert "$(touch x).pt" not in command or "'$(touch x).pt'" in command
    assert "<b>.pt" not in (seeded / "report.html").read_text()
    assert not (tmp_path / "x").exists()


def test_a_hostile_error_does_not_reach_the_terminal(model: Path, tmp_path: Path) -> None:
    """Names in messages lose their control characters."""
    bad = tmp_path / "a\x1b[2Jb\nc.pt"
    result = CliRunner().invoke(program, ["build", str(bad), "--board", "zcu102"])
    assert result.exit_code == 3
    assert "\x1b" not in result.stderr
