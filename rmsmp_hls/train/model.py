"""`prepare`: an ordinary torch model -> the same model with its quantizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError, QuantizationError
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.quant.rows import assign_formats
from rmsmp_hls.train.execute import Run, lookup
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.settings import checked_settings
from rmsmp_hls.train.state import ActivationQuantizer, QuantState, RowQuantizer

PREFIX = "rmsmp"


class RmsmpModel(nn.Module):
    """A network with quantizers; input and output as the network's own.

    It owns the original's children, parameters and buffers under their old names, so that
    `state_dict` has the old keys, and the quantizers' under `rmsmp.`. A state_dict without
    any `rmsmp.` key loads with strict=True; the row scales are then fitted to the new
    weights. `forward` executes the traced graph: the original's `forward` is not called.

    Attributes:
        graph: the float network, without its constants: those are the parameters.
        plan: where the quantizers are.
        codebook: name of the shift-add codebook.
        widths: bits of (activations, residual tensors, input).
        rmsmp: the quantizers.
    """

    graph: FloatGraph
    plan: QuantPlan
    codebook: str
    widths: tuple[int, int, int]
    rmsmp: QuantState

    def __init__(
        self,
        module: nn.Module,
        graph: FloatGraph,
        plan: QuantPlan,
        shift_add: str,
        widths: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self._modules.update(module._modules)
        self._parameters.update(module._parameters)
        self._buffers.update(module._buffers)
        self._non_persistent_buffers_set |= module._non_persistent_buffers_set
        # Into __dict__ directly: a child may well be called "plan" or "graph".
        self.__dict__.update(graph=graph, plan=plan, codebook=shift_add, widths=widths)
        self.training = module.training
        tensors = (*module.parameters(), *module.buffers(), torch.zeros(()))
        device = tensors[0].device  # a network of pools alone has no parameters
        self.rmsmp = QuantState(
            {q.name: ActivationQuantizer(q.bits, q.signed).to(device) for q in plan.quantizers},
            {op.name: RowQuantizer(op.shape[0], device) for op in self.layers()},
        )
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's result for a batch [N, ...], fake-quantized if enabled.

        Raises:
            QuantizationError: the activations are not calibrated yet.
        """
        return self.run(x)

    def run(
        self,
        x: Tensor,
        observe: Callable[[str, Tensor], None] | None = None,
        codes: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """As `forward`; `observe` and `codes` as in `train.execute.Run`."""
        state = self.rmsmp if self.rmsmp.quantized else None
        if state is not None:
            self._check_calibrated()
        parameter, module = lookup(self)
        run = Run(self.graph, self.plan, parameter, module, self.training, state, observe, codes)
        return run(x)

    def quantize_enabled(self, enabled: bool = True) -> RmsmpModel:
        """Switch fake quantization on, or off: then it is the float network."""
        self.rmsmp.quantized = enabled
        return self

    @torch.no_grad()
    def codes(self, x: Tensor) -> dict[str, Tensor]:
        """Return the codes that the model makes in evaluation mode.

        Returns:
            Tensor name -> int64 [N, C, H, W] (a vector is [N, F, 1, 1]) for every quantized
            tensor and narrow, and the accumulators of the logits under their name.
        """
        found: dict[str, Tensor] = {}
        with evaluating(self, quantized=True):
            self.run(x, codes=found)
        return {
            name: (t if t.dim() == 4 else t.reshape(*t.shape, 1, 1)).round().to(torch.int64)
            for name, t in found.items()
        }

    def layers(self) -> Iterator[Conv2d | Linear]:
        """Yield the convolutions and linear layers."""
        for op in self.graph:
            if isinstance(op, (Conv2d, Linear)):
                yield op

    def weight(self, layer: Conv2d | Linear) -> Tensor:
        """Return the layer's weights [O, ...]."""
        found = lookup(self)[0](layer.weight)
        assert found is not None
        return found

    def reset_row_scales(self) -> None:
        """Fit all row scales to the weights as they are now."""
        for op in self.layers():
            try:
                self.rmsmp.row(op.name).fit(self.weight(op))
            except QuantizationError as error:
                where = f"layer {op.module or op.name!r}"
                raise QuantizationError(error.what, where=where, fix=error.fix) from error

    def _check_calibrated(self) -> None:
        if not all(self.rmsmp.activation(q.name).ready for q in self.plan.quantizers):
            raise QuantizationError(
                "the activations have no scales yet",
                fix="call rmsmp_hls.train.calibrate(model, batches) first",
            )


@contextmanager
def evaluating(model: RmsmpModel, *, quantized: bool) -> Iterator[RmsmpModel]:
    """Evaluation mode for a while; all flags are put back."""
    flags, enabled = [(part, part.training) for part in model.modules()], model.rmsmp.quantized
    model.eval()
    model.rmsmp.quantized = quantized
    try:
        yield model
    finally:
        model.rmsmp.quantized = enabled
        for part, flag in flags:
            part.training = flag


def prepare(
    module: nn.Module,
    example: Tensor,
    *,
    codebook: str = "SP2-4",
    ratio: Ratio = "65:30:5",
    activation_bits: int = 4,
    residual_bits: int = 8,
    input_bits: int = 8,
) -> RmsmpModel:
    """Return `module` with quantizers, which shares its parameters with `module`.

    Rows get formats by variance at first, see `assign_rows`; before the first quantized
    forward, `calibrate` must see data.

    Args:
        module: the float network: one input, one output.
        example: an input [N, C, H, W] or [N, F], any N.
        codebook: of the shift-add rows: SP2-4, PoT-4 or APoT-4; or SP2-3, PoT-3, PoT-2.
        ratio: shares shift-add : Fixed-4 : Fixed-8; Fixed-3 or Fixed-2 with such a codebook.
        activation_bits, residual_bits, input_bits: widths, 2..8; docs/numerics.md.

    Raises:
        ModelImportError, LoweringError: what cannot be mapped (all of it is listed).
        ConfigError: unknown codebook, impossible ratio or width.
    """
    widths = (activation_bits, residual_bits, input_bits)
    checked_settings(codebook, ratio, widths)
    _refuse_prepared(module)
    return prepare_traced(
        module, trace(module, example).graph, codebook=codebook, ratio=ratio, widths=widths
    )


def prepare_traced(
    module: nn.Module,
    traced: FloatGraph,
    *,
    codebook: str,
    ratio: Ratio,
    widths: tuple[int, int, int],
) -> RmsmpModel:
    """As `prepare`, for a module whose graph is known.

    Args:
        module: holds the graph's parameters and buffers under their keys.
        traced: the float network; its constants are not used.
        codebook, ratio: as in `prepare`.
        widths: bits of (activations, residual tensors, input).
    """
    shift_add, shares = checked_settings(codebook, ratio, widths)
    graph: FloatGraph = Graph(traced.level, traced.ops, traced.output)
    plan = place_quantizers(
        graph, activation_bits=widths[0], residual_bits=widths[1], input_bits=widths[2]
    )
    model = RmsmpModel(module, graph, plan, shift_add, widths)
    model.rmsmp.ratio = shares
    for op in model.layers():
        weight = model.weight(op)
        variance = weight.detach().flatten(1).double().var(dim=1, unbiased=False).cpu().numpy()
        formats = assign_formats(variance, variance, shares, shift_add)
        model.rmsmp.row(op.name).assign(formats, weight)
    model.reset_row_scales()
    return model


def _refuse_prepared(module: nn.Module) -> None:
    if hasattr(module, PREFIX):
        raise ModelImportError(
            f"the network has a member called {PREFIX!r} already",
            fix="rename it, or prepare the float network, not a prepared one",
        )


def _loaded(model: nn.Module, incompatible: Any) -> None:
    assert isinstance(model, RmsmpModel)
    model.rmsmp.refresh()
    if model.rmsmp.was_absent:
        model.reset_row_scales()
