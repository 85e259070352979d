"""Which rows suffer most from four bits, measured on data.

Of every row: the squared error that its Fixed-4 weights make in the layer's output, behind its
batch norm, on the float network's own inputs; summed over all positions and images.

Source: FILM-QNN (Sun et al., FPGA 2022), which ranks filters by their quantization error; here
the error is taken at the output, so that weights whose inputs are small count little.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d, FloatOp, Linear
from rmsmp_hls.train.bias import affine_tails
from rmsmp_hls.train.execute import product
from rmsmp_hls.train.network import Network
from rmsmp_hls.train.quantizers import quantize_rows, row_blocks

FOUR_BITS = "Fixed-4"


class RowErrors:
    """Sums the error of every row over batches; `see` is a `watched.Watch`.

    Attributes:
        sums: layer -> float64 [rows].
    """

    def __init__(self, network: Network, scales: Mapping[str, Tensor]) -> None:
        """Quantize all weights to Fixed-4, by the scales [O] of each layer."""
        self.sums: dict[str, Tensor] = {}
        self.error: dict[str, Tensor] = {}
        tails = affine_tails(network.plan)
        for op in network.layers():
            weight, mine = (
                network.weight(op).detach(),
                scales[op.name].to(network.weight(op).device),
            )
            with torch.no_grad():
                levels = quantize_rows(weight, mine, (FOUR_BITS,) * len(weight))
                gain = (
                    _gain(network.graph.op(tails[op.name]), network)
                    .to(mine.device)
                    .expand(len(weight))
                )
            self.error[op.name] = levels
            # In place: the largest layers have 400 MB of weights.
            for some in row_blocks(len(weight), weight[0].numel()):
                shape = (-1,) + (1,) * (weight.dim() - 1)
                wrong = levels[some].double() * mine[some].reshape(shape) - weight[some].double()
                levels[some] = wrong * gain[some].reshape(shape)
            self.sums[op.name] = torch.zeros(len(weight), dtype=torch.float64, device=mine.device)

    def see(self, op: FloatOp, inputs: list[Tensor], made: Tensor) -> Tensor:
        """Add what one layer's rows do wrong in one batch; the value goes on as it is."""
        if isinstance(op, (Conv2d, Linear)):
            wrong = product(op, inputs[0], self.error[op.name], None).double()
            self.sums[op.name] += (wrong * wrong).transpose(0, 1).flatten(1).sum(1)
        return made


def _gain(op: FloatOp, network: Network) -> Tensor:
    if not isinstance(op, BatchNorm):
        return torch.ones(1, dtype=torch.float64)
    gain = 1 / torch.sqrt(network.needed(op.running_var).double() + op.eps)
    return gain * network.needed(op.weight).double() if op.weight else gain
