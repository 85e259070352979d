"""A matrix multiplication as plain numbers, and on which of two mappings it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import Tiling, ceil_div, choose_tiling, matmul_iterations, pixels_of_group
from rmsmp_hls.schedule.buses import WINDOW_BUSES, Counts, bus_lanes
from rmsmp_hls.schedule.place_rows import fewest_tiles, lane_counts


@dataclass(frozen=True, slots=True)
class MatmulJob:
    """A matrix multiplication on an array of some TN.

    Attributes:
        out_height, out_width: output pixels.
        image_height: of the whole operation, of which this may be a strip.
        stride_w: horizontal stride.
        kernel: (KH, KW).
        blocks: channel blocks that a row tile reads.
        sections: how often: row tiles of distinct blocks.
        rows: rows of each kind, the most in one section.
        depth: operand channels of one section, at most; what a row tile could use.
        in_planes, out_planes: nibbles of a code.
        logits: whether the result leaves the array.
        bus_rows: of a layer that could run as windows: the rows of each kind on every bus, the
            most in one section; () of others.
        windows: whether it does run as windows.
    """

    out_height: int
    out_width: int
    image_height: int
    stride_w: int
    kernel: tuple[int, int]
    blocks: int
    sections: int
    rows: Counts
    depth: int
    in_planes: int
    out_planes: int
    logits: bool
    bus_rows: tuple[Counts, ...] = ()
    windows: bool = False

    @property
    def span(self) -> int:
        """Columns that a pixel's window has in one step; 1 where it is no window."""
        return min(WINDOW_BUSES, self.kernel[1]) if self.windows else 1

    @property
    def steps(self) -> int:
        """Weight tiles of a block."""
        across = ceil_div(self.kernel[1], WINDOW_BUSES) if self.windows else self.kernel[1]
        return self.kernel[0] * across * self.blocks * self.in_planes

    @property
    def row_work(self) -> int:
        """Multiply-accumulates of a row lane in one row tile (an 8-bit operand counts once)."""
        return self.out_height * self.out_width * self.kernel[0] * self.kernel[1] * self.depth

    def lines(self, height: int) -> MatmulJob:
        """Return the job of `height` output lines of this one."""
        return replace(self, out_height=height)

    def row_tiles(self, lanes: Counts) -> int:
        """Return the row tiles that the numbers of rows ask for; 0 if a kind has no lane."""
        if not self.windows:
            return self.sections * fewest_tiles(self.rows, lanes)
        on_bus = zip(self.bus_rows, bus_lanes(lanes), strict=True)
        tiles = [fewest_tiles(rows, there) for rows, there in on_bus]
        return self.sections * max(tiles) if all(tiles) else 0

    def tiling(self, array: ArrayShape, row_tiles: int) -> Tiling:
        """Return the best cut of this job on `array` with that many row tiles."""
        return choose_tiling(
            array,
            out_height=self.out_height,
            out_width=self.out_width,
            group_pixels=pixels_of_group(array, self.stride_w, self.logits, self.span),
            steps=self.steps,
            row_tiles=row_tiles,
            planes=self.out_planes,
            logits=self.logits,
        )

    def iterations(self, array: ArrayShape) -> int:
        """Return the iterations if no row asks for more row tiles than the numbers do."""
        return matmul_iterations(self.tiling(array, self.row_tiles(lane_counts(array))), array)

    def options(self, array: ArrayShape) -> tuple[MatmulJob, ...]:
        """Return this job on every mapping that `array` has for it."""
        if not self.bus_rows or array.window_taps != WINDOW_BUSES:
            return (self,)
        windows = replace(self, windows=True)
        if windows.span > array.banks or not windows.row_tiles(lane_counts(array)):
            return (self,)
        return self, windows

    def mapped(self, array: ArrayShape) -> MatmulJob:
        """Return this job on the mapping that takes the fewest iterations for the whole image, so
        that all strips of an operation run on one."""
        options = self.options(array)
        if len(options) > 1 and _runs_as_windows(self.lines(self.image_height), array):
            return options[1]
        return self


@lru_cache(maxsize=1 << 16)
def _runs_as_windows(job: MatmulJob, array: ArrayShape) -> bool:
    dense, windows = job.options(array)
    return windows.iterations(array) < dense.iterations(array)
