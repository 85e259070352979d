"""Blocks of public architectures in the training model: evaluation, gradients, shared scales."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls import reference
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.graph import FloatGraph, Graph, IntGraph
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.evaluate import evaluate, quantizers_of
from rmsmp_hls.train.execute import Run
from tests.blocks import BLOCKS, fire_module, fitted_params, images_for


def differences(integer: IntGraph, trained: dict[str, np.ndarray]) -> dict[str, float]:
    """Operation -> share of codes that it makes different of the very same input codes."""
    shares = {}
    for op in integer:
        if not op.inputs:
            continue
        sources = [
            trained[name].astype(np.int64).reshape(-1, *integer.op(name).shape)
            for name in op.inputs
        ]
        off = np.abs(reference.execute(integer, op, sources) - trained[op.name].reshape(
            len(sources[0]), *op.shape))  # fmt: skip
        assert off.max() <= (1 if op.output is not None else 0), op.name
        shares[op.name] = float((off > 0).mean())
    return shares


@pytest.mark.parametrize("name", list(BLOCKS))
def test_evaluation_is_the_integer_model(name: str) -> None:
    """Of the same codes every operation makes the same, but for ties; sums are equal."""
    graph = BLOCKS[name](2)
    params, images = fitted_params(graph), images_for(graph, 12, 1)
    integer = lower(quantize(graph, params))
    trained = evaluate(graph, params, images).codes
    assert {op.name for op in integer} <= set(trained)
    assert max(differences(integer, dict(trained)).values()) < 0.02


def plain(graph: FloatGraph, images: np.ndarray) -> Tensor:
    """The network in torch's own operations, float64, written down once more."""
    keys = {key: torch.from_numpy(c.array.copy()).double() for key, c in graph.constants.items()}
    values: dict[str, Tensor] = {graph.input.name: torch.from_numpy(images).double()}
    for op in graph.ops[1:]:
        values[op.name] = _apply(op, [values[name] for name in op.inputs], keys)
        assert tuple(values[op.name].shape[1:]) == op.shape, op.name
    return values[graph.output]


def _apply(op: FloatOp, xs: list[Tensor], keys: dict[str, Tensor]) -> Tensor:
    x, kind = xs[0], type(op).__name__
    if kind == "Conv2d":
        top, left, bottom, right = op.window.padding
        weight, bias = keys[op.weight], keys.get(op.bias)
        if weight.dim() == 3:
            made = F.conv1d(F.pad(x[:, :, 0], (left, right)), weight, bias, op.window.stride[1],
                            groups=op.groups)  # fmt: skip
            return made[:, :, None]
        padded = F.pad(x, (left, right, top, bottom))
        return F.conv2d(padded, weight, bias, op.window.stride, groups=op.groups)
    if kind == "Linear":
        return F.linear(x, keys[op.weight], keys[op.bias])
    if kind == "BatchNorm":
        named = [keys[key] for key in (op.running_mean, op.running_var, op.weight, op.bias)]
        return F.batch_norm(x, *named, eps=op.eps)
    return {
        "Clamp": lambda: x.clamp(op.low, op.high),
        "Activation": lambda: _function(op.function, x, op.parameter),
        "MaxPool2d": lambda: F.max_pool2d(x, op.window.kernel, op.window.stride),
        "AvgPool2d": lambda: F.avg_pool2d(x, op.window.kernel, op.window.stride),
        "Add": lambda: x + xs[1],
        "Multiply": lambda: x * xs[1],
        "Concat": lambda: torch.cat(xs, 1),
        "SelectChannels": lambda: torch.stack([x[:, i] for i in op.indices], 1),
        "Upsample": lambda: F.interpolate(x, scale_factor=op.factors, mode="nearest"),
        "Pad": lambda: nn.ZeroPad2d([op.padding[i] for i in (1, 3, 0, 2)])(x),
        "Flatten": lambda: x.flatten(1),
        "Unflatten": lambda: x.reshape(*x.shape, 1, 1),
    }[kind]()


def _function(name: str, x: Tensor, parameter: float) -> Tensor:
    functions = {"sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "hard_sigmoid": nn.Hardsigmoid(),
                 "silu": nn.SiLU(), "hard_swish": nn.Hardswish(),
                 "leaky_relu": nn.LeakyReLU(parameter)}  # fmt: skip
    made: Tensor = functions[name](x)
    return made


@pytest.mark.parametrize("name", list(BLOCKS))
def test_the_float_network_is_torchs(name: str) -> None:
    """Without quantizers every operation is what torch calls it."""
    graph, images = BLOCKS[name](3), images_for(BLOCKS[name](3), 3)
    constants = {k: torch.from_numpy(c.array.copy()).double() for k, c in graph.constants.items()}
    run = Run(graph, place_quantizers(graph), constants.get)
    torch.testing.assert_close(run(torch.from_numpy(images).double()), plain(graph, images))


@pytest.mark.parametrize("name", list(BLOCKS))
def test_gradients_reach_every_parameter_and_scale(name: str) -> None:
    """Training mode: weights, batch norm, row scales and shared activation scales all learn."""
    graph = BLOCKS[name](2)
    plan, params = place_quantizers(graph), fitted_params(graph)
    constants = {k: torch.from_numpy(c.array.copy()) for k, c in graph.constants.items()}
    learnt = {k: t.requires_grad_() for k, t in constants.items() if "running" not in k}
    state = quantizers_of(graph, plan, params)
    run = Run(graph, plan, constants.get, training=True, state=state)
    result = run(torch.from_numpy(images_for(graph, 6, 4)))
    (
        result * torch.randn(result.shape, generator=torch.Generator().manual_seed(0))
    ).sum().backward()
    for key, tensor in learnt.items():
        assert tensor.grad is not None and bool(torch.isfinite(tensor.grad).all()), key
    for quantizer in plan.quantizers:
        grad = state.activation(quantizer.name).log_factor.grad
        assert grad is not None and bool(torch.isfinite(grad)), quantizer.name
    weights = [key for key in learnt if key.endswith(".weight")]
    assert all(bool((learnt[key].grad != 0).any()) for key in weights)


def test_a_group_has_one_quantizer_that_sees_all_members() -> None:
    """The operands' codes have one scale, which covers the larger of them."""
    graph = fire_module(0)
    images, params = images_for(graph), fitted_params(graph)
    assert "relu7" in params.activations and not {"relu9", "cat10"} & set(params.activations)
    louder = dict(graph.constants)
    key = graph.op("conv8").weight
    louder[key] = type(louder[key])(louder[key].array * 50)
    loud = Graph(graph.level, graph.ops, graph.output, louder)
    fitted = fitted_params(loud)
    assert fitted.activations["relu7"].scale > 5 * params.activations["relu7"].scale
    codes = evaluate(loud, fitted, images).codes
    joined = np.concatenate([codes["relu7"], codes["relu9"]], axis=1)
    assert np.array_equal(codes["cat10"], joined)


@pytest.mark.parametrize("name", ["csp_block", "shuffle_unit"])
def test_wide_signed_codes(name: str) -> None:
    """Formats with the code -2^(bits-1): training model, integers, tables and rules."""
    graph = BLOCKS[name](2)
    params, images = fitted_params(graph), images_for(graph, 12, 1) * 4
    wide = {
        key: ActFormat(form.bits, form.signed, form.scale / 3, narrow=False)
        for key, form in params.activations.items()
    }
    params = dataclasses.replace(params, activations=wide)
    quantized = quantize(graph, params)
    verify(quantized, "quantize")
    integer = lower(quantized)
    verify(integer, "lower")
    trained = evaluate(graph, params, images).codes
    lowest = {(op.output.bits, int(trained[op.name].min())) for op in integer if op.output}
    assert (8, -128) in lowest and (name == "csp_block" or (4, -8) in lowest)
    assert max(differences(integer, dict(trained)).values()) < 0.02


class Squeeze(nn.Module):
    """A batch norm of its own in front of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(F.relu(self.conv(F.relu(self.norm(x)))).flatten(1))
        return y


def test_a_batch_norm_of_its_own_trains_and_exports() -> None:
    """Its statistics follow the batches, its factors learn; integers agree with evaluation."""
    torch.manual_seed(0)
    model = rt.prepare(Squeeze(), torch.zeros(1, 3, 6, 6))
    batch = torch.randn(32, 3, 6, 6)
    rt.calibrate(model, [batch])
    model.train()(batch).square().sum().backward()
    assert bool((model.norm.weight.grad != 0).all())  # type: ignore[union-attr,operator]
    assert int(model.norm.num_batches_tracked) == 1  # type: ignore[arg-type]
    model.eval()
    codes = {name: t.numpy() for name, t in model.codes(batch).items()}
    integer = lower(quantize(rt.export_graph(model), rt.export_params(model)))
    assert max(differences(integer, codes).values()) < 0.02


def test_one_dimensional_modules() -> None:
    """BatchNorm1d and Dropout1d of [N, C, L] are called as they expect; so is the network."""
    graph = BLOCKS["one_dimensional"](1)
    constants = {k: torch.from_numpy(c.array.copy()) for k, c in graph.constants.items()}
    layer = nn.BatchNorm1d(2)
    run = Run(graph, place_quantizers(graph), constants.get,
              lambda path: layer if path == "norm" else None, training=True)  # fmt: skip
    first = graph.ops[1]
    named = type(first)(**{f: getattr(first, f) for f in first.__dataclass_fields__}
                        | {"module": "norm"})  # fmt: skip
    run.graph = Graph(graph.level, (graph.ops[0], named, *graph.ops[2:]), graph.output)
    x = torch.randn(4, 2, 16)
    assert run(x).shape == (4, 4)
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean((0, 2)))
