"""What a network asks of any array: exact for the search but for row tiles, of which positions
may ask for more than the numbers of rows do."""

from __future__ import annotations

from functools import cache

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import (
    address_words,
    block_wait,
    ceil_div,
    matmul_iterations,
    spill_wait,
)
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.schedule.adapt import RAM_DEPTH, activation_depth
from rmsmp_hls.schedule.arrange import Arrangement, arrange
from rmsmp_hls.schedule.buses import Counts
from rmsmp_hls.schedule.demands import Demands
from rmsmp_hls.schedule.jobs import Jobs, arranged_jobs
from rmsmp_hls.schedule.place_rows import lane_counts
from rmsmp_hls.schedule.spill import moved_addresses, plan_spills

_Tiles = tuple[int, int, int, tuple[tuple[int, int], ...]]
"""Jobs of a kind, groups of one's output, its planes (0: logits), (row tiles, steps) by mapping."""


class Workload:
    """The network's work, by the sizes that decide where its channels and pixels lie."""

    def __init__(self, graph: IntGraph, bytes_per_cycle: float) -> None:
        self.graph = graph
        self.bytes_per_cycle = bytes_per_cycle
        self.jobs = cache(self._jobs)
        self.depths = cache(self._depths)
        self._planned = cache(self._plan)
        self.arranged = cache(self._arranged)
        self._tiles: dict[tuple[int | Counts, ...], tuple[_Tiles, ...]] = {}

    def _arranged(self, channels: int, banks: int) -> Arrangement:
        return arrange(self.graph, channels, banks)

    def _jobs(self, channels: int, banks: int) -> Jobs:
        return arranged_jobs(self.arranged(channels, banks), self.graph.output, {})

    def _depths(self, channels: int, banks: int) -> tuple[int, ...]:
        """Return the depths of the activation memory that are worth a try, deepest first.

        The first holds everything; with the others tensors lie in DRAM.
        """
        full = activation_depth(self.arranged(channels, banks), self.graph.output)
        parts = [full * eighths // 8 // RAM_DEPTH * RAM_DEPTH for eighths in (6, 4, 3, 2, 1)]
        steps = [RAM_DEPTH * number for number in (4, 2, 1)]
        less = sorted({n for n in (*parts, *steps) if 0 < n < full}, reverse=True)
        return (full, *less)

    def _plan(self, channels: int, banks: int, depth: int) -> tuple[int, Jobs] | None:
        """Return the addresses that move to DRAM and back, and the jobs in their strips."""
        arrangement = self.arranged(channels, banks)
        demands = Demands(arrangement, self.graph.output)
        buffers, works = demands.buffers(), demands.works()
        plan = plan_spills(buffers, works, depth)
        if plan is None:
            return None
        cuts = {strip.number: strip.strips for strip in plan.strips}
        jobs = arranged_jobs(arrangement, self.graph.output, cuts)
        return moved_addresses(plan, buffers, works), jobs

    def _cut_jobs(self, array: ArrayShape) -> Jobs:
        planned = self._planned(array.channels, array.banks, array.activation_depth)
        assert planned is not None, "asked only where lines fit"
        return planned[1]

    def spill_cycles(self, array: ArrayShape) -> int | None:
        """Return the cycles of moving tensors to DRAM and back, None if lines do not fit."""
        planned = self._planned(array.channels, array.banks, array.activation_depth)
        if planned is None:
            return None
        iterations = planned[0] * address_words(array)
        return iterations + spill_wait(array, iterations, self.bytes_per_cycle)

    def floor(self, array: ArrayShape) -> int:
        """Return a bound that no tiling of the matrix multiplications can beat, nor a vector unit
        that takes no time."""
        return self.jobs(array.channels, array.banks).moves + self.matmul_floor(array)

    def matmul_floor(self, array: ArrayShape) -> int:
        """Return a bound of the matrix multiplications alone: no tiling can beat it, nor fewer
        `drain_rows` or `tile_groups`.

        Every step takes as many cycles as its pixel tile has groups, and no fewer than its weights
        take to arrive; every group of every row tile drains.
        """
        total, least = 0, max(array.weight_beats, array.min_step)
        rows_drained = array.rows // array.drain_rows
        for count, groups, planes, ways in self._row_tiles(array):
            step = max(groups, ceil_div(groups, array.tile_groups) * least)
            drain = groups * rows_drained * (planes or array.drain_rows)
            total += count * min(tiles * max(steps * step, drain) for tiles, steps in ways)
        return total

    def _row_tiles(self, array: ArrayShape) -> tuple[_Tiles, ...]:
        """Return the row tiles and steps of every kind of job, on every mapping."""
        lanes = lane_counts(array)
        key = (lanes, array.channels, array.pixels, array.banks, array.window_taps)
        if key in self._tiles:
            return self._tiles[key]
        found = []
        for job, count in self.jobs(array.channels, array.banks).matmuls.items():
            groups = job.out_height * ceil_div(job.out_width, 1 if job.logits else array.pixels)
            ways = tuple((way.row_tiles(lanes), way.steps) for way in job.options(array))
            found.append((count, groups, 0 if job.logits else job.out_planes, ways))
        return self._tiles.setdefault(key, tuple(found))

    def matmul_cycles(self, array: ArrayShape, most: float) -> int | None:
        """Return the cycles of all matrix multiplications, waits of each for DDR included;
        None if they pass `most`."""
        total, lanes = 0, lane_counts(array)
        for job, count in self._cut_jobs(array).matmuls.items():
            if total > most:
                return None
            way = job.mapped(array)
            tiling = way.tiling(array, way.row_tiles(lanes))
            iterations = matmul_iterations(tiling, array)
            wait = block_wait(array, tiling, iterations, self.bytes_per_cycle)
            total += count * (iterations + wait)
        return total

    def vector_cycles(self, array: ArrayShape) -> int:
        """Return the cycles of the vector unit, loads, stores and moves to DRAM and back."""
        jobs = self._cut_jobs(array)
        moves = jobs.moves + (self.spill_cycles(array) or 0)
        return moves + sum(n * job.iterations(array) for job, n in jobs.vectors.items())
