"""The file's quantizers leave the graph: each becomes the format of a tensor's codes.

Where the rules of placement (docs/numerics.md, "Activations") would join what the file keeps
apart, a clamp without bounds takes the quantizer's place: codes are made there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.onnx.values import Quantizer
from rmsmp_hls.ir.float_ops import (
    BatchNorm,
    Clamp,
    Concat,
    Dropout,
    Flatten,
    FloatOp,
    Input,
    MaxPool2d,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)
from rmsmp_hls.ir.types import ActFormat

TRANSPARENT = (MaxPool2d, Flatten, Unflatten, Upsample, Pad, SelectChannels, Concat, Dropout)
"""Operations that keep codes; quantizing before them or behind them is the same."""
_ENDS_CHAIN = (Input, Clamp, *TRANSPARENT)


@dataclass(frozen=True)
class Absorbed:
    """A network without quantizers.

    Attributes:
        ops: its operations.
        output: its result.
        formats: tensor -> format that the file gives it.
        notes: what the user should know.
    """

    ops: tuple[FloatOp, ...]
    output: str
    formats: dict[str, ActFormat]
    notes: tuple[str, ...]


def absorb_quantizers(ops: Iterable[FloatOp], output: str) -> Absorbed:
    """Take the quantizers out of a network.

    Raises:
        ModelImportError: a tensor is quantized in two ways, or a concatenation joins tensors of
            several formats (all are listed).
    """
    return _Absorber(tuple(ops), output).run()


class _Absorber:
    def __init__(self, ops: tuple[FloatOp, ...], output: str) -> None:
        self.ops, self.output = ops, output
        self.readers: dict[str, list[FloatOp]] = {}
        for op in ops:
            for name in op.inputs:
                self.readers.setdefault(name, []).append(op)
        self.made: dict[str, FloatOp] = {}
        self.alias: dict[str, str] = {}
        self.formats: dict[str, ActFormat] = {}
        self.breaks: dict[str, str] = {}
        self.findings: list[RmsmpError] = []
        self.notes: list[str] = []

    def run(self) -> Absorbed:
        """Return the network without quantizers."""
        for op in self.ops:
            new = dataclasses.replace(op, inputs=tuple(self.alias.get(n, n) for n in op.inputs))
            if isinstance(new, Quantizer):
                self._quantizer(new)
            else:
                self.made[new.name] = new
        self._pull_up()
        self._check_concats()
        if self.findings:
            raise ModelImportError.gather(self.findings)
        output = self.alias.get(self.output, self.output)
        return Absorbed(tuple(self.made.values()), output, self.formats, tuple(self.notes))

    def _quantizer(self, op: Quantizer) -> None:
        source = op.inputs[0]
        if self.formats.get(self.breaks.get(source, "")) == op.format:
            self.alias[op.name] = self.breaks[source]
            return
        carried = self.carried(source)
        if carried is None:
            self._first(op, source)
        elif carried == op.format:
            self.alias[op.name] = source
        else:
            self._break(op)

    def _first(self, op: Quantizer, source: str) -> None:
        """Give codes to a tensor that has none yet."""
        readers = self.readers.get(source, [])
        quantizers = [reader for reader in readers if isinstance(reader, Quantizer)]
        if any(reader.format != op.format for reader in quantizers):
            kinds = {f"{q.format.bits} bits of {q.format.scale:.6g}" for q in quantizers}
            self.findings.append(
                ModelImportError(
                    f"{source!r} is quantized in {len(kinds)} ways: {', '.join(sorted(kinds))}",
                    where=f"node {op.module!r}",
                    fix="quantize it once, and once more behind that where fewer bits are wanted",
                )
            )
        if len(quantizers) < len(readers) and source not in self.formats:
            self.notes.append(
                f"{source!r} is read with and without its quantizer {op.module!r}; "
                "here every reader sees its codes"
            )
        following = [r for q in quantizers for r in self.readers.get(q.name, [])]
        if not isinstance(self.made[source], _ENDS_CHAIN) and any(
            isinstance(reader, (BatchNorm, Clamp))
            or (isinstance(reader, Quantizer) and reader.format != op.format)
            for reader in following
        ):
            self._break(op)
            self.breaks[source] = op.name
        else:
            self.alias[op.name] = source
            self.formats[source] = op.format

    def _break(self, op: Quantizer) -> None:
        """Make codes by an operation of its own."""
        self.made[op.name] = Clamp(
            name=op.name, inputs=op.inputs, shape=op.shape, module=op.module,
            low=-math.inf, high=math.inf,
        )  # fmt: skip
        self.formats[op.name] = op.format

    def carried(self, name: str) -> ActFormat | None:
        """Return the format of the codes that a tensor has, None if the file gives none."""
        if name in self.formats:
            return self.formats[name]
        op = self.made[name]
        if not isinstance(op, TRANSPARENT):
            return None
        found = {self.carried(source) for source in op.inputs}
        return found.pop() if len(found) == 1 else None

    def _pull_up(self) -> None:
        """Quantize before operations that keep codes what the file quantizes behind them."""
        for op in reversed(self.made.values()):
            if not isinstance(op, TRANSPARENT) or op.name not in self.formats:
                continue
            for source in op.inputs:
                others = [r for r in self._readers_now(source) if r.name != op.name]
                same = all(self.formats.get(r.name) == self.formats[op.name] for r in others
                           if isinstance(r, TRANSPARENT))  # fmt: skip
                if self.carried(source) is None and same:
                    self.formats[source] = self.formats[op.name]

    def _readers_now(self, name: str) -> list[FloatOp]:
        return [op for op in self.made.values() if name in op.inputs]

    def _check_concats(self) -> None:
        for op in self.made.values():
            if not isinstance(op, Concat):
                continue
            found = {self.carried(n) for n in op.inputs} | {self.formats.get(op.name)}
            found.discard(None)
            if len(found) > 1:
                shown = sorted(f"{f.bits} bits of {f.scale:.6g}" for f in found if f is not None)
                self.findings.append(
                    ModelImportError(
                        f"Concat joins tensors of several formats: {', '.join(shown)[:300]}",
                        where=f"node {op.module!r}",
                        fix="give its operands one shared quantizer: the same scale and width",
                    )
                )
