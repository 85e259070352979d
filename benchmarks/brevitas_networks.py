"""The digits networks in Brevitas, with quantizers where rmsmp-hls has them. Needs Brevitas.

Convolutions and linear layers have 4-bit weights with one scale per output channel, the others are
those of examples/digits.py under the same names, so that a float checkpoint fits.
"""

from __future__ import annotations

from collections.abc import Callable

import brevitas.nn as qnn
import torch
from brevitas.graph.calibrate import calibration_mode
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerChannelFloatMSE,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn


class LearnedScale(Int8WeightPerChannelFloatMSE):  # type: ignore[misc]
    """Scales of least squared error at first, parameters then."""

    scaling_impl_type = "parameter_from_stats"


# As Brevitas calls them: recomputed from the weights' largest magnitude in every step; learned.
WEIGHT_QUANTIZERS = {"statistics": Int8WeightPerChannelFloat, "learned": LearnedScale}


def _conv(
    quantizer: type, inputs: int, outputs: int, kernel: int, stride: int = 1
) -> qnn.QuantConv2d:
    return qnn.QuantConv2d(
        inputs, outputs, kernel, stride, kernel // 2, bias=False,
        weight_quant=quantizer, weight_bit_width=4,
    )  # fmt: skip


def _linear(quantizer: type, inputs: int, outputs: int) -> qnn.QuantLinear:
    return qnn.QuantLinear(inputs, outputs, True, weight_quant=quantizer, weight_bit_width=4)


def _relu(bits: int = 4) -> qnn.QuantReLU:
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits)


def _unsigned(bits: int) -> qnn.QuantIdentity:
    return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=bits)


def _signed() -> qnn.QuantIdentity:
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=8)


class Block(nn.Module):
    """Residual block; the add reads 8-bit tensors, convolutions 4-bit ones."""

    def __init__(self, quantizer: type, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(quantizer, inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = _relu()
        self.conv2 = _conv(quantizer, outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.wide = _signed()
        self.shortcut = nn.Sequential()
        self.narrow, self.wide_shortcut = nn.Identity(), nn.Identity()
        if stride != 1 or inputs != outputs:
            norm = nn.BatchNorm2d(outputs)
            self.shortcut = nn.Sequential(_conv(quantizer, inputs, outputs, 1, stride), norm)
            self.wide_shortcut = _signed()
        else:  # the add reads x in 8 bits, conv1 in 4
            self.narrow = _unsigned(4)
        self.relu2 = _relu()

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))."""
        y = self.relu1(self.bn1(self.conv1(self.narrow(x))))
        y = self.wide(self.bn2(self.conv2(y)))
        result: Tensor = self.relu2(y + self.wide_shortcut(self.shortcut(x)))
        return result


class DigitsNet(nn.Module):
    """[N, 1, 8, 8] -> [N, 10]."""

    def __init__(self, quantizer: type) -> None:
        super().__init__()
        self.input = _unsigned(8)
        self.conv1 = _conv(quantizer, 1, 16, 3)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu1 = _relu(8)
        self.layer1 = Block(quantizer, 16, 16, stride=1)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = _conv(quantizer, 16, 32, 3)
        self.bn2 = nn.BatchNorm2d(32)
        self.relu2 = _relu()
        self.layer2 = Block(quantizer, 32, 48, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.pooled = _unsigned(4)
        self.fc = _linear(quantizer, 48, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.layer1(self.relu1(self.bn1(self.conv1(self.input(x)))))
        x = self.relu2(self.bn2(self.conv2(self.pool(x))))
        x = self.pooled(self.avgpool(self.layer2(x)))
        logits: Tensor = self.fc(torch.flatten(x, 1))
        return logits


class Mlp(nn.Sequential):
    """[N, 1, 8, 8] -> [N, 10]; the layers have the numbers that they have without quantizers."""

    def __init__(self, quantizer: type) -> None:
        super().__init__(
            nn.Flatten(), _linear(quantizer, 64, 20), _relu(), _linear(quantizer, 20, 20), _relu(),
            _linear(quantizer, 20, 10),
        )  # fmt: skip
        self.input = _unsigned(8)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.input(x)
        for index in range(6):
            x = self[index](x)
        return x


NETWORKS: dict[str, Callable[[type], nn.Module]] = {"residual": DigitsNet, "mlp": Mlp}


def network(name: str, weights: str, plain: nn.Module, images: Tensor) -> nn.Module:
    """Return the network with a float network's parameters, calibrated with images.

    Args:
        name: of `NETWORKS`, whose keys are some of `digits_cases.CASES`.
        weights: of `WEIGHT_QUANTIZERS`.
        plain: the float network, trained.
        images: [N, 1, 8, 8].
    """
    model = NETWORKS[name](WEIGHT_QUANTIZERS[weights])
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and not set(missing) & set(plain.state_dict())
    model.train()
    frozen = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in frozen:  # its statistics are the float network's until training goes on
        part.eval()
    with torch.no_grad(), calibration_mode(model):
        for batch in images.split(256):
            model(batch)
    return model.train()


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return parameter groups: only weights decay, as in `rmsmp_hls.train.parameter_groups`."""
    decay, others = [], []
    for name, parameter in model.named_parameters():
        decays = parameter.dim() > 1 and not name.endswith("scaling_impl.value")
        (decay if decays else others).append(parameter)
    return [
        {"params": decay, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def widths(model: nn.Module) -> list[tuple[int, bool]]:
    """Return (bits, signed) of every activation quantizer, sorted."""
    found = []
    for part in model.modules():
        if isinstance(part, (qnn.QuantReLU, qnn.QuantIdentity)):
            quantizer = part.act_quant
            found.append((int(quantizer.bit_width()), bool(quantizer.is_signed)))
    return sorted(found)
