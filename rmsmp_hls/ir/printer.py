"""Graphs as text, one operation per line: made to be read and compared."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Window

_BASE = {"name", "inputs", "shape", "output", "module"}
_SHOWN = 8  # numbers of a long list


def to_text(graph: Graph[Any]) -> str:
    """Return the text form: `name: shape format = Op(inputs) field=value ...`."""
    lines = [f"{graph.level.value} -> {graph.output}" + (" +argmax" if graph.argmax else "")]
    for op in graph.ops:
        output = getattr(op, "output", None)
        kind = f" {_value(output)}" if output is not None else ""
        shape = "x".join(map(str, op.shape))
        extra = [
            f"{f.name}={_value(getattr(op, f.name))}"
            for f in dataclasses.fields(op)
            if f.name not in _BASE
        ]
        call = f"{type(op).__name__}({', '.join(op.inputs)})"
        lines.append(" ".join([f"{op.name}: {shape}{kind} = {call}", *extra]))
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, ActFormat):
        wide = "" if value.narrow or not value.signed else "+1"  # one code more, below
        return f"{'s' if value.signed else 'u'}{value.bits}{wide}*{value.scale:.6g}"
    if isinstance(value, Window):
        parts = [f"k{_pair(value.kernel)}", f"s{_pair(value.stride)}"]
        if any(value.padding):
            parts.append("p" + ",".join(map(str, value.padding)))
        if value.dilation != (1, 1):
            parts.append(f"d{_pair(value.dilation)}")
        return ".".join(parts)
    if isinstance(value, ConstTensor):
        return f"[{'x'.join(map(str, value.shape))}]{value.digest[:8]}"
    if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value):
        return "+".join(f"{n}*{name}" for name, n in sorted(Counter(value).items()))
    if isinstance(value, tuple) and len(value) > _SHOWN:
        return f"({', '.join(map(str, value[:_SHOWN]))}, ... {len(value)})"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if value != "" else "-"


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"
