"""Writes the stored models: what PyTorch's exporters and Brevitas really write.

Not run by the tests. Made with torch 2.15, onnxscript 0.7, brevitas 0.13 and qonnx 1.0:

    pip install torch onnxscript brevitas qonnx
    python tests/frontend/onnx/data/make.py

`quantized.npz` holds an input and what qonnx's own executor computes of it, at every quantizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from torch import Tensor, nn

HERE = Path(__file__).parent
_MAKE_MODEL = onnx.helper.make_model


class Block(nn.Module):
    """Depthwise, squeeze-and-excite, hard swish, shuffle, residual: a MobileNet-like block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.squeeze = nn.Conv2d(channels, 4, 1)
        self.excite = nn.Conv2d(4, channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        y = nn.functional.hardswish(self.norm(self.depthwise(x)))
        pooled = nn.functional.silu(self.squeeze(nn.functional.adaptive_avg_pool2d(y, 1)))
        y = y * nn.functional.hardsigmoid(self.excite(pooled))
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return x + self.project(y)


class Net(nn.Module):
    """A small network of everything that exporters write in their own way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.block = Block(8)
        self.head = nn.Conv2d(12, 8, 1)
        self.up = nn.Upsample(scale_factor=2)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        x = nn.functional.gelu(self.stem(x))
        y = self.block(x)
        first, second = y.chunk(2, 1)
        y = torch.cat([nn.functional.mish(second), nn.functional.elu(first), x[:, 2:6]], 1)
        y = nn.functional.relu6(self.head(nn.functional.pad(y, (1, 0, 1, 0))))
        y = self.up(nn.functional.max_pool2d(y, 3, 2, ceil_mode=True))
        return torch.softmax(self.classifier(torch.flatten(y.mean((2, 3)), 1)), 1)


def settle(net: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Give batch norms and quantizers real statistics."""
    net.train()
    for _ in range(20):
        net(torch.randn(8, *shape[1:]))
    return net.eval()


class Quantized(nn.Module):
    """A residual network with Brevitas quantizers of 4 and 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        four: dict[str, Any] = {"weight_bit_width": 4, "weight_scaling_per_output_channel": True}
        self.inp = qnn.QuantIdentity(bit_width=8, return_quant_tensor=False)
        self.conv1 = qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, **four)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = qnn.QuantReLU(bit_width=4)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = qnn.QuantConv2d(8, 8, 3, padding=1, bias=True, **four)
        self.bn2 = nn.BatchNorm2d(8)
        self.branch = qnn.QuantIdentity(bit_width=6)
        self.relu2 = qnn.QuantReLU(bit_width=8)
        self.fc = qnn.QuantLinear(8 * 4 * 4, 5, bias=True, weight_bit_width=6)

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        x = self.pool(self.relu1(self.bn1(self.conv1(self.inp(x)))))
        x = self.relu2(self.branch(self.bn2(self.conv2(x))) + x)
        return self.fc(torch.flatten(x, 1))


def slim(name: str) -> None:
    """Leave stack traces out, which are most of a file, and put weights into it."""
    made = onnx.load(HERE / name)
    del made.metadata_props[:]
    made.ir_version = 10
    del made.graph.metadata_props[:]
    del made.graph.value_info[:]
    for value in [*made.graph.node, *made.graph.input, *made.graph.output, *made.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    onnx.save(made, HERE / name)
    (HERE / f"{name}.data").unlink(missing_ok=True)


def old_model(*arguments: Any, **more: Any) -> Any:
    """Return what onnx.helper.make_model does, for any onnxruntime."""
    made = _MAKE_MODEL(*arguments, **more)
    made.ir_version = 10
    return made


def main() -> None:
    """Write all files."""
    torch.manual_seed(5)
    onnx.helper.make_model = old_model  # qonnx runs single nodes by onnxruntime, which lags behind
    net, x = settle(Net(), (1, 3, 10, 10)), torch.randn(1, 3, 10, 10)
    torch.onnx.export(net, (x,), HERE / "traced.onnx", opset_version=13, dynamo=False,
                      input_names=["x"], dynamic_axes={"x": {0: "batch"}})  # fmt: skip
    torch.onnx.export(net, (x,), HERE / "exported.onnx", dynamo=True, external_data=False,
                      input_names=["x"], opset_version=18)  # fmt: skip
    slim("exported.onnx")
    quantized = settle(Quantized(), (1, 3, 8, 8))
    images = torch.randn(4, 3, 8, 8)
    export_qonnx(quantized, images[:1], HERE / "quantized.onnx")
    export_onnx_qcdq(quantized, images[:1], HERE / "qcdq.onnx")
    slim("quantized.onnx")
    slim("qcdq.onnx")
    wrapper = ModelWrapper(str(HERE / "quantized.onnx"))
    wrapper = cleanup_model(wrapper)
    name = wrapper.graph.input[0].name
    results = [
        execute_onnx(wrapper, {name: image[None]}, return_full_exec_context=True)
        for image in images.numpy()
    ]
    output = wrapper.graph.output[0].name
    kept = {"inputs": images.numpy(), "logits": np.concatenate([r[output] for r in results])}
    for node in wrapper.get_nodes_by_op_type("Quant"):
        values = [r[node.output[0]] for r in results]
        if values[0].ndim and values[0].shape[0] == 1 and node.input[0] not in {
            t.name for t in wrapper.graph.initializer
        }:  # fmt: skip
            kept[f"quant_{len(kept) - 2}"] = np.concatenate(values)
    np.savez_compressed(HERE / "quantized.npz", **kept)


if __name__ == "__main__":
    main()
