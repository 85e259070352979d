"""Scale groups: the tensors that concatenations tie to one scale."""

from __future__ import annotations

from rmsmp_hls.ir.float_ops import Concat, Input
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.quant.placement.chains import source_of


def scale_groups(graph: FloatGraph) -> dict[str, str]:
    """Return concatenation, or tensor that one reads -> a name that its whole group shares.

    Operands are taken behind transparent operations; the network's input is in no group.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for op in graph.of_type(Concat):
        root(op.name)
        for operand in op.inputs:
            source = source_of(graph, operand)
            if not isinstance(source, Input):
                parent[root(source.name)] = root(op.name)
    return {name: root(name) for name in list(parent)}
