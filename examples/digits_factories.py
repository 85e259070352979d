"""What digits_train.yaml names: the network and the data of digits.py for `rmsmp-hls train`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, randint
from torch.utils.data import Dataset, TensorDataset

from digits import Data, DigitsNet, load_data


class ShiftedDigits(Dataset[tuple[Tensor, Tensor]]):
    """Images, each moved by -1, 0 or 1 pixel in both directions whenever it is read.

    The global generator is enough: the trainer sets it before every item.
    """

    def __init__(self, data: Data) -> None:
        self.images, self.classes = data

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row, col = randint(0, 3, (2,)).tolist()
        padded = F.pad(self.images[index], (1, 1, 1, 1))
        return padded[:, row : row + 8, col : col + 8], self.classes[index]


def network() -> nn.Module:
    """Return the untrained network."""
    return DigitsNet()


def data() -> tuple[ShiftedDigits, TensorDataset]:
    """Return (training, validation) data."""
    training, test = load_data()
    return ShiftedDigits(training), TensorDataset(*test)
