"""The loss's Hessian over the outputs, against autograd's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.train import output_curvature


def squares(made: output_curvature.Curvature) -> Tensor:
    """Return sum over k of sign c c', [N, D, D]."""
    return torch.einsum("knd,kne,kn->nde", made.columns, made.columns, made.signs)


def test_enough_probes_are_exact() -> None:
    """The signed squares add up to the Hessian, here of both signs."""
    torch.manual_seed(0)
    outputs, targets = torch.randn(3, 6).double(), torch.randn(3, 6).double()

    def loss(o: Tensor, t: Tensor) -> Tensor:
        return (torch.sin(o) * t).sum() + (o[:, 0] * o[:, 1]).sum()

    full = torch.autograd.functional.hessian(lambda o: loss(o, targets), outputs)
    made = output_curvature.output_curvature(outputs, loss, targets, 6, torch.Generator())
    for image in range(3):
        assert torch.allclose(squares(made)[image], full[image, :, image])
    assert float(made.signs.min()) == -1


def test_fewer_probes_than_outputs_estimate_the_outputs_curvature() -> None:
    """The mean over many seeds of the probes' C is the loss's Hessian over the outputs."""
    torch.manual_seed(0)
    outputs, targets = torch.randn(2, 12).double(), torch.tensor([3, 7])
    full = torch.autograd.functional.hessian(
        lambda o: F.cross_entropy(o, targets), outputs
    )  # [2, 12, 2, 12]
    total = torch.zeros(2, 12, 12).double()
    for seed in range(400):
        made = output_curvature.output_curvature(
            outputs, F.cross_entropy, targets, 6, torch.Generator().manual_seed(seed)
        )
        assert len(made.columns) == 6
        total += squares(made) / 400
    for image in range(2):
        want = full[image, :, image]
        assert float((total[image] - want).abs().max()) < 0.05 * float(want.abs().max())


def test_all_columns_are_taken_where_the_rest_is_not_convex() -> None:
    """Random sums of columns of both signs would have the wrong mean."""
    outputs, targets = torch.linspace(0.1, 3.0, 12).reshape(2, 6).double(), torch.zeros(2)
    made = output_curvature.output_curvature(
        outputs, lambda o, _: torch.sin(4 * o).sum(), targets, 2, torch.Generator()
    )
    full = torch.diag_embed(-16 * torch.sin(4 * outputs))
    assert torch.allclose(squares(made), full)


def test_nan_curvature_is_refused() -> None:
    """The error is about the loss."""
    with pytest.raises(QuantizationError, match="loss"):
        output_curvature.output_curvature(
            torch.zeros(2, 3), lambda o, _: o.abs().sqrt().sum(), torch.zeros(2), 8,
            torch.Generator().manual_seed(0),
        )  # fmt: skip
