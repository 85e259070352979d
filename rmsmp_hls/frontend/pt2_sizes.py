"""Sizes in the JSON of an exported program: numbers, or the symbolic batch."""

from __future__ import annotations

import re

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.layouts import RANKS
from rmsmp_hls.frontend.nodes import TensorInfo
from rmsmp_hls.frontend.pt2_json import Json
from rmsmp_hls.frontend.pt2_weights import dtype_name

_FLOATS = ("torch.float32", "torch.float64")
_LARGEST = 1 << 40
_PLAIN = re.compile(r"(?:Symbol\('|Integer\()(\w+)(?:'[^)]*)?\)")
SYMBOLIC = -1
"""Stands for a size that is neither a number nor the batch."""


class Sizes:
    """The tensors and symbolic numbers of a graph, by name.

    Attributes:
        batch: size of the batch; for a symbolic one, a number that no tensor's first
            dimension has.
    """

    def __init__(self, graph: Json) -> None:
        self.tensors = graph.field("tensor_values").table()
        symbols = graph.optional("sym_int_values")
        self.symbols = symbols.table() if symbols is not None else {}
        self.symbol = ""  # the expression of the batch, "" if it is a number
        self.batch = 0

    def fix_batch(self, name: Json) -> None:
        """Find the batch: the first dimension of the network's input tensor.

        Raises:
            ModelImportError: the input is no batch of images or vectors of a fixed size.
        """
        sizes = [_size(entry) for entry in self._meta(name).field("sizes").items()]
        symbolic = [str(size) for size in sizes[1:] if isinstance(size, str)]
        if len(sizes) not in RANKS or symbolic or 0 in sizes:
            raise ModelImportError(
                f"reads a tensor of shape {self.printed(name.text())}",
                where=f"input {name.text()!r}",
                fix="export it with an example [N, C, H, W], [N, C, L] or [N, F] of fixed "
                "size; only the batch may be dynamic",
            )
        if self.tensor(name).dtype not in _FLOATS:
            raise ModelImportError(
                f"is of type {self.tensor(name).dtype}",
                where=f"input {name.text()!r}",
                fix="export model.float() with a float32 example",
            )
        if isinstance(sizes[0], int):
            self.batch = sizes[0]
            return
        self.symbol = sizes[0]
        firsts: set[int | str] = set()
        for meta in self.tensors.values():
            firsts.update(_size(entry) for entry in meta.field("sizes").items()[:1])
        self.batch = next(n for n in range(2, len(firsts) + 3) if n not in firsts)

    def tensor(self, name: Json) -> TensorInfo:
        """Return the tensor `name`; SYMBOLIC stands for sizes that are not known."""
        meta = self._meta(name)
        sizes = tuple(self._number(_size(entry)) for entry in meta.field("sizes").items())
        return TensorInfo(name.text(), sizes, dtype_name(meta.field("dtype").integer()))

    def symbol_value(self, name: Json) -> int | str:
        """Return a symbolic number: an integer if it is known, else its expression."""
        entry = self.symbols.get(name.text())
        size = _size(entry) if entry is not None else name.text()
        return self.batch if size == self.symbol else size

    def printed(self, name: str) -> str:
        """Return the shape of a tensor for a message."""
        sizes = [_size(entry) for entry in self.tensors[name].field("sizes").items()]
        texts = [_PLAIN.sub(r"\1", str(size))[:60] for size in sizes]
        return f"[{', '.join(texts)}]"

    def _number(self, size: int | str) -> int:
        if isinstance(size, int):
            return size
        return self.batch if size == self.symbol else SYMBOLIC

    def _meta(self, name: Json) -> Json:
        found = self.tensors.get(name.text())
        if found is None:
            raise name.wrong(f"has no entry in tensor_values: {name.text()!r}")
        return found


def _size(entry: Json) -> int | str:
    tag, value = entry.union()
    if tag == "as_int":
        size = value.integer()
        if not 0 <= size < _LARGEST:
            raise value.wrong(f"is no size: {size}")
        return size
    if tag == "as_expr":
        return value.field("expr_str").text()
    raise entry.wrong("is no size")
