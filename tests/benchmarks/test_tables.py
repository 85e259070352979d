"""docs/benchmarks.md says what the results say."""

from __future__ import annotations

import copy

import pytest


def test_page_is_what_the_results_say() -> None:
    """The committed page is the one that `make bench` would write from the committed results."""
    import tables

    assert tables.PAGE.read_text(encoding="utf-8") == tables.page(tables.read_results())


def test_an_aim_that_is_missed_is_said_to_be() -> None:
    """The page never claims an aim that the figures do not reach."""
    import tables

    result = copy.deepcopy(tables.read_results()["build_stages"])
    for key in ("build", "rebuild", "help"):
        result["figures"][key]["seconds"]["median"] = 1000.0
    assert tables.build_section(result).count("**no**") == 3
    for key in ("build", "rebuild", "help"):
        result["figures"][key]["seconds"]["median"] = 0.01
    assert "**no**" not in tables.build_section(result)


def test_a_busy_machine_is_said_to_be() -> None:
    """Figures of a busy machine carry a warning."""
    import tables

    result = copy.deepcopy(tables.read_results()["training_step"])
    result["other_programs_share"] = 0.6
    assert "slowed" in tables.measured_on(result)
    result["other_programs_share"] = 0.01
    assert "slowed" not in tables.measured_on(result)


def test_a_slow_training_step_is_said_to_be() -> None:
    """The page says whether the step of ResNet-18 meets its aim."""
    import tables
    from training_table import RATIO_AIM, training_section

    result = copy.deepcopy(tables.read_results()["training_step"])
    ratio = result["figures"]["cases"]["resnet18"]["ratio"]
    ratio["median"] = RATIO_AIM
    assert "**not reached**" not in training_section(result)
    ratio["median"] = RATIO_AIM + 0.01
    assert "**not reached**" in training_section(result)


def test_the_side_by_side_is_skipped_without_brevitas(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so and how to get it, and writes nothing."""
    import brevitas_side_by_side

    monkeypatch.setattr(brevitas_side_by_side.util, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["brevitas_side_by_side.py"])
    monkeypatch.setattr(brevitas_side_by_side, "write_result", None)
    brevitas_side_by_side.main()
    assert "make bench-brevitas" in capsys.readouterr().out
