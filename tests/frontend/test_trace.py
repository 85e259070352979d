"""torch modules become FloatGraphs that compute the same, or are refused with all reasons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.parameters import macs_per_image
from rmsmp_hls.frontend.trace import TracedModel, trace
from rmsmp_hls.ir.float_ops import Add, AvgPool2d, Clamp, Conv2d, Flatten, Input, MaxPool2d
from rmsmp_hls.ir.verify import verify
from tests.frontend.execute_float import execute
from tests.frontend.models import Functional, Residual, randomized


class Fn(nn.Module):
    """A convolution (`body`), then a function."""

    def __init__(self, then: Callable[[Tensor], Tensor], body: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body or nn.Conv2d(2, 4, 3, padding=1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.body(x))


def assert_same(net: nn.Module, shape: tuple[int, ...]) -> TracedModel:
    """The graph computes what the module computes, at several batch sizes."""
    net.eval()
    traced = trace(net, torch.zeros(1, *shape))
    verify(traced.graph, "trace")
    for batch in (1, 3):
        x = torch.randn(batch, *shape)
        with torch.no_grad():
            torch.testing.assert_close(execute(traced.graph, x), net(x), rtol=1e-4, atol=1e-5)
    return traced


def refusal(net: nn.Module, shape: tuple[int, ...] = (2, 8, 8)) -> str:
    with pytest.raises(ModelImportError) as caught:
        trace(net, torch.zeros(1, *shape))
    return str(caught.value)


def test_a_residual_network_is_traced_whole() -> None:
    """Operations are named by module paths, functions by the path of their caller."""
    traced = assert_same(randomized(Residual()), (2, 8, 8))
    assert [op.name for op in traced.graph] == [
        "x", "stem.0", "stem.1", "stem.2", "conv1", "bn1", "relu", "conv2", "add", "relu_1",
        "pool", "down", "short", "add_1", "relu6", "avgpool", "flatten", "dropout", "fc",
    ]  # fmt: skip
    assert traced.input_shape == (2, 8, 8)
    assert traced.graph.op("conv1").module == "conv1"


def test_functional_style_is_traced() -> None:
    """F.relu, +, x.view(x.size(0), -1) and padding="same" are the layers that they compute."""
    traced = assert_same(Functional(), (1, 8, 8))
    assert traced.graph.op("view").shape == (64,)
    assert macs_per_image(traced.graph) == 64 * 9 * 4 + 64 * 9 * 16 + 64 * 3


def test_constants_are_the_state_dict() -> None:
    """Every parameter stands under its key, with its values."""
    net = Residual()
    constants = trace(net, torch.zeros(1, 2, 8, 8)).graph.constants
    state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    assert set(constants) == set(state)
    assert all(np.array_equal(constants[key].array, state[key].numpy()) for key in state)


def test_training_flags_stay() -> None:
    """Tracing leaves each module's training flag and the statistics as they were."""
    net = Residual().train()
    net.bn1.eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    trace(net, torch.randn(4, 2, 8, 8))
    assert net.training and net.conv1.training and not net.bn1.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    "then",
    [
        lambda x: x.clamp(-0.5, 0.7),
        lambda x: torch.clip(x, max=0.3),
        lambda x: x.clamp_min(0.1),
        lambda x: F.hardtanh(x, -0.2, 0.4),
        lambda x: F.relu6(x),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 2, count_include_pad=False),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, 3, 1, 1, ceil_mode=True),
        lambda x: F.adaptive_avg_pool2d(x, (2, 4)),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean((-1, -2), keepdim=True),
        lambda x: torch.flatten(x, 1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
        lambda x: x + x,
        lambda x: F.relu(x).contiguous().to(torch.float32).detach().clone(),
    ],
)
def test_functions_compute_the_same(then: Callable[[Tensor], Tensor]) -> None:
    """Every supported function computes what torch computes."""
    assert_same(Fn(then), (2, 8, 8))


@pytest.mark.parametrize(
    "body",
    [
        nn.Conv2d(2, 4, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(2, 1), bias=False),
        nn.Conv2d(2, 4, (2, 4), padding="same"),
        nn.Conv2d(2, 4, 3, padding="valid"),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.Identity(), nn.Dropout2d(0.3)),
        nn.Sequential(nn.Flatten(), nn.Linear(128, 7), nn.BatchNorm1d(7), nn.Hardtanh()),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, affine=False)),
    ],
)
def test_layers_compute_the_same(body: nn.Module) -> None:
    """Every supported layer computes what torch computes."""
    assert_same(Fn(lambda x: x, randomized(body)), (2, 8, 8))


def test_in_place_operations_reach_later_readers() -> None:
    """Whoever reads an overwritten tensor reads the new values, as torch does."""

    def overwrites(x: Tensor) -> Tensor:
        y = x
        z = F.relu_(x)
        return y + z

    traced = assert_same(Fn(overwrites), (2, 8, 8))
    assert traced.graph.op(traced.graph.output).inputs == ("relu", "relu")


def test_a_clone_is_not_overwritten() -> None:
    """A copy keeps its values when the original is overwritten."""

    def copies(x: Tensor) -> Tensor:
        y = x.clone()
        return F.relu_(x) + y

    traced = assert_same(Fn(copies), (2, 8, 8))
    assert traced.graph.op(traced.graph.output).inputs == ("relu", "body")


def test_overwriting_through_a_view_is_refused() -> None:
    """A tensor overwritten in another shape and read again has no equal."""

    def through(x: Tensor) -> Tensor:
        flat = torch.flatten(x, 1)
        F.relu_(flat)
        return F.relu6(x)

    assert "inplace=False" in refusal(Fn(through))


def rows_first(x: Tensor) -> Tensor:
    """A copy in the order [N, H, W, C], flat."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1)


def test_overwriting_what_may_be_a_copy_is_refused() -> None:
    """Whether torch copies a reshape or a conversion depends on strides: nothing is guessed."""

    def last(x: Tensor) -> Tensor:
        y = x.contiguous(memory_format=torch.channels_last)
        return F.relu_(x) + y

    def flat_last(x: Tensor) -> Tensor:
        y = x.contiguous(memory_format=torch.channels_last)
        z = y.flatten(1)
        F.relu_(y)
        return z

    def reshaped_copy(x: Tensor) -> Tensor:
        a = rows_first(x)
        b = a.reshape(len(x), x.shape[2], -1)
        a.mul_(2)
        return b.reshape(len(x), *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)

    for function in (last, flat_last, reshaped_copy):
        assert "inplace=False" in refusal(Fn(function))


def test_a_conversion_that_changes_nothing_is_no_copy() -> None:
    """x.to(x.dtype) is x, so it is overwritten with it; with copy=True it is not."""

    def same(x: Tensor) -> Tensor:
        y = x.to(torch.float32)
        return F.relu_(x) + y

    def copy(x: Tensor) -> Tensor:
        y = x.to(torch.float32, copy=True)
        return F.relu_(x) + y

    assert_same(Fn(same), (2, 8, 8))
    assert_same(Fn(copy), (2, 8, 8))


def test_a_weight_used_twice_is_fine() -> None:
    """A layer called twice becomes two operations of one weight."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.tied = nn.Conv2d(2, 2, 3, padding=1)
            self.tied.weight = self.conv.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.conv(self.conv(x)))

    convs = list(assert_same(Twice(), (2, 6, 6)).graph.of_type(Conv2d))
    assert [op.name for op in convs] == ["conv", "conv_1", "tied"]
    assert len({op.weight for op in convs if isinstance(op, Conv2d)}) == 1


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), "count_include_pad"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override"),
        (lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), "ceil_mode"),
        (lambda x: F.adaptive_avg_pool2d(x, 3), "several sizes"),
        (lambda x: torch.add(x, x, alpha=2), "alpha=2"),
        (lambda x: x + x.mean(3, keepdim=True), "broadcasts"),
        (lambda x: x + 1.0, "result is 1 * x + 1, which aten.add.Tensor made"),
        (lambda x: F.relu6(x * 2), "its batch norm"),
        (lambda x: x.view(1, -1), "keep the batch"),
        (lambda x: x.view(x.size(0), 8, -1), "torch.flatten(x, 1)"),
        (lambda x: x.mean(1), "mean over height and width"),
        (lambda x: F.softplus(x), "use ReLU"),
        (lambda x: torch.cat([x, x], 2), "join along channels"),
        (lambda x: F.dropout(x, 0.5, True), "active in evaluation"),
        (lambda x: F.relu(F.softmax(x, 1)), "only supported as the network's own result"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], "computes nothing"),
        (lambda x: x.double(), "number type"),
        (lambda x: (x, x), "returns 2 results"),
        (lambda x: x if x.sum() > 0 else -x, "cannot be traced"),
    ],
)
def test_what_computes_something_else_is_refused(
    then: Callable[[Tensor], Tensor], words: str
) -> None:
    """Nothing is converted to something that computes another result."""
    assert words in refusal(Fn(then))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), "padding_mode='zeros'"),
        (nn.ConvTranspose2d(2, 4, 3), "conv_transpose2d"),
        (nn.BatchNorm2d(2, track_running_stats=False), "statistics of the batch"),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3)), "computed"),
        (nn.Linear(8, 4), "flatten to [N, F]"),
        (nn.GroupNorm(1, 2), "BatchNorm2d"),
    ],
)
def test_layers_that_compute_something_else_are_refused(body: nn.Module, words: str) -> None:
    """The message names the module and the reason."""
    message = refusal(Fn(F.relu, body))
    assert words in message and "body" in message


def test_all_unsupported_operations_are_listed_at_once() -> None:
    """One error names every operation with its module path."""
    net = nn.Sequential(nn.PixelUnshuffle(2), nn.SELU(), nn.CELU(), nn.Conv2d(8, 4, 3))
    message = refusal(net)
    assert message.startswith("3 problems")
    for path in ("'0'", "'1'", "'2'"):
        assert f"module {path}" in message


def test_several_inputs_are_refused() -> None:
    """The network reads one tensor."""

    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    assert "cannot be traced" in refusal(Two())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_not_finite_are_refused(value: float) -> None:
    """All such parameters are named with their layers."""
    net = Residual()
    net.conv1.weight.data[0, 0, 0, 0] = value
    net.fc.bias.data[1] = value
    message = refusal(net)
    assert "'conv1'" in message and "'fc.bias'" in message


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_an_empty_layer_is_refused() -> None:
    """A layer without rows is named."""
    message = refusal(nn.Sequential(nn.Conv2d(2, 0, 3), nn.ReLU()))
    assert "'0'" in message and "empty" in message


@pytest.mark.parametrize("example", [torch.zeros(8), torch.zeros(0, 2, 8, 8), "image"])
def test_examples_that_are_no_batch_are_refused(example: object) -> None:
    """The example input must be a batch of images or vectors."""
    with pytest.raises(ModelImportError, match="example input"):
        trace(Residual(), example)  # type: ignore[arg-type]


def test_kinds_of_the_operations() -> None:
    """A ReLU is a clamp, an adaptive pool an average pool over equal windows."""
    graph = trace(Residual(), torch.zeros(1, 2, 8, 8)).graph
    assert isinstance(graph.op("x"), Input) and isinstance(graph.op("pool"), MaxPool2d)
    assert isinstance(graph.op("add"), Add) and isinstance(graph.op("flatten"), Flatten)
    relu6, pool = graph.op("relu6"), graph.op("avgpool")
    assert isinstance(relu6, Clamp) and (relu6.low, relu6.high) == (0.0, 6.0)
    assert isinstance(pool, AvgPool2d) and pool.window.kernel == (2, 2)
