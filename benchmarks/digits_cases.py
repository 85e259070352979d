"""The networks and images that schemes are compared on: scikit-learn's digits, thrice.

The example's residual network answers nearly all test images, whatever its weights are: schemes
cannot be told apart by it. Two networks with few weights have nothing to spare, and learn from
one half of the images only, so that the other half, 2.5 times as many as the example's, tests
them: five splits, each half trained on once (the 5 x 2 scheme of Dietterich, Neural Computation
10, 1998). Few images for a large network would not do: then the choice of images decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from training_step import digits_example

Data = tuple[Tensor, Tensor]
DIGITS = digits_example()


@dataclass(frozen=True, slots=True)
class Case:
    """A network, its images and its training.

    Attributes:
        words: as the page calls it.
        about: what it is, a part of a sentence.
        build: the float network, [N, 1, 8, 8] -> [N, 10].
        data: seed -> (training, test) images and classes.
        seeds: 0 .. seeds - 1 are run at most.
        epochs, float_lr: of the float training.
        qat_epochs, qat_lr: with quantizers.
        compared: whether its pairs count for significance.
    """

    words: str
    about: str
    build: Callable[[], nn.Module]
    data: Callable[[int], tuple[Data, Data]]
    seeds: int
    epochs: int
    qat_epochs: int
    float_lr: float
    qat_lr: float
    compared: bool = True

    def settings(self) -> dict[str, Any]:
        """Return what decides a run's result, as JSON."""
        names = ("epochs", "qat_epochs", "float_lr", "qat_lr")
        return {name: getattr(self, name) for name in names}

    def figures(self) -> dict[str, Any]:
        """Return what the page says about it, as JSON."""
        training, test = self.data(0)
        weights = [p.numel() for p in self.build().parameters() if p.dim() > 1]
        return {
            "words": self.words, "about": self.about, "compared": self.compared,
            "weights": sum(weights), "training_images": len(training[0]),
            "test_images": len(test[0]), **self.settings(),
        }  # fmt: skip


def halves(seed: int) -> tuple[Data, Data]:
    """Return one half of the images to train and the other to test; seeds 2k, 2k + 1 swap them."""
    digits = load_digits()
    pixels = (digits.images / 16.0).astype("float32")[:, None]
    parts = train_test_split(
        pixels, digits.target, test_size=0.5, random_state=seed // 2, stratify=digits.target
    )
    first_x, second_x, first_y, second_y = (torch.from_numpy(part) for part in parts)
    first, second = (first_x, first_y.long()), (second_x, second_y.long())
    return (second, first) if seed % 2 else (first, second)


def mlp(width: int = 20) -> nn.Module:
    """Return a perceptron with two hidden layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 10),
    )  # fmt: skip


def separable(width: int = 20) -> nn.Module:
    """Return a network of depthwise and pointwise convolutions, as MobileNet's.

    Of 20 rows a ratio with 5 % of Fixed-8 rows gets one in every layer but the last.
    """

    def layer(inputs: int, kernel: int, groups: int = 1) -> list[nn.Module]:
        conv = nn.Conv2d(
            inputs, width, kernel, padding=kernel // 2, groups=groups, bias=False
        )  # fmt: skip
        return [conv, nn.BatchNorm2d(width), nn.ReLU()]

    return nn.Sequential(
        *layer(1, 3), *layer(width, 3, width), *layer(width, 1), nn.MaxPool2d(2),
        *layer(width, 3, width), *layer(width, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10),
    )  # fmt: skip


CASES = {
    "residual": Case(
        "residual CNN", "the network, the images (a fixed fifth for the test) and the training of "
        "`examples/digits.py`", DIGITS.DigitsNet, lambda seed: DIGITS.load_data(),
        seeds=5, epochs=30, qat_epochs=15, float_lr=4e-3, qat_lr=2e-4, compared=False,
    ),
    "separable": Case(
        "small CNN", "five convolutions of 20 channels, two of them depthwise, and a linear layer",
        separable, halves, seeds=10, epochs=40, qat_epochs=20, float_lr=4e-3, qat_lr=2e-3,
    ),
    "mlp": Case(
        "small MLP", "two hidden layers of 20", mlp, halves,
        seeds=10, epochs=100, qat_epochs=40, float_lr=4e-3, qat_lr=2e-3,
    ),
}  # fmt: skip
