"""Several processes, through torchrun and gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rmsmp_hls.config.training import AdmmSettings, NetworkSource
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.trainer import train
from rmsmp_hls.trainer.processes import Processes, processes
from rmsmp_hls.trainer.run import _check_processes
from tests.trainer.samples import HERE, config, same, states

ROOT = HERE.parents[1]


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Both end with the same bits, and with what one process makes of the whole batches;
    with ADMM, whose penalty each adds by itself."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", "-m", "tests.trainer.one_rank", str(tmp_path)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    assert same(ranks[0], ranks[1])
    network = NetworkSource("tests.trainer.samples:network", {"norm": "no"})
    admm = AdmmSettings(rho=0.01, update_steps=3)
    train(config(tmp_path / "of1", model=network, admm=admm), HERE)
    alone = states(tmp_path / "of1")
    assert alone.keys() == ranks[0].keys()
    for key, tensor in alone.items():
        assert torch.allclose(tensor.double(), ranks[0][key].double(), rtol=1e-4, atol=1e-6), key


def test_a_batch_is_shared_without_rest(tmp_path: Path) -> None:
    """Every index goes to one process; a batch that cannot be shared equally is refused."""
    cpu = torch.device("cpu")
    shares = [Processes(rank, 3, cpu).share(list(range(12))) for rank in range(3)]
    assert sorted(index for share in shares for index in share) == list(range(12))
    with pytest.raises(ConfigError, match="cannot be shared by 3 processes"):
        _check_processes(config(tmp_path), Processes(0, 3, cpu))


def test_alone_there_is_nothing_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torchrun this is the first of one, and sums are its own numbers."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes("cpu") as who:
        assert (who.rank, who.size, who.first) == (0, 1, True)
        assert who.sum(1.5, 2) == [1.5, 2]
        assert who.first_text("here") == "here"


def test_an_environment_that_is_broken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """WORLD_SIZE must be a number."""
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ConfigError, match="WORLD_SIZE"), processes("cpu"):
        pass
