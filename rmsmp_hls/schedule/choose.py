"""Which array for this network on this board: fewest predicted cycles, then least resources.

The search walks all combinations of the sizes below, largest arrays first, and leaves one
as soon as a lower bound of its cycles is behind the best array found. Every depth of the
activation memory is tried: block RAM that a shallower one leaves to the partial sums may save
more than its moves to DRAM cost. More weight ports take no more iterations, so an array is tried
with all that the board has first, and with fewer only if it is quick enough with them. All arrays
within `TIE` of the best compete on resources, so a small network gets a small array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import inf

from rmsmp_hls.errors import LoweringError, ResourceError
from rmsmp_hls.hw.array import MOST_BEAT_BITS, WEIGHT_PORTS, ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources, Shares, array_cost, excess
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntMatmul, IntSelect
from rmsmp_hls.numerics.codebooks import LANE_CODEBOOKS, SHIFT_ADD_NAMES, codebook
from rmsmp_hls.schedule.buses import WINDOW_BUSES
from rmsmp_hls.schedule.copies import GATHER_BITS
from rmsmp_hls.schedule.demands import Demands, no_room
from rmsmp_hls.schedule.forms import is_depthwise
from rmsmp_hls.schedule.split_lanes import Lanes, Ratio, lane_splits, work_ratio
from rmsmp_hls.schedule.workload import Workload

TIE = 1.03
"""Arrays whose predicted cycles are within this factor of the best are equally good."""

_CHANNELS = (128, 64, 32, 16, 8, 4)
_PIXELS = (8, 6, 4, 2)
_ROWS = (128, 112, 96, 80, 72, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 10, 8, 6, 4, 2, 1)
_TILE_GROUPS = (16, 32, 64, 128, 256, 512)
_DRAIN_ROWS = (1, 2, 4, 8, 16, 32)
_USUAL_CHANNELS, _USUAL_BANKS = 32, 8  # of what does not depend much on them


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


def _candidates(
    board: Board, network: Workload, ratios: tuple[Ratio, ...], book: str, terms: int
) -> Iterator[ArrayShape]:
    """Yield arrays with the smallest drain, vector unit and partial sums, largest first."""
    usual = network.arranged(_USUAL_CHANNELS, _USUAL_BANKS)
    made = {op.name: op for op in usual.ops}
    weighted = [op for op in usual.ops if isinstance(op, IntMatmul)]
    moved = any(isinstance(op, IntConcat | IntSelect) or is_depthwise(op) for op in usual.ops)
    acc_bits = max([GATHER_BITS if moved else 8] + [op.acc_bits for op in weighted])
    widest = max([1] + [op.shape[2] for op in weighted])
    deepest = max([1] + [made[op.inputs[0]].shape[0] for op in weighted])
    most_rows = max([1] + [op.shape[0] for op in weighted])
    depthwise = any(is_depthwise(op) for op in weighted)
    strided = any(op.window.stride[1] % 2 == 0 for op in weighted)
    taps_tried = (WINDOW_BUSES, 1) if depthwise else (1,)
    jobs = network.jobs(_USUAL_CHANNELS, _USUAL_BANKS).matmuls
    splits: dict[int, tuple[Lanes, ...]] = {
        rows: lane_splits(rows, jobs, ratios)
        for rows in _ROWS
        if rows < 2 * most_rows or rows == min(_ROWS)
    }
    shapes = [
        (lanes, channels, pixels)
        for rows in splits
        for lanes in splits[rows]
        for channels in _CHANNELS
        for pixels in _PIXELS
        if (channels < 2 * deepest or channels == 4) and (pixels <= widest + 1 or pixels == 2)
    ]
    shapes.sort(key=lambda s: (-sum(s[0]) * s[1] * s[2], s))
    for lanes, channels, pixels in shapes:
        narrow = 1 << (pixels - 1).bit_length()
        # Windows, too, want more columns than pixels; a folded load takes more per step.
        wide = strided or depthwise or usual.fold is not None
        for banks, taps in product((2 * narrow, narrow) if wide else (narrow,), taps_tried):
            yield ArrayShape(
                shift_add_lanes=lanes[0],
                fixed4_lanes=lanes[1],
                fixed8_lanes=lanes[2],
                channels=channels,
                pixels=pixels,
                banks=banks,
                drain_rows=1,
                vector_lanes=4,
                tile_groups=_TILE_GROUPS[0],
                activation_depth=network.depths(channels, banks)[0],
                weight_word_bits=board.memory_port_bits,
                acc_bits=acc_bits,
                shift_add_codebook=book,
                dsp=board.dsp_family,
                multiplier_terms=terms,
                window_taps=taps,
            )


def _port_counts(array: ArrayShape, board: Board) -> tuple[int, ...]:
    """Return the numbers of weight ports worth a try, most first: no more than the board has, than
    a beat may have bits, or than it takes to load a tile within the shortest step."""
    found = [1]
    for ports in WEIGHT_PORTS[1:]:
        beats = replace(array, weight_ports=found[-1]).weight_beats
        bits = ports * array.weight_word_bits
        if ports <= board.memory_ports and bits <= MOST_BEAT_BITS and beats > array.min_step:
            found.append(ports)
    return tuple(reversed(found))


def _variants(
    array: ArrayShape, network: Workload, ports: tuple[int, ...], most: float
) -> Iterator[tuple[int, ArrayShape]]:
    """Yield (cycles, array) for every useful drain, partial-sum size, vector unit and number of
    `ports` (most first) whose matrix multiplications do not pass `most` cycles."""
    jobs = network.jobs(array.channels, array.banks)
    most_groups = max(
        [1] + [j.out_height * ceil_div(j.out_width, 2) for j in jobs.matmuls if not j.logits]
    )
    vector_lanes = [n for n in (4, 8, 16, 32, 64, 128) if n <= array.channels]
    vectors = [(network.vector_cycles(replace(array, vector_lanes=n)), n) for n in vector_lanes]
    if not jobs.vectors:
        vectors = vectors[:1]
    for drain in _DRAIN_ROWS:
        if array.rows % drain or drain > array.channels:
            continue
        for groups in _TILE_GROUPS:
            for number in ports:
                shape = replace(array, drain_rows=drain, tile_groups=groups, weight_ports=number)
                cycles = network.matmul_cycles(shape, most - min(vectors)[0])
                if cycles is None:
                    break
                for vector_cycles, lanes in vectors:
                    yield cycles + vector_cycles, replace(shape, vector_lanes=lanes)
            if groups >= most_groups:
                break


def _memory(array: ArrayShape) -> int:
    """Return the nibbles of the activation memory."""
    return array.activation_depth * array.banks * array.channels


def _score(cost: Resources, board: Board) -> float:
    """Return the parts of the board that an array takes, summed over the resources."""
    pairs = ((cost.lut, board.lut), (cost.ff, board.ff), (cost.dsp, board.dsp))
    return sum(used / max(1, there) for used, there in pairs) + cost.bram36 / max(1, board.bram36)


def choose_array(
    graph: IntGraph,
    board: Board,
    ratio: Ratio | None = None,
    clock_mhz: float | None = None,
    shares: Shares | None = None,
    codebook: str | None = None,
    multiplier_terms: int = 0,
) -> ArrayShape:
    """Return the array with the fewest predicted cycles for `graph` that fits the board.

    Args:
        graph: the network.
        board: the board; its port width is the weight ports', of which it has no more than ports.
        ratio: shift-add : fixed-4 : fixed-8 as asked, in any unit; lane splits near it are
            tried besides those near the rows really present. None: only the latter.
        clock_mhz: clock, for what the DDR delivers per cycle; default the board's.
        shares: parts of the board that may be used; default `Shares()`.
        codebook: codebook of the shift-add lanes; default that of the rows.
        multiplier_terms: of the array; a network that was restricted to so many needs no DSP for
            its requantization.

    Raises:
        ResourceError: no array fits; names what the smallest one exceeds, or the tensors whose
            lines the largest memory cannot hold.
        LoweringError: the rows are of two shift-add codebooks.
    """
    shares = shares or Shares()
    book = _network_codebook(graph, codebook)
    clock = clock_mhz or board.clock_mhz
    per_cycle = board.ddr_gb_per_s * 1e3 * board.ddr_efficiency / clock
    network = Workload(graph, per_cycle)
    matmuls = network.jobs(_USUAL_CHANNELS, _USUAL_BANKS).matmuls
    ratios: tuple[Ratio, ...] = (work_ratio(matmuls),) if matmuls else ((1.0, 0.0, 0.0),)
    if ratio is not None and sum(ratio) > 0:
        whole = sum(ratio)
        ratios += ((ratio[0] / whole, ratio[1] / whole, ratio[2] / whole),)
    best: int | None = None
    found: list[tuple[int, float, ArrayShape]] = []
    smallest: tuple[float, ArrayShape, tuple[str, ...]] | None = None
    roomiest: ArrayShape | None = None
    for base in _candidates(board, network, ratios, book, multiplier_terms):
        ports = _port_counts(base, board)
        floor = network.floor(replace(base, weight_ports=ports[0]))
        if best is not None and floor > best * TIE:
            continue
        for depth in network.depths(base.channels, base.banks):
            shallow = replace(base, activation_depth=depth)
            cost = array_cost(shallow)
            faults = excess(cost, board, shares)
            if faults:
                size = _score(cost, board)
                if smallest is None or size < smallest[0]:
                    smallest = (size, shallow, faults)
                continue
            moves = network.spill_cycles(shallow)
            if moves is None:
                roomiest = max(roomiest or shallow, shallow, key=_memory)
                continue
            most = inf if best is None else best * TIE
            if floor + moves > most:
                continue
            for cycles, array in _variants(shallow, network, ports, most):
                if best is not None and cycles > best * TIE:
                    continue
                cost = array_cost(array)
                if not excess(cost, board, shares):
                    found.append((cycles, _score(cost, board), array))
                    best = cycles if best is None else min(best, cycles)
    if best is None and roomiest is not None:
        arrangement = network.arranged(roomiest.channels, roomiest.banks)
        raise no_room(Demands(arrangement, graph.output), roomiest.activation_depth)
    if best is None:
        raise _no_array(board, smallest)
    ties = [entry for entry in found if entry[0] <= best * TIE]
    return min(ties, key=lambda entry: (entry[1], entry[0]))[2]


def _no_array(
    board: Board,
    smallest: tuple[float, ArrayShape, tuple[str, ...]] | None,
) -> ResourceError:
    """Return the error that no array fits, with what the smallest exceeds."""
    if smallest is None:
        return ResourceError(
            "no split of row lanes serves all row formats", where=f"board {board.name}"
        )
    _, _, faults = smallest
    findings = [
        ResourceError(
            f"even the smallest array does not fit; {text}",
            where=f"board {board.name}",
            fix="choose a larger board, a smaller network or input, or raise the resource share",
        )
        for text in faults
    ]
    gathered = ResourceError.gather(findings)
    assert isinstance(gathered, ResourceError), "gather keeps the class"
    return gathered
