"""What imagenet_train.yaml names: torchvision's network and a user's own copy of ImageNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network(name: str = "resnet18") -> nn.Module:
    """Return torchvision's float network with its published weights (downloaded once)."""
    from torchvision import models

    model: nn.Module = models.get_model(name, weights="IMAGENET1K_V1")
    return model


def data(root: str) -> tuple[Any, Any]:
    """Return (training, validation) data.

    Args:
        root: folder with `train` and `val`, each with one folder of images per class.
    """
    from torchvision import datasets, transforms

    normalized = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    training = transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *normalized]
    )
    validation = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), *normalized]
    )
    folder = Path(root)
    return (
        datasets.ImageFolder(str(folder / "train"), training),
        datasets.ImageFolder(str(folder / "val"), validation),
    )
