"""A float network -> the plan of its quantizers."""

from __future__ import annotations

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Input,
    Multiply,
)
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.numerics.functions import FUNCTIONS
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.placement.chains import (
    MATMULS,
    TRANSPARENT,
    Chain,
    find_chains,
    moves_codes,
    source_of,
)
from rmsmp_hls.quant.placement.groups import scale_groups
from rmsmp_hls.quant.placement.layout import check_layout
from rmsmp_hls.quant.placement.plan import Narrow, QuantPlan, QuantPoint

_SIGN_OF_OPERANDS = (Add, Multiply, AvgPool2d, Clamp, Concat)


def place_quantizers(
    graph: FloatGraph, *, activation_bits: int = 4, residual_bits: int = 8, input_bits: int = 8
) -> QuantPlan:
    """Plan the quantizers of `graph`.

    Args:
        graph: a float network.
        activation_bits: width of ordinary activations, 2..8.
        residual_bits: width of tensors that an add, a multiplication, an activation function
            or a batch norm of its own reads, and of a result that is codes, 2..8.
        input_bits: width of the network's input, 2..8.

    Raises:
        LoweringError: operations stand where the array cannot compute them (all are listed).
    """
    findings = check_layout(graph)
    if findings:
        raise LoweringError.gather(findings)
    return _Planner(graph, activation_bits, residual_bits, input_bits).plan()


def plan_of(graph: FloatGraph, params: QuantParams) -> QuantPlan:
    """Plan the quantizers of `graph` as when `params` were found; LoweringError as above."""
    return place_quantizers(
        graph,
        activation_bits=params.activation_bits,
        residual_bits=params.residual_bits,
        input_bits=params.input_bits,
    )


class _Planner:
    """Properties of each tensor on its own first, then of the scale groups.

    `negative` says of every tensor whether it can be negative, whatever its group; `bits` and
    `signed` are of the codes, keyed by what makes them (chains' tails).
    """

    def __init__(self, graph: FloatGraph, bits: int, residual: int, first: int) -> None:
        self.graph = graph
        self.widths = bits, residual, first
        self.result = source_of(graph, graph.output).name
        chains = {chain.tail: chain for chain in find_chains(graph)}
        self.heads = {chain.head.name for chain in chains.values()}
        self.chains = {op.name: chains[op.name] for op in graph if op.name in chains}
        self.negative = self._signs()
        self.bits = {tail: self._own_bits(chain) for tail, chain in self.chains.items()}
        self.signed = {tail: self.negative[tail] for tail in self.chains}
        self.scale = {tail: tail for tail in self.chains}
        self._join_groups()

    def plan(self) -> QuantPlan:
        made = [
            QuantPoint(
                tail, chain.head.name, chain.batchnorm, chain.clamp,
                self.bits[tail], self.signed[tail], self.scale[tail],
            )
            for tail, chain in self.chains.items()
        ]  # fmt: skip
        logits = next(point for point in made if point.tensor == self.result)
        is_sums = self._is_logits(self.chains[self.result])
        points = tuple(point for point in made if point is not logits or not is_sums)
        return QuantPlan(points, tuple(self._narrows().values()), logits)

    def _signs(self) -> dict[str, bool]:
        negative: dict[str, bool] = {}
        for op in self.graph:
            if isinstance(op, TRANSPARENT):
                negative[op.name] = negative[op.inputs[0]]
            elif op.name in self.chains:
                negative[op.name] = self._can_be_negative(self.chains[op.name], negative)
        return negative

    def _can_be_negative(self, chain: Chain, negative: dict[str, bool]) -> bool:
        head = chain.head
        clamp = self.graph.op(chain.clamp) if chain.clamp else head
        if isinstance(clamp, Clamp) and clamp.low >= 0:
            return False
        operands = any(negative[name] for name in head.inputs)
        if isinstance(head, Activation):
            return operands and FUNCTIONS[head.function].negative
        return operands if isinstance(head, _SIGN_OF_OPERANDS) else True

    def _own_bits(self, chain: Chain) -> int:
        bits, residual, first = self.widths
        if chain.tail == self.result and not self._is_logits(chain):
            return residual
        if isinstance(chain.head, Input):
            return first
        return residual if self._feeds_wide(chain.tail) else bits

    def _feeds_wide(self, tensor: str) -> bool:
        """Whether an operation that takes wide codes reads `tensor`, transparent ones between."""
        return any(
            isinstance(op, (Add, Multiply, Activation))
            or (isinstance(op, BatchNorm) and op.name in self.heads)
            or (isinstance(op, TRANSPARENT) and self._feeds_wide(op.name))
            for op in self.graph.consumers(tensor)
        )

    def _is_logits(self, chain: Chain) -> bool:
        """Whether the accumulators themselves are the result: one pixel, nothing behind."""
        one_pixel = all(size == 1 for size in chain.head.shape[1:])
        matmul = isinstance(chain.head, MATMULS) and one_pixel and not chain.clamp
        last = chain.tail == self.result and not moves_codes(self.graph, self.graph.output)
        return matmul and last

    def _join_groups(self) -> None:
        groups: dict[str, list[str]] = {}
        names = scale_groups(self.graph)
        for tail in self.chains:  # topological: the first that makes codes names the scale
            if tail in names:
                groups.setdefault(names[tail], []).append(tail)
        for members in groups.values():
            makers = [m for m in members if not isinstance(self.graph.op(m), Concat)]
            bits = max(self.bits[member] for member in members)
            signed = any(self.signed[member] for member in members)
            for member in members:
                self.scale[member] = (makers or members)[0]
                self.bits[member], self.signed[member] = bits, signed

    def _narrows(self) -> dict[tuple[str, str], Narrow]:
        found: dict[tuple[str, str], Narrow] = {}
        bits = self.widths[0]
        for op in self.graph.of_type(*MATMULS, Concat):
            for source in op.inputs:
                maker = source_of(self.graph, source)
                image = isinstance(maker, Input)
                if isinstance(op, Concat) and image:
                    found[source, op.name] = Narrow(
                        f"{source}.in.{op.name}", source, self.bits[op.name],
                        self.signed[op.name], self.scale[op.name], op.name,
                    )  # fmt: skip
                elif not isinstance(op, Concat) and not image and self.bits[maker.name] > bits:
                    name = f"{source}.narrow"
                    found[source, ""] = Narrow(name, source, bits, self.negative[source], name)
        return found
