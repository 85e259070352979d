"""Which tensors share memory: whoever reads an overwritten one reads the new values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rmsmp_hls.frontend.nodes import Node, Program
from rmsmp_hls.frontend.ops import ALIASES, CONVERSIONS, MAY_COPY, Value
from rmsmp_hls.frontend.views import View


class Storage:
    """Groups of tensors that share memory, each named by the tensor that first held it."""

    def __init__(self, program: Program) -> None:
        self._owner: dict[str, str] = {}
        self._kin: dict[str, str] = {}  # owner -> owner whose memory it may be
        self._last_read: dict[str, int] = {}  # position behind the last node for a result
        for position, node in enumerate(program.nodes):
            self._last_read.update(dict.fromkeys(node.reads, position))
        self._last_read.update(dict.fromkeys(program.outputs, len(program.nodes)))

    def is_read(self, tensor: str, after: int = -1) -> bool:
        """Whether a node behind position `after`, or the result, reads the tensor."""
        return self._last_read.get(tensor, -1) > after

    def start(self, tensor: str) -> None:
        """Note a tensor that has its own memory."""
        self._owner[tensor] = tensor

    def add(self, node: Node, tensor: str, source: str) -> None:
        """Note a result of `node`, whose first argument is `source`."""
        owner = self._owner.get(source, tensor)
        self._owner[tensor] = tensor
        if node.overwrites or (node.op in ALIASES and node.op not in MAY_COPY):
            self._owner[tensor] = owner
        elif node.op in ALIASES and not node.arguments.get("copy"):
            if node.op in CONVERSIONS and node.arguments.get("memory_format") is None:
                self._owner[tensor] = owner
            else:
                self._kin[tensor] = self._kin.get(owner, owner)

    def overwritten(
        self, source: str, old: View, new: View, values: Mapping[str, Value]
    ) -> Iterator[tuple[str, View | None]]:
        """Yield the tensors that share memory with `source`, and what each is from now on.

        Args:
            source: the tensor that is overwritten.
            old, new: what it was, and is.
            values: all tensors.

        Yields:
            (tensor, view); None if no view says it, or if it may be a copy.
        """
        written = self._owner.get(source, source)
        plain = old.is_whole and new.is_whole and old.base_shape == new.base_shape
        for tensor, owner in list(self._owner.items()):
            view = values[tensor].view if tensor in values else None
            kin = self._kin.get(owner, owner) == self._kin.get(written, written)
            if not kin or view is None or (owner == written and view == new):
                continue
            if owner != written:
                yield tensor, None  # whether torch has copied it depends on its strides
            elif view == old:
                yield tensor, new
            elif plain and view.base == old.base and not (old.is_affine or new.is_affine):
                yield tensor, replace(view, base=new.base)
            else:
                yield tensor, None
