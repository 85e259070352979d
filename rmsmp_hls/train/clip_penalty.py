"""PACT's weight decay: a penalty on the clips of the activations."""

from __future__ import annotations

import torch
from torch import Tensor

from rmsmp_hls.train.model import RmsmpModel


def clip_penalty(model: RmsmpModel) -> Tensor:
    """Return the sum of alpha^2, alpha = scale * largest code, over all activation scales.

    To decay the clips by lambda, as PACT does (arXiv 1805.06085, section 3), add
    lambda / 2 times this to the loss. Without quantizers it is 0.
    """
    state = model.rmsmp
    total = torch.zeros((), device=state.choices.device)
    for name in state.names:
        quantizer = state.activation(name)
        total = total + (quantizer.scale() * quantizer.high).to(total.dtype) ** 2
    return total
