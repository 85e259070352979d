"""The steps of a planned network: restore lines of what lies in DRAM, compute, save lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import address_words
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntOp, IntSelect
from rmsmp_hls.schedule.demands import Demands, View
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.spill import SpillPlan, StripPlan
from rmsmp_hls.schedule.steps import Lines, Step
from rmsmp_hls.schedule.strips import StepMaker


class PlannedSteps:
    """Makes the programs of one network whose tensors lie as `plan` says.

    Attributes:
        spill_words: words of the spill port that the programs use.
    """

    def __init__(
        self, demands: Demands, plan: SpillPlan, maker: StepMaker, array: ArrayShape
    ) -> None:
        self.demands = demands
        self.arrangement = demands.arrangement
        self.maker = maker
        self._bases = dict(plan.bases)
        self._strips = {strip.number: strip for strip in plan.strips}
        self._spilled = frozenset(plan.spilled)
        self._words = address_words(array)
        self._offsets: dict[str, int] = {}
        self.spill_words = 0
        for buffer in plan.spilled:
            height = self.arrangement.buffers[buffer].height
            for region in demands.regions[buffer]:
                self._offsets[region.tensor] = self.spill_words
                self.spill_words += height * region.line_words * self._words

    def layouts(self) -> tuple[TensorLayout, ...]:
        """Return the layouts of the tensors that stay in the activation memory."""
        return tuple(
            self._resident(op)
            for op in self.arrangement.ops
            if op.output is not None
            and self.arrangement.places[op.name].buffer not in self._spilled
        )

    def steps(self, stored: set[str]) -> Iterator[Step]:
        """Yield the steps of a program that stores the tensors `stored`."""
        for number, op in enumerate(self.arrangement.ops):
            store = op.name in stored and op.output is not None
            strips = self._strips.get(number)
            if strips is None:
                yield from self._lines(op, (0, op.shape[1]), {}, -1, store)
                continue
            for lines in strips.strips:
                views: dict[str, TensorLayout] = {}
                for name in self._reads(op):
                    if self.arrangement.places[name].buffer in self._spilled:
                        yield from self._restore(op, name, lines, strips, views)
                yield from self._lines(op, lines, views, strips.result_base, store)

    def _reads(self, op: IntOp) -> tuple[str, ...]:
        moves = isinstance(op, IntConcat | IntSelect)
        return (op.name,) if moves else tuple(dict.fromkeys(op.inputs))

    def _lines(
        self,
        op: IntOp,
        lines: Lines,
        views: dict[str, TensorLayout],
        result_base: int,
        store: bool,
    ) -> Iterator[Step]:
        """Yield the steps that make (and save, and store) some lines of one operation."""
        if isinstance(op, IntConcat | IntSelect):
            if store:
                yield self.maker.store(views.get(op.name) or self._resident(op).lines(*lines))
            return
        operands = tuple(views.get(name) or self._resident(self._op(name)) for name in op.inputs)
        result = None
        if op.output is not None:
            spilled = self.arrangement.places[op.name].buffer in self._spilled
            result = self._result(op, lines, result_base) if spilled else self._resident(op)
        if isinstance(op, IntInput):
            assert result is not None, "the input is codes"
            yield self.maker.load(result.lines(*lines))
        else:
            yield self.maker.compute(op, operands, result, lines)
        if result is not None and result_base >= 0:
            region = self.demands.region(op.name)
            offset = self._offsets[op.name] + lines[0] * region.line_words * self._words
            yield self.maker.save(self.arrangement.owners[op.name], result, offset)
        if store:
            assert result is not None, "what is stored is codes"
            yield self.maker.store(result.lines(*lines))

    def _op(self, name: str) -> IntOp:
        return self.demands.made[name]

    def _resident(self, op: IntOp) -> TensorLayout:
        return self.arrangement.layout(op, self._bases[self.arrangement.places[op.name].buffer])

    def _result(self, op: IntOp, lines: Lines, base: int) -> TensorLayout:
        """Return the layout of some lines of a spilled result, dense at `base`."""
        region = self.demands.region(op.name)
        whole = self.arrangement.layout(op, 0)
        return replace(
            whole,
            base=base,
            top=lines[0],
            height=lines[1] - lines[0],
            pixel_stride=region.blocks * whole.planes,
            line_stride=region.line_words,
        )

    def _restore(
        self,
        op: IntOp,
        name: str,
        lines: Lines,
        strips: StripPlan,
        views: dict[str, TensorLayout],
    ) -> Iterator[Step]:
        """Yield the steps that bring the lines of one operand; enter its layout into `views`."""
        view = self.demands.view(name)
        place = self.arrangement.places[name]
        height = self._op(name).shape[1]
        first, last = self.demands.reading(op, name).lines(*lines, height)
        base = dict(strips.source_bases)[view.name]
        whole = self.arrangement.layout(self._op(name), 0)
        held = replace(
            whole,
            base=base + (place.block - view.block) * whole.planes,
            top=first,
            height=last - first,
            pixel_stride=view.blocks * whole.planes,
            line_stride=view.line_words,
        )
        if not self._there(view, views, first, last):
            for region in view.regions:
                part = replace(
                    held,
                    name=region.tensor,
                    base=base + (region.block - view.block) * whole.planes,
                    blocks=region.blocks,
                )
                offset = self._offsets[region.tensor] + first * region.line_words * self._words
                yield self.maker.restore(self.arrangement.owners[op.name], part, offset)
        views[name] = held

    def _there(self, view: View, views: dict[str, TensorLayout], first: int, last: int) -> bool:
        """Whether another operand of the same view has brought these lines already."""
        return any(
            self.demands.view(name).name == view.name
            and (held.top, held.top + held.height) == (first, last)
            for name, held in views.items()
        )
