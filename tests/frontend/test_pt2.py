"""Files of torch.export.save become the graphs of `trace`, or are refused with all reasons."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.pt2 import is_exported_program, load_exported_program
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d
from tests.frontend.exported import (
    CONFIG,
    assert_equal,
    export,
    in_json,
    old_layout,
    refusal,
    rewritten,
)
from tests.frontend.models import Functional, Residual, randomized


class Fn(nn.Module):
    """A convolution (`body`), then a function."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 4, 3, padding=1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.body(x))


class Shared(nn.Module):
    """Modules under several names, in a container and unused; buffers that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        conv, relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()
        self.list = nn.ModuleList([conv, relu, conv, relu])
        self.alias = conv
        self.unused = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
        self.register_buffer("kept", torch.ones(3))
        self.register_buffer("lost", torch.ones(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.list:
            x = part(x)
        return self.alias(x)


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (Residual, (2, 8, 8)),
    "functional": (Functional, (1, 8, 8)),
    "sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 5), (2, 1), (0, 2), (2, 1), bias=False), nn.BatchNorm2d(4),
            nn.ReLU6(), nn.AvgPool2d(2), nn.Dropout2d(0.3), nn.Identity(), nn.Flatten(),
            nn.Linear(16, 7), nn.BatchNorm1d(7), nn.Hardtanh(-0.5, 0.7), nn.Linear(7, 3),
        ),
        (2, 8, 8),
    ),
    "vectors": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), (6,)),
    "one layer": (lambda: nn.Conv2d(2, 3, 3, padding="same"), (2, 8, 8)),
    "nested": (
        lambda: nn.ModuleDict({"a": Fn(F.relu_), "b": nn.Identity()})["a"], (2, 8, 8),
    ),
    "mean": (lambda: Fn(lambda x: x.clamp(max=0.3).mean((2, 3))), (2, 8, 8)),
    "pool": (lambda: Fn(lambda x: F.adaptive_avg_pool2d(x, (2, 4)).contiguous()), (2, 8, 8)),
    "shared": (Shared, (2, 8, 8)),
    "dropout in place": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.Dropout2d(0.3, inplace=True), nn.Flatten(),
            nn.Dropout(0.2, inplace=True), nn.Linear(108, 3),
        ),
        (2, 8, 8),
    ),
    "overwrites": (lambda: Fn(lambda x: F.relu_(x) + x), (2, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["fixed", "one image", "dynamic"])
@pytest.mark.parametrize("name", NETS)
def test_a_file_is_the_traced_graph(name: str, kind: str, tmp_path: Path) -> None:
    """Operations, names, module paths and constants equal those of `trace`."""
    make, shape = NETS[name]
    net = randomized(make()).eval()
    batch = 1 if kind == "one image" else 4
    dynamic = {0: torch.export.Dim("n")} if kind == "dynamic" else None
    path = export(net, tmp_path / "net.pt2", (batch, *shape), dynamic)
    assert is_exported_program(path)
    assert_equal(load_exported_program(path), net, shape)


def test_a_strict_export_is_the_same(tmp_path: Path) -> None:
    """The other way of tracing notes the same module paths."""
    net = randomized(Residual()).eval()
    path = export(net, tmp_path / "net.pt2", dynamic={0: torch.export.Dim("n")}, strict=True)
    assert_equal(load_exported_program(path), net, (2, 8, 8))


def test_names_with_separators_are_given_up(tmp_path: Path) -> None:
    """A module's name with a comma cannot be told from its path: the function names it."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            convs = {"a,b": nn.Conv2d(2, 2, 1), "c;d": nn.ReLU(), "e": nn.Conv2d(2, 2, 1)}
            self.parts = nn.ModuleDict(convs)

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts.values():
                x = part(x)
            return x

    graph = load_exported_program(export(Named().eval(), tmp_path / "net.pt2"))
    assert [op.name for op in graph] == ["x", "conv2d", "relu", "parts.e"]


@pytest.mark.filterwarnings("ignore:No complete tensor")
def test_tied_weights_and_layers_called_twice(tmp_path: Path) -> None:
    """Parameters that share memory are read from the one raw file that holds them."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            flat = torch.randn(3, 2, 2, 3, 3)
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.tied = nn.Conv2d(2, 2, 3, padding=1)
            self.part = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.swapped = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.tied.weight = self.conv.weight
            self.part.weight = nn.Parameter(flat[2])
            self.swapped.weight = nn.Parameter(flat[1].transpose(0, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.swapped(self.part(self.tied(self.conv(self.conv(x)))))

    net = Twice().eval()
    graph = load_exported_program(export(net, tmp_path / "net.pt2"))
    assert_equal(graph, net, (2, 8, 8))
    assert [op.name for op in graph.of_type(Conv2d)] == [
        "conv", "conv_1", "tied", "part", "swapped",
    ]  # fmt: skip


def test_double_weights_become_single(tmp_path: Path) -> None:
    """float64 parameters are converted to float32, as `trace` converts them, and a note says so."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double().eval()
    program = torch.export.export(net, (torch.zeros(1, 2, 8, 8, dtype=torch.float64),))
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = load_model(tmp_path / "net.pt2")
    traced = trace(net, torch.zeros(1, 2, 8, 8))
    weight = loaded.graph.constants["0.weight"].array
    assert np.array_equal(weight, net[0].weight.detach().float().numpy())
    assert weight.dtype == np.float32 and loaded.graph == traced.graph
    assert loaded.notes == traced.notes and "float64" in loaded.notes[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    """The message names the type and how to convert."""
    net = nn.Conv2d(2, 3, 3).to(dtype).eval()
    program = torch.export.export(net, (torch.zeros(1, 2, 8, 8, dtype=dtype),))
    torch.export.save(program, tmp_path / "net.pt2")
    message = refusal(tmp_path / "net.pt2")
    assert str(dtype) in message and "model.float()" in message


def test_half_parameters_are_all_listed(saved: Path) -> None:
    """Parameters of another type are named, all of them."""
    for key in ("conv1.weight", "fc.bias"):
        rewritten(saved, in_json(CONFIG, "config", key, "tensor_meta", "dtype", value=6))
    message = refusal(saved)
    assert "'conv1.weight'" in message and "'fc.bias'" in message and "torch.float16" in message


def test_training_mode_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """One sentence names the layers; other findings stand beside it."""

    class Net(Residual):
        def forward(self, x: Tensor) -> Tensor:
            return F.selu(super().forward(x))

    message = refusal(export(Net().train(), tmp_path / "net.pt2"))
    assert "as in training, in bn1, dropout, stem.1" in message and "model.eval()" in message
    assert message.count("model.eval()") == 1 and "aten.selu.default" in message


def test_all_unsupported_operations_are_listed(tmp_path: Path) -> None:
    """One error names every operation with its module path, as `trace` does."""
    net = nn.Sequential(nn.PixelUnshuffle(2), nn.SELU(), nn.CELU(), nn.Conv2d(8, 4, 3))
    message = refusal(export(net.eval(), tmp_path / "net.pt2"))
    assert "3 problems" in message
    assert all(f"module {path}" in message for path in ("'0'", "'1'", "'2'"))


class Two(nn.Module):
    """Several inputs."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.relu(x) + y


def test_graphs_inside_the_graph_are_refused(tmp_path: Path) -> None:
    """A block under torch.no_grad() is an operation on graphs; so says the message."""

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                y = F.relu(x)
            return F.relu6(y)

    message = refusal(export(Net(), tmp_path / "net.pt2"))
    assert "wrap_with_set_grad_enabled" in message and "leave torch.no_grad()" in message


def test_several_inputs_and_outputs_are_refused(tmp_path: Path) -> None:
    """The network reads one tensor and returns one."""
    x, path = torch.zeros(1, 2, 8, 8), tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Two(), (x, x)), path)
    assert "takes 2 inputs" in refusal(path)
    assert "returns 2 results" in refusal(export(Fn(lambda y: (y, F.relu(y))), path))  # type: ignore[arg-type,return-value]
    assert "computes nothing" in refusal(export(nn.Identity(), path))


def test_symbolic_sizes_beyond_the_batch_are_refused(tmp_path: Path) -> None:
    """A dynamic height is named; so is every tensor that loses the batch."""
    path = tmp_path / "net.pt2"
    net = nn.Conv2d(2, 4, 3, padding=1).eval()
    message = refusal(export(net, path, dynamic={2: torch.export.Dim("h", min=4)}))
    assert "input 'input'" in message and "only the batch may be dynamic" in message
    mixing = Fn(lambda x: F.relu(x.view(-1, 8, 8)))
    message = refusal(export(mixing, path, dynamic={0: torch.export.Dim("n")}))
    assert "2 problems" in message and "[Mul(4, s" in message and "aten.view.default" in message


def test_the_old_layout_is_read(tmp_path: Path) -> None:
    """A file in the layout up to PyTorch 2.7, which torch itself reads too."""
    net = randomized(Residual()).eval()
    path = old_layout(net, tmp_path / "net.pt2")
    assert is_exported_program(path)
    assert_equal(load_exported_program(path), net, (2, 8, 8))
    x = torch.randn(2, 2, 8, 8)
    torch.testing.assert_close(torch.export.load(path).module()(x), net(x))


def test_parameters_in_one_torch_save_file_are_read(saved: Path, residual: Any) -> None:
    """The first archives held the state_dict as data/weights/model.pt."""
    buffer = io.BytesIO()
    torch.save(residual[0].state_dict(), buffer)
    rewritten(saved, lambda members: members.update({"data/weights/model.pt": buffer.getvalue()}))
    rewritten(saved, lambda members: [members.pop(n) for n in list(members) if "weight_" in n])
    assert_equal(load_exported_program(saved), residual[0], (2, 8, 8))


def test_nan_and_variances_are_refused(tmp_path: Path) -> None:
    """Parameters are checked as those of a module are."""
    net = Residual().eval()
    net.conv1.weight.data[0, 0, 0, 0] = torch.nan
    net.bn1.running_var[:] = -1
    message = refusal(export(net, tmp_path / "net.pt2"))
    assert "'conv1.weight' holds 1 values" in message and "'bn1.running_var'" in message


def test_other_files_are_no_exported_programs(tmp_path: Path) -> None:
    """Text, folders, missing files and checkpoints are told apart."""
    path = tmp_path / "m.pt"
    assert not is_exported_program(path) and not is_exported_program(tmp_path)
    assert not is_exported_program("/dev/zero"), "which has no end"
    assert "does not exist" in refusal(path)
    path.write_text("hello, this is text")
    assert not is_exported_program(path) and "damaged" in refusal(path)
    torch.save({"a": torch.zeros(3)}, path)
    assert not is_exported_program(path) and "no archive" in refusal(path)


def test_load_model_tells_the_kinds_apart(saved: Path, residual: Any) -> None:
    """An exported program comes without a checkpoint; anything else is tried as one."""
    loaded = load_model(saved)
    assert loaded.checkpoint is None
    assert_equal(loaded.graph, residual[0], (2, 8, 8))
    assert any(isinstance(op, BatchNorm) for op in loaded.graph)
    torch.save({"a": torch.zeros(3)}, saved)
    with pytest.raises(ModelImportError, match="a state_dict"):
        load_model(saved)
