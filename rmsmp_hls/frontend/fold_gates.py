"""x * sigmoid(x) is SiLU, x * hard_sigmoid(x) is hard swish: one function, rounded once."""

from __future__ import annotations

from collections.abc import Sequence

from rmsmp_hls.ir.float_ops import Activation, FloatOp, Multiply

_GATED = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}


def fold_gates(ops: Sequence[FloatOp], output: str) -> tuple[FloatOp, ...]:
    """Return the operations with every product of a tensor and its own gate as one function.

    Args:
        ops: in topological order.
        output: name of the result, which stays.
    """
    found = {op.name: op for op in ops}
    for op in ops:
        if not isinstance(op, Multiply):
            continue
        for x, gate in (op.inputs, op.inputs[::-1]):
            maker = found[gate]
            if isinstance(maker, Activation) and maker.function in _GATED and maker.inputs == (x,):
                found[op.name] = Activation(
                    name=op.name,
                    inputs=(x,),
                    shape=op.shape,
                    module=op.module,
                    function=_GATED[maker.function],
                )
                break
    kept = {name for op in found.values() for name in op.inputs} | {output}
    return tuple(op for op in found.values() if op.name in kept or not isinstance(op, Activation))
