"""Every random number of a training is a function of its seed and of where it is drawn.

There is no generator whose state goes on from step to step: before every step and every item,
the global generators are set from (seed, phase, epoch, step or item). So a training that is
resumed in the middle of an epoch draws what it would have drawn, whatever the loader processes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

Place = int | str


def derive(*place: Place) -> int:
    """Return 63 bits that depend on every part of `place`."""
    digest = hashlib.sha256(repr(place).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def seed_all(*place: Place) -> None:
    """Set the global generators of torch (all devices), NumPy and Python."""
    seed = derive(*place)
    torch.manual_seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)


@contextmanager
def seeded(*place: Place) -> Iterator[None]:
    """Set the generators of the CPU for a while, then put them back as they were."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    seed = derive(*place)
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
