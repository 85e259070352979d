"""How many iterations an operation takes: the formulas of docs/hardware.md, and nothing else.

Iterations are exact (the C simulation counts them and must agree). What a synthesized
pipeline adds on top (its depth, once per operation) is a separate, labelled estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape


def ceil_div(a: int, b: int) -> int:
    """Return the smallest whole number not below a / b; b > 0."""
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How one matrix multiplication is cut.

    Attributes:
        group_pixels: output pixels of one group, neighbours in x.
        groups_per_line: groups of one output line.
        groups: groups of the whole output.
        groups_per_tile: groups of a pixel tile (the last one may have fewer).
        pixel_tiles, row_tiles: tiles of each kind; a block is one of both.
        steps: weight tiles of a block, KH * KW * channel blocks * planes.
        repeat: cycles of one drain step: planes of the output, or `drain_rows` for logits.
    """

    group_pixels: int
    groups_per_line: int
    groups: int
    groups_per_tile: int
    pixel_tiles: int
    row_tiles: int
    steps: int
    repeat: int

    @property
    def last_groups(self) -> int:
        """Groups of the last pixel tile."""
        return self.groups - (self.pixel_tiles - 1) * self.groups_per_tile


@dataclass(frozen=True, slots=True)
class MatmulCycles:
    """Iterations of one matrix multiplication.

    Attributes:
        iterations: all of them, exact.
        busy: iterations in which the lanes compute a group.
        binds: what the largest part of the iterations waits for: "compute", "weights",
            "min_step", "params" or "drain".
    """

    iterations: int
    busy: int
    binds: str


def pixels_of_group(array: ArrayShape, stride_w: int, logits: bool, span: int = 1) -> int:
    """Return the output pixels of one group; 1 for logits.

    Args:
        array: the array.
        stride_w: horizontal stride.
        logits: whether the result leaves the array.
        span: columns that every pixel reads at once; a window (more than 1) takes neighbouring
            banks, so all columns of its group lie in as many banks.
    """
    if logits:
        return 1
    if span > 1:
        return min(array.pixels, (array.banks - span) // stride_w + 1)
    return min(array.pixels, array.banks // gcd(stride_w, array.banks))


def drain_cycles(groups: int, rows: int, drain_rows: int, repeat: int) -> int:
    """Return the cycles that a block of `groups` groups takes to leave the array."""
    return groups * (rows // drain_rows) * repeat


@lru_cache(maxsize=1 << 18)
def block_iterations(
    steps: int,
    full: int,
    last: int,
    pixel_tiles: int,
    row_tiles: int,
    rows: int,
    drain_per_group: int,
    weight_beats: int,
    min_step: int,
) -> int:
    """Return sum T_j of docs/hardware.md for blocks in the order pixel tile, row tile.

    Args:
        steps: steps of a block.
        full, last: groups of every pixel tile but the last, and of the last.
        pixel_tiles, row_tiles: tiles.
        rows: TM.
        drain_per_group: TM / TQ * repeat.
        weight_beats: WPT.
        min_step: fewest cycles of a step.
    """
    step_full = steps * max(full, weight_beats, min_step)
    step_last = steps * max(last, weight_beats, min_step)
    drain_full, drain_last = full * drain_per_group, last * drain_per_group
    first = step_full if pixel_tiles > 1 else step_last
    total = max(first + weight_beats, rows)
    if pixel_tiles > 1:
        after_full = (pixel_tiles - 1) * row_tiles - 1  # full blocks behind a full block
        total += after_full * max(step_full, rows, drain_full)
        total += max(step_last, rows, drain_full)  # the first last-tile block
    total += (row_tiles - 1) * max(step_last, rows, drain_last)
    return total + drain_last


def matmul_iterations(tiling: Tiling, array: ArrayShape) -> int:
    """Return the exact iterations of one matrix multiplication."""
    return block_iterations(
        tiling.steps,
        tiling.groups_per_tile,
        tiling.last_groups,
        tiling.pixel_tiles,
        tiling.row_tiles,
        array.rows,
        array.rows // array.drain_rows * tiling.repeat,
        array.weight_beats,
        array.min_step,
    )


def choose_tiling(
    array: ArrayShape,
    *,
    out_height: int,
    out_width: int,
    group_pixels: int,
    steps: int,
    row_tiles: int,
    planes: int,
    logits: bool,
) -> Tiling:
    """Cut one matrix multiplication into pixel tiles so that its iterations are fewest.

    `group_pixels` is that of `pixels_of_group`; the other names are those of `Tiling`.

    More pixel tiles than needed let the drain of one block overlap the next block's
    computation; fewer keep the weights longer. Both are tried; ties go to fewer tiles.
    """
    per_line = ceil_div(out_width, group_pixels)
    groups = out_height * per_line
    least = ceil_div(groups, array.tile_groups)
    repeat = array.drain_rows if logits else planes
    rows, beats = array.rows, array.weight_beats
    per_group = rows // array.drain_rows * repeat
    best: tuple[int, int, int] | None = None  # iterations, pixel tiles, groups of a tile
    for tiles in dict.fromkeys((least, least + 1, least + 2, 2 * least, 4 * least, 8 * least)):
        if tiles > groups:
            break
        per_tile = ceil_div(groups, tiles)
        pixel_tiles = ceil_div(groups, per_tile)
        last = groups - (pixel_tiles - 1) * per_tile
        iterations = block_iterations(
            steps, per_tile, last, pixel_tiles, row_tiles, rows, per_group, beats, array.min_step
        )
        if best is None or iterations < best[0]:
            best = iterations, pixel_tiles, per_tile
    assert best is not None, "an output has at least one group"
    return Tiling(
        group_pixels=group_pixels,
        groups_per_line=per_line,
        groups=groups,
        groups_per_tile=best[2],
        pixel_tiles=best[1],
        row_tiles=row_tiles,
        steps=steps,
        repeat=repeat,
    )


def matmul_cycles(tiling: Tiling, array: ArrayShape) -> MatmulCycles:
    """Return the iterations of one matrix multiplication and what binds them.

    Every iteration is charged to the term that set the length of its block; within a
    block whose steps are longer than its groups, the steps are charged to what made them so.
    """
    per_group = array.rows // array.drain_rows * tiling.repeat
    charged = {"compute": 0, "weights": 0, "min_step": 0, "params": 0, "drain": 0}
    beats, least = array.weight_beats, array.min_step
    charged["weights"] += beats  # the prologue

    def charge(groups: int, before: int, count: int) -> None:
        step = max(groups, beats, least)
        why = "compute" if groups == step else ("weights" if beats == step else "min_step")
        compute, drain = tiling.steps * step, before * per_group
        length = max(compute, array.rows, drain)
        if compute == length:
            charged[why] += count * length
        else:
            charged["drain" if drain == length else "params"] += count * length

    full, last = tiling.groups_per_tile, tiling.last_groups
    if tiling.pixel_tiles > 1:
        charge(full, 0, 1)
        charge(full, full, (tiling.pixel_tiles - 1) * tiling.row_tiles - 1)
        charge(last, full, 1)
    else:
        charge(last, 0, 1)
    charge(last, last, tiling.row_tiles - 1)
    charged["drain"] += last * per_group
    return MatmulCycles(
        iterations=matmul_iterations(tiling, array),
        busy=tiling.groups * tiling.row_tiles * tiling.steps,
        binds=max(charged, key=lambda name: charged[name]),
    )


def vector_iterations(
    array: ArrayShape,
    out_height: int,
    out_width: int,
    blocks: int,
    taps: int,
    planes: int,
    table: bool = False,
) -> int:
    """Return the exact iterations of an operation of the vector unit; planes per tap."""
    chunks = array.channels // array.vector_lanes
    work = out_height * out_width * blocks * chunks * taps * planes
    return work + 1 + (TABLE_WORDS if table else 0)


def move_iterations(height: int, width: int, chunks: int, planes: int) -> int:
    """Return the exact iterations of a load or store; `chunks` words of four codes a pixel."""
    return height * width * chunks * planes


def line_words(width: int, chunks: int) -> int:
    """Return the 32-bit words of a line of the input: whole beats; `chunks` words a pixel."""
    return ceil_div(width * chunks, BEAT_WORDS) * BEAT_WORDS


def fold_columns(kernel: int, stride: int, banks: int) -> int:
    """Return the columns that a step of a folded load takes, 0 if it cannot be: the most of 4, 2
    and 1 so that no bank has two folded pixels in one step."""
    return next((n for n in (BEAT_WORDS, 2, 1) if kernel + n - 1 <= stride * banks), 0)


def folded_load_iterations(
    height: int, width: int, left: int, right: int, planes: int, columns: int
) -> int:
    """Return the exact iterations of a load that unrolls the kernel's row; padding walked too.

    Args:
        height, width: of the image.
        left, right: columns of padding.
        planes: of its codes.
        columns: of a step, as `fold_columns` says.
    """
    return height * (ceil_div(left, columns) + ceil_div(width + right, columns)) * planes


def address_words(array: ArrayShape) -> int:
    """Return the words of the spill port that one address of all banks and positions takes."""
    return ceil_div(array.banks * array.channels * 4, array.weight_word_bits)


def spill_iterations(array: ArrayShape, runs: int, run: int) -> int:
    """Return the exact iterations of a SAVE or RESTORE."""
    return runs * run * address_words(array)


def spill_wait(array: ArrayShape, iterations: int, bytes_per_cycle: float) -> int:
    """Return the modelled cycles that SAVE and RESTORE wait where DDR delivers fewer bytes per
    cycle than the spill port takes. Nothing else runs meanwhile."""
    return max(0, round(iterations * (array.weight_word_bits / 8 / bytes_per_cycle - 1)))


def block_bytes(tiling: Tiling, array: ArrayShape) -> int:
    """Return the bytes of weights and row parameters that one matrix multiplication takes."""
    weights = tiling.steps * array.weight_beats * array.weight_beat_bits // 8
    return tiling.pixel_tiles * tiling.row_tiles * (weights + array.rows * PARAM_BYTES)


def block_wait(array: ArrayShape, tiling: Tiling, iterations: int, bytes_per_cycle: float) -> int:
    """Return the modelled cycles that one matrix multiplication of so many iterations waits for
    weights and row parameters where DDR delivers fewer bytes per cycle than their ports take."""
    return max(0, round(block_bytes(tiling, array) / bytes_per_cycle) - iterations)


BEAT_WORDS = 4
"""32-bit words of a beat, the word of the input port."""

FOLD_CODES = 16
"""Codes that a step of a folded load takes at most: four columns of four channels."""

TABLE_WORDS = 16
"""Words of the parameter stream that hold a table: 256 entries of one byte."""

PIPELINE_DEPTH_CYCLES = 60
"""Modelled stages of a pipelined loop of Compute: activation read, dot product, partial sum,
requantization and write-back. A loop of n iterations takes n + 59 cycles, and the blocks of a
matrix multiplication are such loops one after the other. An estimate before any synthesis; never
part of an iteration count."""

LOOP_OVERHEAD_CYCLES = 2
"""Modelled cycles between the last cycle of one loop and the first of the next; an estimate."""

RECORD_WORDS = 40
"""Words of an operation's record, which Compute reads one per cycle before it begins."""


def loops_overhead(loops: int, depth: int = PIPELINE_DEPTH_CYCLES) -> int:
    """Return the modelled cycles that pipelined loops one after the other take besides their
    iterations."""
    return loops * (depth - 1 + LOOP_OVERHEAD_CYCLES)
