"""Stages run again when, and only when, something they depend on has changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rmsmp_hls import flow, hw
from rmsmp_hls.cli.program import program
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import ArtefactError, CodegenError, ConfigError, ToolError
from rmsmp_hls.flow import STAGES, BuildOutcome
from rmsmp_hls.frontend.checkpoint import load_checkpoint, save_checkpoint
from tests.flow.models import Recorder, build, snapshot

REPORTS = {"report.html", "report.json", "report.md"}  # they hold times
FOLDERS = {"1_import": "import", "2_quantize": "quantize", "3_lower": "lower",
           "4_packed": "schedule", "hls": "generate"}  # fmt: skip


def command(model: Path, out: Path, *more: str) -> Result:
    words = ["build", str(model), "--board", "zcu102", "-o", str(out), "--storage", "native"]
    return CliRunner().invoke(program, [*words, *more])


def after(stage: str) -> tuple[str, ...]:
    return STAGES[STAGES.index(stage) :]


def artefacts(out: Path) -> dict[str, bytes]:
    """Return what stages left, without what the C simulation works with."""
    files = snapshot(out)
    return {n: d for n, d in files.items() if not n.startswith(("csim/", ".rmsmp-hls/"))}


def changed(before: dict[str, bytes], out: Path) -> set[str]:
    """Return the artefacts that differ from those before."""
    now = artefacts(out)
    assert now.keys() == before.keys()
    return {name for name, data in now.items() if before[name] != data}


def test_a_second_build_does_nothing_and_says_so(model: Path, folder: Path) -> None:
    """No file is written, not even the same content again."""
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    assert build(model, folder).ran == ()
    result = command(model, folder)
    assert result.exit_code == 0
    for stage in STAGES:
        assert any(line.split()[:2] == [stage, "cached"] for line in result.stdout.splitlines())
    assert f"nothing to do: {folder} is up to date" in result.stdout
    assert "report.html" in result.stdout
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_another_board_runs_from_the_schedule_on(model: Path, folder: Path, tmp_path: Path) -> None:
    """What does not depend on the board stays; and back again it is the same as before."""
    before = artefacts(folder)
    board = tmp_path / "mine.yaml"
    shipped = Path(hw.__file__).parent / "boards" / "zcu102.yaml"
    board.write_text(shipped.read_text().replace("clock_mhz: 200", "clock_mhz: 150", 1))
    outcome = build(model, folder, board=str(board))
    assert outcome.ran == after("schedule")
    board.write_text(board.read_text().replace("clock_mhz: 150", "clock_mhz: 180", 1))
    slower = outcome.report.performance.latency_ms
    outcome = build(model, folder, board=str(board))
    assert outcome.ran == after("schedule"), "the content of the board file counts"
    assert outcome.report.performance.latency_ms < slower
    assert build(model, folder).ran == after("schedule")
    assert changed(before, folder) <= REPORTS


@pytest.mark.slow
def test_a_smaller_board_is_built_beside_the_larger(model: Path, folder: Path) -> None:
    """The earlier stages are those of the larger one; the array is another."""
    outcome = build(model, folder, board="zedboard")
    assert outcome.ran == after("schedule")
    assert outcome.report.exact
    assert dict(outcome.report.array.fields)["dsp"] == "DSP48E1"


@pytest.mark.parametrize(
    ("options", "first"),
    [({"images": 2}, "import"), ({"ratio": (50.0, 30.0, 20.0)}, "quantize"),
     ({"storages": ("ap_int",)}, "csim")],
    ids=["images", "ratio", "storages"],
)  # fmt: skip
def test_an_option_runs_its_stage_again(
    options: dict[str, Any], first: str, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing before it runs; without a compiler the walk ends where one is needed."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    recorder = Recorder()
    options = {"storages": ("native",), **options}
    with pytest.raises(ToolError, match="no-such-compiler"):
        flow.build(BuildOptions(model, "zcu102", out=folder, **options), recorder)
    cached = [name for name, state in recorder.events if state == "cached"]
    assert cached == list(STAGES[: STAGES.index(first)])


def test_another_model_runs_the_import(model: Path, folder: Path, tmp_path: Path) -> None:
    """The content counts, not the date; the same network elsewhere imports only."""
    copy = shutil.copy(model, tmp_path / "model.pt")
    assert build(copy, folder).ran == ()
    checkpoint = load_checkpoint(model)
    object.__setattr__(checkpoint, "meta", {"float_accuracy": 0.0})
    save_checkpoint(copy, checkpoint)
    outcome = build(copy, folder)
    assert outcome.ran[0] == "import"
    assert outcome.report.accuracies[0].correct == 0


def test_another_name_of_the_model_reaches_the_report(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    """The report names the file that the build was given."""
    renamed = Path(shutil.copy(model, tmp_path / "renamed $(x).pt"))
    outcome = build(renamed, folder)
    assert outcome.report.model.file == "renamed $(x).pt"
    assert outcome.report.commands[0].command.startswith("rmsmp-hls build 'renamed $(x).pt' ")


def test_force_runs_everything(model: Path, folder: Path) -> None:
    """And leaves the same."""
    before = artefacts(folder)
    assert build(model, folder, force=True).ran == STAGES
    assert changed(before, folder) <= REPORTS


@pytest.mark.parametrize("stage", ["csim", "report", "schedule"])
def test_from_a_stage_on_without_the_model(stage: str, folder: Path) -> None:
    """Earlier artefacts are taken as they are."""
    gone = Path("gone/model.pt")
    outcome = build(gone, folder, start=stage)
    assert outcome.ran == after(stage)
    assert outcome.report.exact
    assert outcome.report.model.file == "model.pt"
    assert len(outcome.report.model.sha256) == 64


def test_from_a_stage_whose_input_is_not_there(folder: Path, tmp_path: Path) -> None:
    """It says which stage is missing; nothing is built."""
    (folder / "3_lower" / "int.json").unlink()
    with pytest.raises(ArtefactError, match="no whole artefact of stage 'lower'"):
        build(Path("gone.pt"), folder, start="csim")
    with pytest.raises(ArtefactError, match="no whole artefact of stage 'import'"):
        build(Path("gone.pt"), tmp_path / "empty", start="csim")


def test_from_an_unknown_stage(folder: Path) -> None:
    """With the nearest known."""
    before = snapshot(folder)
    with pytest.raises(ConfigError, match="did you mean 'quantize'"):
        build(Path("m.pt"), folder, start="quantise")
    assert snapshot(folder) == before


@pytest.mark.parametrize("damage", ["delete", "truncate", "edit", "replace by a folder"])
def test_a_damaged_artefact_is_made_again(damage: str, model: Path, folder: Path) -> None:
    """Any one file of any stage: its stage runs again, and the same file is there again."""
    before = artefacts(folder)
    for sub, stage in FOLDERS.items():
        names = [n for n in before if n.startswith(f"{sub}/") and not n.endswith("-files")]
        chosen = names if sub != "hls" else names[:: max(1, len(names) // 4)]
        chosen = names[:1] if damage == "replace by a folder" else chosen
        for name in chosen:
            path = folder / name
            path.unlink()
            if damage == "truncate":
                path.write_bytes(before[name][: len(before[name]) // 2])
            elif damage == "edit":
                path.write_bytes(bytes([before[name][0] ^ 1]) + before[name][1:])
            elif damage == "replace by a folder":
                path.mkdir()
                with pytest.raises(CodegenError, match="or a folder where a file is"):
                    build(model, folder)
                path.rmdir()
            ran = build(model, folder).ran
            assert ran == (stage,), name
    assert artefacts(folder) == before


def test_a_damaged_report_is_made_again(model: Path, folder: Path) -> None:
    """Also by a build that has nothing else to do."""
    (folder / "report.json").write_text("{")
    outcome = build(model, folder)
    assert outcome.ran == ("report",)
    assert outcome.report.exact


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": 1}', b"\xff", b"[" * 100000])
def test_a_damaged_record_is_no_record(content: bytes, model: Path, folder: Path) -> None:
    """The stage runs again."""
    (folder / ".rmsmp-hls" / "lower.json").write_bytes(content)
    assert build(model, folder).ran == ("lower",)


def test_dump_ir_writes_the_graphs_as_text(model: Path, folder: Path) -> None:
    """Also where nothing has to run."""
    assert build(model, folder, dump_ir=True).ran == ()
    for stage, name in (("import", "float"), ("quantize", "quant"), ("lower", "int")):
        text = (folder / "ir" / stage / f"{name}.txt").read_text()
        for layer in ("branch", "fc"):
            assert layer in text
    assert build(model, folder).ran == ()


def test_the_same_input_gives_the_same_bytes(
    built: BuildOutcome, model: Path, seeded: Path
) -> None:
    """In another folder: packed design, project and all graphs."""
    build(model, seeded)
    first, second = artefacts(built.out), artefacts(seeded)
    assert first.keys() == second.keys()
    assert changed(first, seeded) <= REPORTS
