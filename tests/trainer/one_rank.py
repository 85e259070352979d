"""One of several processes: trains, then writes what its own model holds.

torchrun --nproc-per-node 2 -m tests.trainer.one_rank FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from rmsmp_hls.config.training import AdmmSettings, NetworkSource
from rmsmp_hls.trainer import train
from rmsmp_hls.trainer.session import Session
from tests.trainer.samples import HERE, config

FOLDER = Path(sys.argv[1])
NETWORK = NetworkSource("tests.trainer.samples:network", {"norm": "no"})
ADMM = AdmmSettings(rho=0.01, update_steps=3)


def main() -> None:
    """Train on the CPU; keep the session's model under its rank."""
    run = Session.run

    def kept(session: Session) -> None:
        run(session)
        torch.save(session.model.state_dict(), FOLDER / f"rank{session.who.rank}.pt")

    Session.run = kept  # type: ignore[method-assign]
    train(config(FOLDER / f"of{os.environ['WORLD_SIZE']}", model=NETWORK, admm=ADMM), HERE)


if __name__ == "__main__":
    main()
