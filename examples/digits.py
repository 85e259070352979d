"""Train a small residual network on scikit-learn's digits, quantize it, write model.pt.

    python examples/digits.py --output model.pt

Float training, then quantization-aware training with row-wise mixed schemes: rows of
shift-add, Fixed-4 and Fixed-8 weights, chosen by the curvature of the loss. The test
images (a fifth, the same share of every class) go into the file as validation data.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import RmsmpError

Data = tuple[Tensor, Tensor]


class Block(nn.Module):
    """Residual block: two 3 x 3 convolutions beside a shortcut, added, then ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class DigitsNet(nn.Module):
    """[N, 1, 8, 8] -> [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = Block(16, 16, stride=1)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.layer2 = Block(32, 48, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.layer1(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.bn2(self.conv2(self.pool(x))))
        x = self.avgpool(self.layer2(x))
        return self.fc(torch.flatten(x, 1))


def load_data() -> tuple[Data, Data]:
    """Return (training, test) data: pixels 0..1 [N, 1, 8, 8], classes [N]; a fixed split."""
    digits = load_digits()
    pixels = (digits.images / 16.0).astype("float32")[:, None]
    split = train_test_split(
        pixels, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    train_x, test_x, train_y, test_y = (torch.from_numpy(part) for part in split)
    return (train_x, train_y.long()), (test_x, test_y.long())


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images, each moved by -1, 0 or 1 pixel in both directions."""
    padded = F.pad(x, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(x), 2), generator=generator)
    rows = torch.arange(8) + moves[:, :1]
    cols = torch.arange(8) + moves[:, 1:]
    images = torch.arange(len(x))[:, None, None]
    return padded[:, 0][images, rows[:, :, None], cols[:, None, :]][:, None]


def train(
    model: nn.Module,
    data: Data,
    epochs: int,
    optimizer: torch.optim.Optimizer,
    seed: int,
    progress: Progress,
    title: str,
) -> None:
    """Train with a cosine schedule in batches of 64."""
    generator = torch.Generator().manual_seed(seed)
    batches = [data[0][i : i + 64] for i in range(0, len(data[0]), 64)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    task = progress.add_task(title, total=epochs, note="")
    model.train()
    for _ in range(epochs):
        total = 0.0
        for index in torch.randperm(len(data[0]), generator=generator).split(64):
            loss = F.cross_entropy(model(shifted(data[0][index], generator)), data[1][index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(index)
        progress.update(task, advance=1, note=f"loss {total / len(data[0]):.4f}")
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, data: Data) -> float:
    """Return the share of right answers, 0..1."""
    model.eval()
    return float((model(data[0]).argmax(1) == data[1]).double().mean())


def main() -> None:
    """Train, quantize, save."""
    options = parse_options()
    console = Console()
    started = time.monotonic()
    torch.set_num_threads(1)  # such small layers gain nothing by more, and lose on a busy machine
    torch.manual_seed(options.seed)
    training, test = load_data()
    net = DigitsNet()
    # Shares its parameters with `net`, which trains as a float network first.
    model = rt.prepare(net, training[0][:1], codebook=options.codebook, ratio=options.ratio)
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs {task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        adam = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
        train(net, training, options.epochs, adam, options.seed, progress, "Float training")
        float_accuracy = accuracy(net, test)

        rt.calibrate(model, training[0].split(256))
        batch = (training[0][:128], training[1][:128])
        task = progress.add_task("Row assignment (Hessian)", total=1, note="")
        counts = rt.assign_rows(model, method="hessian", loss_fn=F.cross_entropy, batch=batch)
        progress.update(task, advance=1)
        calibrated = accuracy(model, test)
        groups = rt.parameter_groups(model, weight_decay=1e-4)
        adam = torch.optim.AdamW(groups, lr=2e-4)
        train(
            model, training, options.qat_epochs, adam, options.seed + 1, progress,
            "Quantization-aware training",
        )  # fmt: skip
    quantized = accuracy(model, test)
    meta = {"float_accuracy": float_accuracy, "fake_quantized_accuracy": quantized,
            "dataset": "scikit-learn digits, 360 test images", "seed": options.seed}  # fmt: skip
    rt.save(model, options.output, validation=test, meta=meta)
    rows = {name: sum(layer.get(name, 0) for layer in counts.values())
            for name in (model.codebook, "Fixed-4", "Fixed-8")}  # fmt: skip
    console.print(f"float accuracy                {float_accuracy:.2%}")
    console.print(f"quantized, calibration only   {calibrated:.2%}")
    console.print(f"quantized, trained            {quantized:.2%}")
    console.print("rows: " + ", ".join(f"{count} {name}" for name, count in rows.items()))
    console.print(
        f"{options.output} written after {time.monotonic() - started:.0f} s", soft_wrap=True
    )


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("model.pt"), help="checkpoint to write")
    parser.add_argument("--epochs", type=int, default=30, help="epochs of float training")
    parser.add_argument("--qat-epochs", type=int, default=15, help="epochs with quantizers")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and shifts")
    parser.add_argument("--codebook", default="SP2-4", help="SP2-4, PoT-4 or APoT-4")
    parser.add_argument("--ratio", default="65:30:5", help="shift-add : Fixed-4 : Fixed-8")
    options = parser.parse_args()
    if options.epochs < 1 or options.qat_epochs < 1:
        parser.error("--epochs and --qat-epochs must be at least 1")
    if not options.output.resolve().parent.is_dir():
        parser.error(f"the folder of {options.output} does not exist")
    return options


if __name__ == "__main__":
    try:
        main()
    except RmsmpError as error:
        sys.exit(f"error: {error}")
