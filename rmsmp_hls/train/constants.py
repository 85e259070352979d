"""A float network's constants as torch tensors."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from rmsmp_hls.ir.graph import FloatGraph


def constant_tensors(graph: FloatGraph) -> dict[str, Tensor]:
    """Return state_dict key -> tensor that shares the constant's memory: never write to one.

    Large networks have half a gigabyte of weights; every copy counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*", category=UserWarning)
        return {key: torch.from_numpy(constant.array) for key, constant in graph.constants.items()}
