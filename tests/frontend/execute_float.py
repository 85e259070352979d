"""An interpreter of FloatGraphs by torch.nn.functional alone, obvious and independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.frontend.pt2 import load_exported_program
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir import float_ops as ops
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Window

FUNCTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "sigmoid": lambda x, _: x.sigmoid(),
    "tanh": lambda x, _: x.tanh(),
    "hard_sigmoid": lambda x, _: F.hardsigmoid(x),
    "silu": lambda x, _: F.silu(x),
    "hard_swish": lambda x, _: F.hardswish(x),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": lambda x, _: F.gelu(x),
    "gelu_tanh": lambda x, _: F.gelu(x, approximate="tanh"),
    "mish": lambda x, _: F.mish(x),
}


def execute(graph: FloatGraph, x: Tensor) -> Tensor:
    """Return the result of `graph` for a batch [N, *shape of its input]."""
    tensors = {graph.input.name: x.reshape(len(x), *graph.input.shape)}
    for op in graph.ops[1:]:
        tensors[op.name] = _compute(op, graph, [tensors[name] for name in op.inputs])
        assert tuple(tensors[op.name].shape[1:]) == op.shape, op
    return tensors[graph.output]


def _compute(op: ops.FloatOp, graph: FloatGraph, sources: Sequence[Tensor]) -> Tensor:
    def constant(key: str) -> Tensor | None:
        return torch.tensor(graph.constants[key].array) if key else None

    x = sources[0]
    if isinstance(op, ops.Conv2d):
        weight, window = constant(op.weight), op.window
        assert weight is not None
        weight = weight.unsqueeze(2) if weight.dim() == 3 else weight
        return F.conv2d(
            padded(x, window.padding, 0.0), weight, constant(op.bias), window.stride, 0,
            window.dilation, op.groups,
        )  # fmt: skip
    if isinstance(op, ops.Linear):
        weight = constant(op.weight)
        assert weight is not None
        return F.linear(x, weight, constant(op.bias))
    if isinstance(op, ops.BatchNorm):
        mean, var = constant(op.running_mean), constant(op.running_var)
        return F.batch_norm(x, mean, var, constant(op.weight), constant(op.bias), eps=op.eps)
    if isinstance(op, ops.MaxPool2d):
        return taps(padded(x, op.window.padding, -torch.inf), op.window).amax(2)
    if isinstance(op, ops.AvgPool2d):
        return taps(padded(x, op.window.padding, 0.0), op.window).mean(2)
    if isinstance(op, ops.Clamp):
        return x.clamp(op.low, op.high)
    if isinstance(op, ops.Activation):
        return FUNCTIONS[op.function](x, op.parameter)
    if isinstance(op, ops.Add):
        return sources[0] + sources[1]
    if isinstance(op, ops.Multiply):
        return sources[0] * sources[1]
    if isinstance(op, ops.Concat):
        return torch.cat(list(sources), 1)
    if isinstance(op, ops.SelectChannels):
        return x[:, list(op.indices)]
    if isinstance(op, ops.Upsample):
        return x.repeat_interleave(op.factors[0], 2).repeat_interleave(op.factors[1], 3)
    if isinstance(op, ops.Pad):
        return padded(x, op.padding, 0.0)
    if isinstance(op, (ops.Flatten, ops.Unflatten)):
        return x.reshape(len(x), *op.shape)
    assert isinstance(op, ops.Dropout), op
    return x


def padded(x: Tensor, padding: tuple[int, int, int, int], value: float) -> Tensor:
    """Return images with `value` around them."""
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def taps(x: Tensor, window: Window) -> Tensor:
    """Return [N, C, taps, OH, OW]: the pixels under each window."""
    (rows, cols), (down, right) = window.kernel, window.stride
    height, width = (
        (size - d * (k - 1) - 1) // s + 1
        for size, d, k, s in zip(
            x.shape[2:], window.dilation, window.kernel, window.stride, strict=True
        )
    )
    cut = []
    for row in range(rows):
        for col in range(cols):
            top, left = row * window.dilation[0], col * window.dilation[1]
            cut.append(x[:, :, top::down, left::right][:, :, :height, :width])
    return torch.stack(cut, 2)


def assert_computes_the_same(
    net: nn.Module, shape: tuple[int, ...], path: Path | None = None, decomposed: bool = False
) -> FloatGraph:
    """Hold a module against the graph of its trace, and of its saved file, on random inputs.

    Args:
        net: the module.
        shape: of one input, without the batch.
        path: where to save the file; None to trace only.
        decomposed: save the core ATen form, which run_decompositions() makes.

    Returns:
        The graph of the trace, or of the decomposed file.
    """
    net.eval()
    graph = trace(net, torch.zeros(1, *shape)).graph
    graphs = [graph]
    if path is not None:
        program = torch.export.export(net, (torch.zeros(2, *shape),))
        program = program.run_decompositions() if decomposed else program
        torch.export.save(program, path)
        graphs.append(load_exported_program(path))
        if not decomposed:
            assert graphs[1].ops == graph.ops and graphs[1].output == graph.output
            assert dict(graphs[1].constants) == dict(graph.constants)
    x = 2 * torch.randn(2, *shape)
    with torch.no_grad():
        expected = net(x.clone())
        for found in graphs:
            result = execute(found, x).reshape(expected.shape)
            torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    return graphs[-1]
