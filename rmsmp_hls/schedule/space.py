"""The designs that the search looks at: all combinations of a few sizes, largest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.hw.array import MOST_BEAT_BITS, WEIGHT_PORTS, ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntMatmul, IntSelect
from rmsmp_hls.numerics.codebooks import LANE_CODEBOOKS, SHIFT_ADD_NAMES, codebook
from rmsmp_hls.schedule.buses import WINDOW_BUSES
from rmsmp_hls.schedule.copies import GATHER_BITS
from rmsmp_hls.schedule.forms import is_depthwise
from rmsmp_hls.schedule.split_lanes import Lanes, Ratio, lane_splits, work_ratio
from rmsmp_hls.schedule.workload import Workload

_USUAL_CHANNELS, _USUAL_BANKS = 32, 8  # of what does not depend much on them


@dataclass(frozen=True, slots=True)
class SizesTried:
    """The numbers that are combined; fields of `ArrayShape`, `rows` being all row lanes."""

    rows: tuple[int, ...] = (
        128, 112, 96, 80, 72, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 10, 8, 6, 4, 2, 1,
    )  # fmt: skip
    channels: tuple[int, ...] = (128, 64, 32, 16, 8, 4)
    pixels: tuple[int, ...] = (8, 6, 4, 2)
    drain_rows: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    tile_groups: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    vector_lanes: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    weight_ports: tuple[int, ...] = WEIGHT_PORTS


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is tried of one array besides its lanes, channels, pixels and banks."""

    drain_rows: tuple[int, ...]
    tile_groups: tuple[int, ...]
    vector_lanes: tuple[int, ...]


class SearchSpace:
    """All designs for one network on one board."""

    def __init__(
        self,
        graph: IntGraph,
        board: Board,
        ratio: Ratio | None = None,
        clock_mhz: float | None = None,
        shift_add: str | None = None,
        multiplier_terms: int = 0,
        tried: SizesTried | None = None,
    ) -> None:
        self.graph = graph
        self.board = board
        self.clock_mhz = clock_mhz or board.clock_mhz
        self.tried = tried or SizesTried()
        self._codebook = _network_codebook(graph, shift_add)
        self._terms = multiplier_terms
        per_cycle = board.ddr_gb_per_s * 1e3 * board.ddr_efficiency / self.clock_mhz
        self.network = Workload(graph, per_cycle)
        matmuls = self.network.jobs(_USUAL_CHANNELS, _USUAL_BANKS).matmuls
        self._ratios: tuple[Ratio, ...] = (work_ratio(matmuls),) if matmuls else ((1.0, 0.0, 0.0),)
        if ratio is not None and sum(ratio) > 0:
            whole = sum(ratio)
            self._ratios += ((ratio[0] / whole, ratio[1] / whole, ratio[2] / whole),)

    def candidates(self) -> Iterator[ArrayShape]:
        """Yield arrays with the smallest drain, vector unit and partial sums, largest first."""
        usual = self.network.arranged(_USUAL_CHANNELS, _USUAL_BANKS)
        weighted = [op for op in usual.ops if isinstance(op, IntMatmul)]
        moved = any(isinstance(op, IntConcat | IntSelect) or is_depthwise(op) for op in usual.ops)
        acc_bits = max([GATHER_BITS if moved else 8] + [op.acc_bits for op in weighted])
        depthwise = any(is_depthwise(op) for op in weighted)
        strided = any(op.window.stride[1] % 2 == 0 for op in weighted)
        taps_tried = (WINDOW_BUSES, 1) if depthwise else (1,)
        for lanes, channels, pixels in self._shapes(weighted):
            narrow = 1 << (pixels - 1).bit_length()
            # Windows, too, want more columns than pixels; a folded load takes more per step.
            wide = strided or depthwise or usual.fold is not None
            for banks, taps in product((2 * narrow, narrow) if wide else (narrow,), taps_tried):
                array = ArrayShape(
                    shift_add_lanes=lanes[0],
                    fixed4_lanes=lanes[1],
                    fixed8_lanes=lanes[2],
                    channels=channels,
                    pixels=pixels,
                    banks=banks,
                    drain_rows=1,
                    vector_lanes=4,
                    tile_groups=self.tried.tile_groups[0],
                    activation_depth=self.network.depths(channels, banks)[0],
                    weight_word_bits=self.board.memory_port_bits,
                    acc_bits=acc_bits,
                    shift_add_codebook=self._codebook,
                    dsp=self.board.dsp_family,
                    multiplier_terms=self._terms,
                    window_taps=taps,
                )
                for ports in self._port_counts(array):
                    yield replace(array, weight_ports=ports)

    def _port_counts(self, array: ArrayShape) -> tuple[int, ...]:
        """Return the numbers of weight ports worth a try, most first: no more than the board has,
        than a beat may have bits, or than it takes to load a tile within the shortest step."""
        found = [1]
        for ports in self.tried.weight_ports:
            beats = replace(array, weight_ports=found[-1]).weight_beats
            bits = ports * array.weight_word_bits
            there = 1 < ports <= self.board.memory_ports and bits <= MOST_BEAT_BITS
            if there and beats > array.min_step:
                found.append(ports)
        return tuple(reversed(found))

    def _shapes(self, weighted: list[IntMatmul]) -> list[tuple[Lanes, int, int]]:
        """Return (lanes, channels, pixels), largest first; none far larger than the network."""
        tried = self.tried
        made = {op.name: op for op in self.network.arranged(_USUAL_CHANNELS, _USUAL_BANKS).ops}
        widest = max([1] + [op.shape[2] for op in weighted])
        deepest = max([1] + [made[op.inputs[0]].shape[0] for op in weighted])
        most_rows = max([1] + [op.shape[0] for op in weighted])
        jobs = self.network.jobs(_USUAL_CHANNELS, _USUAL_BANKS).matmuls
        shapes = [
            (lanes, channels, pixels)
            for rows in tried.rows
            if rows < 2 * most_rows or rows == min(tried.rows)
            for lanes in lane_splits(rows, jobs, self._ratios)
            for channels in tried.channels
            for pixels in tried.pixels
            if (channels < 2 * deepest or channels == min(tried.channels))
            and (pixels <= widest + 1 or pixels == min(tried.pixels))
        ]
        return sorted(shapes, key=lambda s: (-sum(s[0]) * s[1] * s[2], s))

    def sizes(self, array: ArrayShape) -> Sizes:
        """Return the drains, partial sums and vector units that are useful with `array`."""
        jobs = self.network.jobs(array.channels, array.banks)
        most_groups = max(
            [1] + [j.out_height * ceil_div(j.out_width, 2) for j in jobs.matmuls if not j.logits]
        )
        groups = self.tried.tile_groups
        enough = next((n for n in groups if n >= most_groups), groups[-1])
        vectors = tuple(n for n in self.tried.vector_lanes if n <= array.channels)
        return Sizes(
            tuple(n for n in self.tried.drain_rows
                  if array.rows % n == 0 and n <= array.channels),
            tuple(n for n in groups if n <= enough),
            vectors if jobs.vectors else vectors[:1],
        )  # fmt: skip

    def depths(self, array: ArrayShape) -> Iterator[ArrayShape]:
        """Yield `array` with every depth of the activation memory, deepest first: block RAM that a
        shallower one leaves to the partial sums may save more than its moves to DRAM cost."""
        for depth in self.network.depths(array.channels, array.banks):
            yield replace(array, activation_depth=depth)


def _network_codebook(graph: IntGraph, asked: str | None) -> str:
    """Return the shift-add codebook of the array.

    Raises:
        LoweringError: the rows are of two shift-add codebooks, or not of the one asked for.
        ConfigError: `asked` is no codebook.
    """
    present = sorted(
        {
            name
            for op in graph
            if isinstance(op, IntMatmul)
            for name in set(op.formats)
            if name in LANE_CODEBOOKS
        }
    )
    wanted = codebook(asked).name if asked else None
    if wanted and wanted not in SHIFT_ADD_NAMES:
        raise LoweringError(
            f"{wanted} is not a shift-add codebook",
            where="codebook",
            fix=f"choose one of {', '.join(SHIFT_ADD_NAMES)}",
        )
    if wanted:
        wanted = codebook(wanted).array_format
    if len(present) > 1 or (wanted and present and present[0] != wanted):
        raise LoweringError(
            f"the network's shift-add rows are {' and '.join(present)}"
            + (f", the array was asked to compute {wanted}" if wanted else ""),
            where="codebook",
            fix="quantize all shift-add rows with one codebook and ask for that one",
        )
    return present[0] if present else wanted or LANE_CODEBOOKS[0]
