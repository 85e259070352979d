"""One model, built once in native storage; tests get copies of the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rmsmp_hls.flow import BuildOutcome
from tests.flow.models import build, save_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small residual network with every row format; read only."""
    meta = {"float_accuracy": 1.0}
    return save_model(tmp_path_factory.mktemp("model") / "model.pt", meta=meta)


@pytest.fixture(scope="session")
def built(model: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildOutcome:
    """Its build for zcu102 in native storage; read only."""
    return build(model, tmp_path_factory.mktemp("built") / "build")


@pytest.fixture
def folder(built: BuildOutcome, tmp_path: Path) -> Path:
    """A copy of the build, which is up to date, with its compiled testbench."""
    return Path(shutil.copytree(built.out, tmp_path / "build"))


@pytest.fixture
def seeded(built: BuildOutcome, tmp_path: Path) -> Path:
    """A build folder in which nothing is built, but the testbench of `built` is compiled."""
    work = tmp_path / "seeded" / "csim" / "run"
    work.mkdir(parents=True)
    (tmp_path / "seeded" / ".rmsmp-hls").mkdir()
    for program in (built.out / "csim" / "run").glob("csim-native-*"):
        if program.suffix == "":
            shutil.copy2(program, work / program.name)
    return tmp_path / "seeded"
