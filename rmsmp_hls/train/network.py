"""A float network as the row assignments see it: a prepared model's, or a graph with constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.execute import lookup
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.watched import Watch, WatchedRun


@dataclass(frozen=True, slots=True)
class Network:
    """The float network in evaluation mode: batch norm by its running statistics, no dropout.

    Attributes:
        graph: its operations.
        plan: where its quantizers are.
        parameter: state_dict key -> tensor; "" gives None.
    """

    graph: FloatGraph
    plan: QuantPlan
    parameter: Callable[[str], Tensor | None]

    @staticmethod
    def of(source: RmsmpModel | FloatGraph) -> Network:
        """Return a prepared model's network as it is now, or a graph with its constants."""
        if isinstance(source, RmsmpModel):
            return Network(source.graph, source.plan, lookup(source)[0])
        return Network(source, place_quantizers(source), constant_tensors(source).get)

    def layers(self) -> Iterator[Conv2d | Linear]:
        """Yield the convolutions and linear layers, in order."""
        for op in self.graph:
            if isinstance(op, (Conv2d, Linear)):
                yield op

    def weight(self, layer: Conv2d | Linear) -> Tensor:
        """Return the layer's weights [O, ...]."""
        return self.needed(layer.weight)

    def needed(self, key: str) -> Tensor:
        """Return a parameter that is there."""
        found = self.parameter(key)
        assert found is not None, key
        return found

    def run(self, inputs: Tensor, watch: Watch | None = None) -> Tensor:
        """Return the result for a batch [N, ...]; `watch` sees every layer."""
        return WatchedRun(
            self.graph, self.plan, self.parameter, lambda _: None, training=False, watch=watch
        )(inputs)


def place(layer: Conv2d | Linear) -> str:
    """Return where an error about this layer is."""
    return f"layer {layer.module or layer.name!r}"
