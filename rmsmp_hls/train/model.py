"""`prepare`: an ordinary torch model -> the same model with its quantizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rmsmp_hls.errors import ModelImportError, QuantizationError
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.numerics.multipliers import parse_multipliers
from rmsmp_hls.quant.ends import FIXED8, PINNED_FORMAT, SAME, check_policy, pinned_layers
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.quant.rows import assign_formats
from rmsmp_hls.train.execute import Run, lookup
from rmsmp_hls.train.power_of_two import parse_scale_values
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.settings import (
    ActivationScale,
    ScaleSettings,
    WeightFit,
    WeightScale,
    checked_settings,
)
from rmsmp_hls.train.state import ActivationQuantizer, QuantState, RowQuantizer
from rmsmp_hls.train.training_run import TrainingRun, folds

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
        folds: of `train.training_run`.
        rmsmp: the quantizers.
    """

    graph: FloatGraph
    plan: QuantPlan
    codebook: str
    widths: tuple[int, int, int]
    folds: Mapping[str, str]
    rmsmp: QuantState

    def __init__(
        self,
        module: nn.Module,
        graph: FloatGraph,
        plan: QuantPlan,
        shift_add: str,
        widths: tuple[int, int, int],
        scales: ScaleSettings,
    ) -> None:
        super().__init__()
        self._modules.update(module._modules)
        self._parameters.update(module._parameters)
        self._buffers.update(module._buffers)
        self._non_persistent_buffers_set |= module._non_persistent_buffers_set
        # Into __dict__ directly: a child may well be called "plan" or "graph".
        self.__dict__.update(graph=graph, plan=plan, codebook=shift_add, widths=widths)
        self.__dict__["folds"] = folds(graph, plan)
        self.training = module.training
        tensors = (*module.parameters(), *module.buffers(), torch.zeros(()))
        device = tensors[0].device  # a network of pools alone has no parameters
        self.rmsmp = QuantState(
            {q.name: ActivationQuantizer(q.bits, q.signed).to(device) for q in plan.quantizers},
            {op.name: RowQuantizer(op.shape[0], device) for op in self.layers()},
            scales,
        )
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's result for a batch [N, ...], fake-quantized if enabled.

        Raises:
            QuantizationError: the activations are not calibrated yet, or `x` is no batch of
                images for this network.
        """
        return self.run(x)

    def run(
        self,
        x: Tensor,
        observe: Callable[[str, Tensor], None] | None = None,
        codes: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """As `forward`; `observe` and `codes` as in `train.execute.Run`."""
        self._check_images(x)
        state = self.rmsmp if self.rmsmp.quantized else None
        if state is not None:
            self._check_calibrated()
        parameter, module = lookup(self)
        parts = (
            self.graph, self.plan, parameter, module, self.training, state, observe, codes,
            self.rmsmp.frozen_norms,
        )  # fmt: skip
        fast = self.training and state is not None and observe is None and codes is None
        fast = fast and not self.rmsmp.restricted
        run = TrainingRun(*parts, folds=self.folds) if fast else Run(*parts)
        return run(x)

    def quantize_enabled(self, enabled: bool = True) -> RmsmpModel:
        """Switch fake quantization on, or off: then it is the float network."""
        self.rmsmp.quantized = enabled
        return self

    def freeze_batch_norm(self, frozen: bool = True) -> RmsmpModel:
        """Let batch norm use, and keep, its running statistics in training, or not any more.

        Each then is the fixed factor and offset per channel that the hardware folds into its
        multiplier and bias; its weight and bias are trained on.
        """
        self.rmsmp.frozen_norms = frozen
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

    def pinned(self) -> frozenset[str]:
        """Return the layers that the policy of first and last layers keeps in 8 bits."""
        return pinned_layers(self.graph, self.first_last)

    @property
    def first_last(self) -> str:
        """The policy of the first and last layers; it lies in the state_dict."""
        return FIXED8 if bool(self.rmsmp.eight_bit_ends) else SAME

    def reset_row_scales(self) -> None:
        """Fit all row scales to the weights as they are now."""
        for op in self.layers():
            try:
                self.rmsmp.row(op.name).fit(self.weight(op))
            except QuantizationError as error:
                where = f"layer {op.module or op.name!r}"
                raise QuantizationError(error.what, where=where, fix=error.fix) from error

    def _check_images(self, x: Tensor) -> None:
        shape = self.graph.input.shape
        dims = {len(shape) + 1} | ({3} if len(shape) == 3 and shape[1] == 1 else set())
        half = x.dtype in (torch.float16, torch.bfloat16) and not torch.is_autocast_enabled(
            x.device.type
        )
        if x.dim() in dims and x.shape[1] == shape[0] and x.is_floating_point() and not half:
            return
        wanted = f"[N, {', '.join(map(str, shape))}]"
        raise QuantizationError(
            f"{x.dtype} {list(x.shape)} is no batch for a network that reads {wanted}",
            where="images",
            fix=f"give float32 {wanted}; half precision comes with torch.autocast",
        )

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
    multipliers: str = "exact",
    scale_values: str = "free",
    first_last: str = SAME,
    activation_scale: ActivationScale = "lsq",
    weight_scale: WeightScale = "lsq",
    weight_fit: WeightFit = "mse",
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
        multipliers: "exact": any 18-bit number; "k-hot:1" (or "po2") .. "k-hot:3": sums of so
            many signed powers of two, so that requantization shifts and adds.
        scale_values: "free", or "po2": powers of two, whose exponents are trained.
        first_last: "same", the ratio holds in every layer as in RMSMP, or "fixed8", all rows of
            the first and last layers are Fixed-8, see `quant.ends`.
        activation_scale: how activations' scales train: "lsq", "pact" or "fixed".
        weight_scale: how rows' scales train: "lsq", or "refit" with every assignment.
        weight_fit: what fits rows' scales: "mse", "max-abs" (of the layer) or "max-abs-row".

    Raises:
        ModelImportError, LoweringError: what cannot be mapped (all of it is listed).
        ConfigError: unknown codebook, policy or way to scale, impossible ratio or width.
    """
    widths = (activation_bits, residual_bits, input_bits)
    checked_settings(codebook, ratio, widths)
    scales = ScaleSettings(activation_scale, weight_scale, weight_fit)
    check_policy(first_last)
    _refuse_prepared(module)
    _refuse_meta(module)
    return prepare_traced(
        module, trace(module, example).graph, codebook=codebook, ratio=ratio, widths=widths,
        multipliers=multipliers, scale_values=scale_values,
        first_last=first_last, scales=scales,
    )  # fmt: skip


def prepare_traced(
    module: nn.Module,
    traced: FloatGraph,
    *,
    codebook: str,
    ratio: Ratio,
    widths: tuple[int, int, int],
    multipliers: str = "exact",
    scale_values: str = "free",
    first_last: str = SAME,
    scales: ScaleSettings | None = None,
) -> RmsmpModel:
    """As `prepare`, for a module whose graph is known.

    Args:
        module: holds the graph's parameters and buffers under their keys.
        traced: the float network; its constants are not used.
        codebook, ratio, first_last: as in `prepare`.
        widths: bits of (activations, residual tensors, input).
        multipliers, scale_values: as in `prepare`.
        scales: where they come from in training.
    """
    shift_add, shares = checked_settings(codebook, ratio, widths)
    terms, powers = parse_multipliers(multipliers), parse_scale_values(scale_values)
    graph: FloatGraph = Graph(traced.level, traced.ops, traced.output)
    plan = place_quantizers(
        graph, activation_bits=widths[0], residual_bits=widths[1], input_bits=widths[2]
    )
    model = RmsmpModel(module, graph, plan, shift_add, widths, scales or ScaleSettings())
    model.rmsmp.ratio = shares
    model.rmsmp.restrict(terms, powers)
    model.rmsmp.eight_bit_ends.fill_(check_policy(first_last) == FIXED8)
    pinned = model.pinned()
    for op in model.layers():
        weight = model.weight(op)
        variance = weight.detach().flatten(1).double().var(dim=1, unbiased=False).cpu().numpy()
        formats = assign_formats(variance, variance, shares, shift_add)
        if op.name in pinned:
            formats = (PINNED_FORMAT,) * len(formats)
        model.rmsmp.row(op.name).assign(formats, weight)
    model.reset_row_scales()
    return model


def _refuse_prepared(module: nn.Module) -> None:
    if hasattr(module, PREFIX):
        raise ModelImportError(
            f"the network has a member called {PREFIX!r} already",
            fix="rename it, or prepare the float network, not a prepared one",
        )


def _refuse_meta(module: nn.Module) -> None:
    named = (*module.named_parameters(), *module.named_buffers())
    bad = [name for name, tensor in named if tensor.is_meta]
    if bad:
        more = f" and {len(bad) - 8} more" if len(bad) > 8 else ""
        raise ModelImportError(
            f"tensors on the meta device have no values: {', '.join(bad[:8])}{more}",
            fix="module.to_empty(device='cpu'), then load the weights",
        )


def _loaded(model: nn.Module, incompatible: Any) -> None:
    assert isinstance(model, RmsmpModel)
    model.rmsmp.refresh()
    if model.rmsmp.was_absent:
        model.reset_row_scales()
