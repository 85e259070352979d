"""The cycle simulator on builds: its iterations are those that the compiled C++ counted."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from rmsmp_hls.cli.program import program
from rmsmp_hls.commands.cycles import simulate_cycles
from rmsmp_hls.flow import BuildOutcome
from rmsmp_hls.hw.board import load_board


def test_iterations_are_those_that_the_c_simulation_counts(built: BuildOutcome) -> None:
    """Layer by layer, exactly, for every image."""
    outcome = simulate_cycles(built.out, load_board("zcu102"), None, 2)
    counted = [layer.csim_iterations for layer in built.report.layers if layer.csim_iterations]
    assert len(counted) > 5
    for image in range(2):
        assert [op.iterations for op in outcome.operations(image)] == counted


def test_the_model_of_the_report_agrees(built: BuildOutcome) -> None:
    """Cycles from one image to the next are within 2 % of what the report models."""
    outcome = simulate_cycles(built.out, load_board("zcu102"), None, 4)
    speed = built.report.performance
    assert speed is not None
    assert speed.cycles_per_image is not None
    assert speed.simulated_cycles == round(outcome.count.steady_image)
    assert speed.simulated_first == outcome.count.first_image
    assert abs(outcome.count.steady_image / speed.cycles_per_image - 1) < 0.02


def test_the_command_takes_board_and_clock_of_the_build(built: BuildOutcome) -> None:
    """And writes what it counted as JSON."""
    result = CliRunner().invoke(program, ["cycles", str(built.out), "--format", "json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["board"], found["clock_mhz"], found["images"]) == ("zcu102", 200.0, 2)
    assert found["origin"] == "simulated"
    assert found["cycles"] >= found["image_ends"][-1] > found["image_ends"][0]
    assert {record["image"] for record in found["records"]} == {0, 1}
    for record in found["records"]:
        waited = sum(record["stalls"].values())
        spent = record["iterations"] + record["fill"] + record["fetch"] + waited
        assert record["end"] - record["start"] == spent
    assert found["records"][0]["start"] == 0


def test_a_packed_design_alone_needs_a_board(built: BuildOutcome, tmp_path: Path) -> None:
    """Its folder names none."""
    folder = next(path.parent for path in built.out.glob("*/design.json"))
    run = CliRunner().invoke
    assert "give --board" in run(program, ["cycles", str(folder)]).stderr
    shown = run(program, ["cycles", str(folder), "--board", "pynq-z2", "--clock-mhz", "80"])
    assert shown.exit_code == 0
    assert "pynq-z2 at 80 MHz, 20 cycles of memory latency" in " ".join(shown.stdout.split())
    result = run(program, ["cycles", str(tmp_path), "--board", "zcu102"])
    assert result.exit_code == 2
    assert "holds no packed design" in result.stderr
