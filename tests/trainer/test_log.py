"""The log, with and without TensorBoard."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rmsmp_hls.trainer.log import NO_TENSORBOARD, Log

MODULE = "torch.utils.tensorboard"


def totals(folder: Path) -> list[int]:
    return [json.loads(line)["total"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_records_behind_the_state_are_dropped(tmp_path: Path) -> None:
    """Going on from step 2 forgets what was logged later, and a line that was cut off."""
    log = Log(tmp_path, 0, False)
    for total in (1, 2, 3):
        log.write(total, "float_training", loss=1.0, accuracy=None)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"total": 1, "pha')
    again = Log(tmp_path, 2, False)
    again.write(3, "float_training", loss=0.5)
    assert totals(tmp_path) == [1, 2, 3]
    assert "accuracy" not in (tmp_path / "log.jsonl").read_text()


def test_without_the_package_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain log is written all the same."""
    monkeypatch.setitem(sys.modules, MODULE, None)
    log = Log(tmp_path, 0, True)
    log.write(1, "float_training", loss=1.0)
    log.close()
    assert log.warning == NO_TENSORBOARD
    assert totals(tmp_path) == [1]


def test_tensorboard_gets_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scalars are named by phase and figure; what lies behind the state is purged."""
    calls: list[Any] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            calls.append((Path(folder).name, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def flush(self) -> None:
            calls.append("flush")

        def close(self) -> None:
            calls.append("close")

    module = ModuleType(MODULE)
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    log = Log(tmp_path, 7, True)
    log.write(8, "float_training", loss=1.5, lr=0.1)
    log.close()
    assert calls == [
        ("tensorboard", 8), ("float_training/loss", 1.5, 8), ("float_training/lr", 0.1, 8),
        "flush", "close",
    ]  # fmt: skip
    assert log.warning == ""
