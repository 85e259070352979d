"""Where codes are made: the quantizers of a float network.

The training model and the build both follow this plan, so that what is trained is what
the hardware computes. Rules: docs/numerics.md, "Activations".
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import LoweringError, RmsmpError
from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
)
from rmsmp_hls.ir.graph import FloatGraph

_MATMULS = (Conv2d, Linear)
_HEADS = (Input, Conv2d, Linear, Add, AvgPool2d)
_TRANSPARENT = (MaxPool2d, Flatten, Dropout)  # codes pass unchanged (in evaluation)


@dataclass(frozen=True, slots=True)
class QuantPoint:
    """One chain of operations, at whose end codes are made.

    Attributes:
        tensor: the last operation of the chain; names the quantized tensor.
        head: the operation that starts it: input, convolution, linear, add, average pool, or
            a clamp whose input is itself quantized.
        batchnorm, clamp: names of these operations of the chain, or "".
        bits: width of the codes.
        signed: False if nothing negative can leave the chain. Of the network's input: True
            until calibration has seen that it is never negative.
    """

    tensor: str
    head: str
    batchnorm: str
    clamp: str
    bits: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Narrow:
    """A second, narrower quantization of `source`, for the matrix multiplications that read it."""

    name: str
    source: str
    bits: int
    signed: bool


@dataclass(frozen=True, slots=True)
class QuantPlan:
    """All quantizers of a network.

    Attributes:
        points: every quantized tensor, in topological order.
        narrows: second quantizations, for matrix multiplications.
        logits: the chain of the network's result. It makes no codes, and is not among
            `points`, if it is a convolution or linear layer (with batch norm) of one pixel.
    """

    points: tuple[QuantPoint, ...]
    narrows: tuple[Narrow, ...]
    logits: QuantPoint

    def point(self, tensor: str) -> QuantPoint | None:
        """Return the point whose codes are `tensor`, if there is one."""
        return next((p for p in self.points if p.tensor == tensor), None)

    def narrow_of(self, source: str) -> Narrow | None:
        """Return what a convolution or linear layer reads instead of `source`, if anything."""
        return next((n for n in self.narrows if n.source == source), None)


def place_quantizers(
    graph: FloatGraph, *, activation_bits: int = 4, residual_bits: int = 8, input_bits: int = 8
) -> QuantPlan:
    """Plan the quantizers of `graph`.

    Args:
        graph: a float network.
        activation_bits: width of ordinary activations, 2..8.
        residual_bits: width of tensors that a residual add reads, 2..8.
        input_bits: width of the network's input, 2..8.

    Raises:
        LoweringError: operations stand where the array cannot compute them (all are listed).
    """
    findings: list[RmsmpError] = []
    chains = [_chain(graph, op, findings) for op in graph if _starts_chain(graph, op)]
    members = {name for chain in chains for name in chain}
    findings += [_stray(op) for op in graph if not _placed(op, members)]
    if findings:
        raise LoweringError.gather(findings)
    return _plan(graph, chains, activation_bits, residual_bits, input_bits)


def _plan(
    graph: FloatGraph, chains: list[tuple[str, str, str]], bits: int, residual: int, first: int
) -> QuantPlan:
    signed: dict[str, bool] = {}
    width: dict[str, int] = {}
    points: list[QuantPoint] = []
    by_tensor = {_tail(chain): chain for chain in chains}
    output, pooled = _behind_transparent(graph, graph.output)
    logits: QuantPoint | None = None
    for op in graph:
        if isinstance(op, _TRANSPARENT):
            signed[op.name] = signed[op.inputs[0]]
            width[op.name] = width[op.inputs[0]]
        if op.name not in by_tensor:
            continue
        head, batchnorm, clamp = by_tensor[op.name]
        negative = _can_be_negative(graph, head, batchnorm, clamp, signed)
        if isinstance(op, Input):
            chosen = first
        else:
            chosen = residual if _feeds_add(graph, op.name) else bits
        point = QuantPoint(op.name, head, batchnorm, clamp, chosen, negative)
        signed[op.name], width[op.name] = negative, chosen
        if op.name == output:
            leaves_codes = pooled or bool(clamp) or not _makes_logits(graph.op(head))
            chosen = residual if leaves_codes else chosen
            point = QuantPoint(op.name, head, batchnorm, clamp, chosen, negative)
            width[op.name] = chosen
            logits = point
        if op.name != output or leaves_codes:
            points.append(point)
    if logits is None:
        raise LoweringError(
            f"the network ends in {type(graph.op(output)).__name__}, which makes no result",
            where=f"layer {output!r}",
            fix="end it in a convolution, linear layer, add or average pool",
        )
    return QuantPlan(tuple(points), _narrows(graph, signed, width, bits), logits)


def _narrows(
    graph: FloatGraph, signed: dict[str, bool], width: dict[str, int], bits: int
) -> tuple[Narrow, ...]:
    sources: dict[str, Narrow] = {}
    for op in graph:
        if not isinstance(op, _MATMULS):
            continue
        source = op.inputs[0]
        if width[source] > bits and not _is_input(graph, source):
            sources[source] = Narrow(f"{source}.narrow", source, bits, signed[source])
    return tuple(sources.values())


def _starts_chain(graph: FloatGraph, op: FloatOp) -> bool:
    if isinstance(op, _HEADS):
        return True
    # A clamp of its own: its producer's codes are read by others too, or are pooled codes.
    return isinstance(op, Clamp) and not _continues(graph, graph.op(op.inputs[0]), op)


def _continues(graph: FloatGraph, producer: FloatOp, op: FloatOp) -> bool:
    """Whether `op` belongs to the chain of its producer."""
    if len(graph.consumers(producer.name)) != 1 or producer.name == graph.output:
        return False
    if isinstance(op, BatchNorm):
        return isinstance(producer, _MATMULS)
    if isinstance(producer, BatchNorm):
        return _continues(graph, graph.op(producer.inputs[0]), producer)
    return isinstance(producer, (Conv2d, Linear, Add, AvgPool2d))


def _chain(graph: FloatGraph, head: FloatOp, findings: list[RmsmpError]) -> tuple[str, str, str]:
    """Return (head, batch norm or "", clamp or "")."""
    batchnorm = clamp = ""
    last = head
    while True:
        consumers = graph.consumers(last.name)
        if len(consumers) != 1 or isinstance(head, Input):
            break
        following = consumers[0]
        if isinstance(following, BatchNorm) and not batchnorm and not clamp:
            if not _continues(graph, last, following):
                break
            batchnorm = following.name
        elif isinstance(following, Clamp) and not clamp and last.name != graph.output:
            clamp = following.name
        else:
            break
        last = following
    return head.name, batchnorm, clamp


def _tail(chain: tuple[str, str, str]) -> str:
    head, batchnorm, clamp = chain
    return clamp or batchnorm or head


def _placed(op: FloatOp, members: set[str]) -> bool:
    return op.name in members or isinstance(op, _TRANSPARENT)


def _stray(op: FloatOp) -> RmsmpError:
    return LoweringError(
        f"{type(op).__name__} stands alone: it does not directly follow a convolution or "
        "linear layer that nobody else reads",
        where=f"layer {op.module or op.name!r}",
        fix="put it directly behind a convolution or linear layer, or remove it",
    )


def _can_be_negative(
    graph: FloatGraph, head: str, batchnorm: str, clamp: str, signed: dict[str, bool]
) -> bool:
    if clamp:
        op = graph.op(clamp)
        assert isinstance(op, Clamp)
        if op.low >= 0:
            return False
    if batchnorm:
        return True
    op_head = graph.op(head)
    if isinstance(op_head, (Add, AvgPool2d, Clamp)):
        return any(signed[name] for name in op_head.inputs)
    return True


def _feeds_add(graph: FloatGraph, tensor: str) -> bool:
    for op in graph.consumers(tensor):
        if isinstance(op, Add):
            return True
        if isinstance(op, _TRANSPARENT) and _feeds_add(graph, op.name):
            return True
    return False


def _makes_logits(op: FloatOp) -> bool:
    """Whether the accumulators themselves are the result: one pixel, no add or pool."""
    return isinstance(op, _MATMULS) and all(size == 1 for size in op.shape[1:])


def _is_input(graph: FloatGraph, tensor: str) -> bool:
    op = graph.op(tensor)
    while isinstance(op, _TRANSPARENT):
        op = graph.op(op.inputs[0])
    return isinstance(op, Input)


def _behind_transparent(graph: FloatGraph, tensor: str) -> tuple[str, bool]:
    """Return the tensor whose codes are the result, and whether they are pooled on the way."""
    op, pooled = graph.op(tensor), False
    while isinstance(op, _TRANSPARENT):
        pooled = pooled or isinstance(op, MaxPool2d)
        op = graph.op(op.inputs[0])
    return op.name, pooled
