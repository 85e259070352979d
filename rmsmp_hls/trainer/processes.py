"""One process or several (torchrun): which this is, what it computes on, how all agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.model import RmsmpModel


@dataclass(frozen=True)
class Processes:
    """This process among all: `rank` of `size`, on `device`."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def share(self, indices: list[int]) -> list[int]:
        """Return this process's part of a batch."""
        return indices[self.rank :: self.size]

    def sum(self, *numbers: float) -> list[float]:
        """Return each number summed over all processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(number) for number in total]

    def first_text(self, text: str) -> str:
        """Return the first text of all processes that is not empty."""
        if self.size == 1:
            return text
        texts: list[str] = [""] * self.size
        dist.all_gather_object(texts, text)
        return next((found for found in texts if found), "")

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            dist.barrier()

    def same(self, tensors: Iterator[Tensor]) -> None:
        """Give every process the tensors of the first."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wrap(self, model: RmsmpModel) -> nn.Module:
        """Return what is called in training: the model, or one that averages the gradients."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the other processes that torchrun started, if any; leave them at the end.

    Args:
        device: auto, cpu or cuda.

    Raises:
        ConfigError: there is no GPU, or torchrun's environment is incomplete.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no GPU that torch can use", where="device", fix="device: auto")
    gpu = device != "cpu" and torch.cuda.is_available()
    size = _variable("WORLD_SIZE", 1)
    place = torch.device("cuda", _variable("LOCAL_RANK", 0)) if gpu else torch.device("cpu")
    if gpu:
        if place.index >= torch.cuda.device_count():
            raise ConfigError(
                f"process {place.index} on this machine has no GPU of its own",
                where="torchrun",
                fix=f"--nproc-per-node {torch.cuda.device_count()}",
            )
        torch.cuda.set_device(place)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if size == 1:
        yield Processes(0, 1, place)
        return
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Processes(dist.get_rank(), size, place)
    finally:
        dist.destroy_process_group()


def _variable(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"is {text[:40]!r}, not a number", where=name, fix="start with torchrun")
    return int(text)
