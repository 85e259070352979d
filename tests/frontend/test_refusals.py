"""What would compute something else, and bad input, is refused: where, why and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.pt2 import load_exported_program
from rmsmp_hls.frontend.trace import trace
from tests.frontend.exported import export, refusal
from tests.frontend.operations import IMAGE, LINE, Fn


def refusals(net: nn.Module, path: Path, shape: tuple[int, ...] = IMAGE) -> list[str]:
    """Return the messages for a module in memory, and for its file."""
    net.eval()
    with pytest.raises(ModelImportError) as caught:
        trace(net, torch.zeros(1, *shape))
    return [str(caught.value), refusal(export(net, path, (2, *shape)))]


def moved(x: Tensor) -> Tensor:
    """Pixels of a patch into channels, by hand."""
    n, c, h, w = x.shape
    x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return F.relu(x.reshape(n, c * 4, h // 2, w // 2))


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (lambda x: F.pixel_shuffle(x, 2), "nn.Upsample(scale_factor=2)"),
        (moved, "aten.view.default -> aten.permute.default -> aten.reshape.default made"),
        (lambda x: F.relu(x.transpose(2, 3)), "move no pixels"),
        (lambda x: F.relu(x[:, :, 1:]), "keep whole channels together"),
        (lambda x: x[:1] * 1, "keep the batch"),
        (lambda x: F.relu(x.view(1, -1)), "keep the batch"),
        (lambda x: F.relu(x.view(x.size(0), 4, -1)), "keep whole channels together"),
        (lambda x: torch.cat([x, x], 3), "join along channels only"),
        (lambda x: torch.cat([x, torch.ones(2, 1, 6, 8)], 1), "not a tensor that the network"),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), "mode='nearest'"),
        (lambda x: F.interpolate(x, scale_factor=1.5), "whole scale_factor"),
        (lambda x: F.interpolate(x, size=(3, 4)), "whole scale_factor"),
        (lambda x: F.interpolate(x, scale_factor=(1.2, 1), mode="nearest"), "whole scale_factor"),
        (lambda x: F.interpolate(x, scale_factor=41), "torch rounds unevenly"),
        (lambda x: F.pad(x, (-1, 0)), "cut nothing off"),
        (lambda x: F.pad(x, (1, 1), value=1.0), "pad with zeros"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "padding_mode='zeros'"),
        (lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)), "pad height and width only"),
        (lambda x: F.adaptive_max_pool2d(x, 4), "several sizes"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[1] + F.max_pool2d(x, 2), "result 2 of"),
        (lambda x: x - F.relu(x), "with the sign in the weights"),
        (lambda x: x / F.relu(x), "divides by a tensor"),
        (lambda x: F.relu(-1 * x), "has turned"),
        (lambda x: x * x.mean(1, keepdim=True), "mean over height and width"),
        (lambda x: x * x[:, :1], "broadcasts"),
        (lambda x: x * torch.ones(4, 1, 1), "fold constants"),
        (lambda x: x**3, "only the square"),
        (lambda x: F.selu(x), "use ReLU"),
        (lambda x: F.prelu(x, torch.ones(4)), "its slope is learned"),
        (lambda x: F.softmax(x, 2), "over the classes (dim=1)"),
        (lambda x: F.relu(F.log_softmax(x.flatten(1), 1)), "network's own result"),
        (lambda x: F.alpha_dropout(x), "use nn.Dropout"),
        (lambda x: F.layer_norm(x, (8,)), "BatchNorm2d"),
        (lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2), "nn.Linear"),
        (lambda x: torch.stack([x, x], 1), "torch.cat along channels"),
        (lambda x: x.half(), "number type"),
        (lambda x: x.sum((2, 3)), "use a mean"),
        (lambda x: x.argmax(1), "the host finds the largest"),
        (lambda x: torch.ones(2, 3), "computes nothing from its input"),
        (lambda x: (x, F.relu(x)), "returns 2 results: 'conv2d', 'relu'"),
        (
            lambda x: torch.cond(x.sum() > 0, lambda y: y + y, lambda y: y * y, (x,)),
            "nothing in forward depend on the values",
        ),
    ],
)
def test_functions(then: Callable[[Tensor], Any], words: str, tmp_path: Path) -> None:
    """In memory and from a file, with the reason and the remedy."""
    for message in refusals(Fn(then), tmp_path / "net.pt2"):
        assert words in message and "->" in message


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: nn.ConvTranspose2d(4, 4, 2, 2), IMAGE, "nearest upsampling|nn.Upsample"),
        (lambda: nn.ConvTranspose1d(4, 4, 2, 2), LINE, "nn.Upsample"),
        (lambda: nn.PReLU(4), IMAGE, "its slope is learned"),
        (lambda: nn.Softplus(), IMAGE, "use ReLU"),
        (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), IMAGE, "zeros"),
        (lambda: nn.GroupNorm(2, 4), IMAGE, "BatchNorm2d"),
        (lambda: nn.LayerNorm(12), LINE, "BatchNorm2d"),
        (lambda: nn.InstanceNorm2d(4), IMAGE, "BatchNorm2d"),
        (lambda: nn.Linear(12, 4), LINE, "kernel size 1"),
        (lambda: nn.AlphaDropout(), IMAGE, "use nn.Dropout"),
        (lambda: nn.BatchNorm2d(4, track_running_stats=False), IMAGE, "track_running_stats=True"),
        (lambda: nn.PixelUnshuffle(2), IMAGE, "no pixel moves into a channel"),
        (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, "mode='nearest'"),
        (lambda: nn.ReflectionPad2d(1), IMAGE, "padding_mode='zeros'"),
        (lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False), IMAGE, "count_include_pad=True"),
        (lambda: nn.LPPool2d(2, 2), IMAGE, "is not supported"),
        (lambda: nn.MaxPool2d((3, 1), 1, (1, 0)), LINE, "2-D operations"),
        (lambda: nn.AvgPool2d((3, 1), 1, (1, 0)), LINE, "2-D operations"),
        (lambda: nn.AdaptiveAvgPool2d((2, 3)), LINE, "2-D operations"),
        (lambda: nn.AdaptiveMaxPool2d((2, 3)), LINE, "2-D operations"),
        (lambda: nn.MaxPool2d(2, 1, 1, dilation=7), IMAGE, "nothing but padding"),
    ],
)
def test_layers(
    make: Callable[[], nn.Module], shape: tuple[int, ...], words: str, tmp_path: Path
) -> None:
    """The message names the module."""
    net = Fn(F.relu, nn.Sequential(nn.ReLU(), make()))
    for message in refusals(net, tmp_path / "net.pt2", shape):
        assert any(word in message for word in words.split("|")) and "module 'body.1" in message


def test_a_convolution_of_three_dimensions_is_refused() -> None:
    """Such an input is no batch of images; the message says what is."""
    with pytest.raises(ModelImportError, match="give a tensor"):
        trace(nn.Conv3d(1, 1, 1), torch.zeros(1, 1, 4, 4, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_parameters_are_refused_in_memory(dtype: torch.dtype) -> None:
    """All are named with their layers; the remedy is model.float()."""
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.Linear(4, 4))).to(dtype)
    with pytest.raises(ModelImportError) as caught:
        trace(net, torch.zeros(1, *IMAGE))
    message = str(caught.value)
    assert "4 problems" in message and "layer '1.0'" in message and "model.float()" in message


def test_double_parameters_take_a_single_example() -> None:
    """The number type is the module's own; its float64 is noted."""
    traced = trace(nn.Conv2d(4, 4, 1).double(), torch.zeros(1, *IMAGE))
    assert "float64" in traced.notes[0]
    huge = nn.Conv2d(4, 4, 1).double()
    huge.weight.data[0, 0] = 1e300
    with pytest.raises(ModelImportError, match="NaN or infinite"):
        trace(huge, torch.zeros(1, *IMAGE))


@pytest.mark.parametrize("dimension", [2, 3])
def test_dynamic_images_are_refused(dimension: int, tmp_path: Path) -> None:
    """Only the batch may be dynamic; the message names the input."""
    net = Fn(F.relu).eval()
    size = torch.export.Dim("size", min=4, max=64)
    message = refusal(export(net, tmp_path / "net.pt2", (2, *IMAGE), {dimension: size}))
    assert "input 'x'" in message and "of fixed size" in message


def test_a_dynamic_batch_that_is_mixed_is_refused(tmp_path: Path) -> None:
    """A shape that multiplies the batch names the tensor and the remedy."""
    net = Fn(lambda x: F.relu(x.view(-1, 2, 6, 8))).eval()
    path = export(net, tmp_path / "net.pt2", (4, *IMAGE), {0: torch.export.Dim("n")})
    assert "only the batch may be symbolic" in refusal(path)


def test_several_inputs_are_refused_with_the_remedy(tmp_path: Path) -> None:
    """Also an input that nothing reads."""

    class Two(nn.Module):
        def forward(self, x: Tensor, unused: Tensor) -> Tensor:
            return F.relu(x)

    x = torch.zeros(2, *IMAGE)
    torch.export.save(torch.export.export(Two(), (x, x)), tmp_path / "net.pt2")
    assert "takes one tensor" in refusal(tmp_path / "net.pt2")


def test_conflicting_readers_of_one_parameter_are_named(tmp_path: Path) -> None:
    """A tied parameter must have the shape that each of its readers needs."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.second.weight = self.first.weight
            self.second.bias = self.first.bias

        def forward(self, x: Tensor) -> Tensor:
            return self.second(F.relu(self.first(x)))

    net = Tied().eval()
    graph = load_exported_program(export(net, tmp_path / "net.pt2", (2, *IMAGE)))
    assert len({op.weight for op in graph.ops if hasattr(op, "weight")}) == 1
    traced = trace(net, torch.zeros(1, *IMAGE)).graph
    assert traced.ops == graph.ops
