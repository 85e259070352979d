"""Rows into lanes: every filter gets a (row tile, lane) of its kind.

Lanes that drain in one cycle (a *drain group*: `lane div drain_rows` equal) must hold
channels of distinct positions `slot mod TN`. So the places are an edge coloring: rows are edges
between (drain group, position) and lanes, row tiles are colors. Once every lane and every
(drain group, position) has at most T rows, T tiles suffice (König's theorem: the edges of a
bipartite multigraph can be colored with as many colors as its largest degree).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.numerics.codebooks import Scheme, codebook
from rmsmp_hls.schedule.buses import Counts, lane_buses
from rmsmp_hls.schedule.spread_rows import spread


class LaneKind(IntEnum):
    """The three kinds of row lanes, in the order of their positions."""

    SHIFT_ADD = 0
    FIXED4 = 1
    FIXED8 = 2


@dataclass(frozen=True, slots=True)
class RowPlaces:
    """Where the rows of one matrix multiplication sit.

    Attributes:
        tiles: row tiles.
        lanes: `tiles * TM` entries, tile by tile in lane order: the output channel, or -1.
    """

    tiles: int
    lanes: tuple[int, ...]


@cache
def kind_of(row_format: str) -> LaneKind:
    """Return the kind of lane that rows of this codebook need at least."""
    book = codebook(row_format)
    if book.scheme is Scheme.SHIFT_ADD:
        return LaneKind.SHIFT_ADD
    return LaneKind.FIXED4 if book.bits <= 4 else LaneKind.FIXED8


def kind_counts(formats: Sequence[str]) -> Counts:
    """Return how many rows need a shift-add, a fixed-4 and a fixed-8 lane."""
    counts = [0, 0, 0]
    for row_format, number in Counter(formats).items():
        counts[kind_of(row_format)] += number
    return counts[0], counts[1], counts[2]


def lane_counts(array: ArrayShape) -> Counts:
    """Return the lanes of each kind."""
    return array.shift_add_lanes, array.fixed4_lanes, array.fixed8_lanes


def fewest_tiles(rows: Counts, lanes: Counts) -> int:
    """Return the row tiles that the numbers of each kind ask for; positions may ask for more.

    0 if a kind of rows has no lane at all.
    """
    if (rows[0] and not lanes[0]) or (rows[2] and not lanes[2]):
        return 0
    if rows[1] and not lanes[1] + lanes[2]:
        return 0
    return max(
        1,
        ceil_div(rows[0], max(1, lanes[0])),
        ceil_div(rows[2], max(1, lanes[2])),
        ceil_div(rows[1] + rows[2], max(1, lanes[1] + lanes[2])),
    )


def check_formats(formats: Sequence[str], array: ArrayShape, where: str) -> None:
    """Refuse rows that no lane of the array can compute.

    Raises:
        LoweringError: lists every format without a lane, and shift-add rows of another
            codebook than that of the array's shift-add lanes.
    """
    findings = []
    lanes = lane_counts(array)
    room = (lanes[0], lanes[1] + lanes[2], lanes[2])
    for name in dict.fromkeys(formats):
        count = sum(1 for row_format in formats if row_format == name)
        kind = kind_of(name)
        if not room[kind]:
            findings.append(
                LoweringError(
                    f"{count} rows are {name}, but the array has no lane for them "
                    f"({lanes[0]} shift-add, {lanes[1]} fixed-4, {lanes[2]} fixed-8 lanes)",
                    where=where,
                    fix="choose an array with lanes of that kind, or another ratio",
                )
            )
        elif kind is LaneKind.SHIFT_ADD and name != array.shift_add_codebook:
            findings.append(
                LoweringError(
                    f"{count} rows are {name}, but the array's shift-add lanes compute "
                    f"{array.shift_add_codebook}",
                    where=where,
                    fix=f"choose an array for codebook {name}",
                )
            )
    if findings:
        raise LoweringError.gather(findings)


def _color(edges: Sequence[tuple[int, int]], tiles: int) -> list[int]:
    """Color the edges (left, right) of a bipartite multigraph of degree <= `tiles`.

    Each edge takes a color free at both ends; if there is none, the path that alternates
    between a color free at the left and one free at the right end is flipped first.
    """
    at: dict[tuple[int, int], list[int]] = {}  # (side, vertex) -> color -> edge or -1
    color = [-1] * len(edges)
    for number, (left, right) in enumerate(edges):
        here = at.setdefault((0, left), [-1] * tiles)
        there = at.setdefault((1, right), [-1] * tiles)
        a, b = here.index(-1), there.index(-1)
        if here[b] == -1:
            a = b
        elif there[a] != -1:
            path, vertex, side, wanted = [], right, 1, a
            while (edge := at[side, vertex][wanted]) != -1:
                path.append(edge)
                vertex, side = edges[edge][1 - side], 1 - side
                wanted = b if wanted == a else a
            for edge in path:
                for end in (0, 1):
                    at[end, edges[edge][end]][color[edge]] = -1
            for edge in path:
                color[edge] = b if color[edge] == a else a
                for end in (0, 1):
                    at[end, edges[edge][end]][color[edge]] = edge
        here[a] = there[a] = number
        color[number] = a
    return color


def place_rows(
    formats: Sequence[str],
    array: ArrayShape,
    where: str = "",
    positions: Sequence[int] | None = None,
    sections: Sequence[int] | None = None,
    buses: Sequence[int] | None = None,
) -> RowPlaces:
    """Place the rows of one matrix multiplication; row `c` is output channel `c`.

    Args:
        formats: codebook name of every row.
        array: the array.
        where: the operation, for messages.
        positions: slot mod TN of every row; default row mod TN.
        sections: section of the operand that every row reads, 0 .. n - 1; the tiles of a
            section follow each other, all sections have the same number. Default: one section.
        buses: activation bus of every row, of a layer that runs as windows; every kind of row
            has a lane on its bus. Default: any lane will do.

    Raises:
        LoweringError: a format has no lane.
    """
    check_formats(formats, array, where)
    rows = range(len(formats))
    positions = positions or [row % array.channels for row in rows]
    of_rows = sections or [0] * len(formats)
    members: list[list[int]] = [[] for _ in range(max(of_rows) + 1)]
    for row in rows:
        members[of_rows[row]].append(row)
    kinds = [kind_of(row_format) for row_format in formats]
    places = _Places(kinds, positions, buses, array)
    counts = [kind_counts([formats[row] for row in group]) for group in members]
    tiles = max(fewest_tiles(count, lane_counts(array)) for count in counts)
    while (found := [places.spread(group, tiles) for group in members]) and None in found:
        tiles += 1
    lanes: list[int] = []
    for groups in found:
        assert groups is not None, "the last attempt placed every section"
        lanes += places.lanes(groups, tiles)
    return RowPlaces(tiles * len(members), tuple(lanes))


class _Places:
    """Rows of one layer into the drain groups and lanes of one array."""

    def __init__(
        self,
        kinds: Sequence[LaneKind],
        positions: Sequence[int],
        buses: Sequence[int] | None,
        array: ArrayShape,
    ) -> None:
        self.kinds = kinds
        self.positions = positions
        self.buses = buses or [0] * len(kinds)
        self.array = array
        self.lane_buses = lane_buses(array) if buses else (0,) * array.rows
        self.lane_kinds = [LaneKind.SHIFT_ADD] * array.shift_add_lanes
        self.lane_kinds += [LaneKind.FIXED4] * array.fixed4_lanes
        self.lane_kinds += [LaneKind.FIXED8] * array.fixed8_lanes
        self.groups = [
            range(start, start + array.drain_rows)
            for start in range(0, array.rows, array.drain_rows)
        ]
        self.capacity = [
            [
                [sum(1 for lane in group if self._is(lane, kind, bus)) for kind in LaneKind]
                for bus in range(max(self.lane_buses) + 1)
            ]
            for group in self.groups
        ]

    def _is(self, lane: int, kind: LaneKind, bus: int) -> bool:
        return self.lane_kinds[lane] == kind and self.lane_buses[lane] == bus

    def spread(self, rows: Sequence[int], tiles: int) -> list[list[int]] | None:
        """Return `rows` by drain group, or None if `tiles` row tiles are too few."""
        found = spread(
            [(self.kinds[row], self.buses[row]) for row in rows],
            [self.positions[row] for row in rows],
            self.array.channels,
            self.capacity,
            tiles,
        )
        return found and [[rows[index] for index in group] for group in found]

    def lanes(self, found: Sequence[Sequence[int]], tiles: int) -> list[int]:
        """Return the row of every lane of `tiles` row tiles, -1 for none."""
        lanes = [-1] * (tiles * self.array.rows)
        for group, members in zip(self.groups, found, strict=True):
            edges = []
            room = {lane: tiles for lane in group}
            # Fixed-8 rows first: fixed-4 rows then fill what is left of the fixed-8 lanes.
            for row in sorted(members, key=lambda r: (self.kinds[r] != LaneKind.FIXED8, r)):
                wanted = [self.kinds[row]]
                if self.kinds[row] == LaneKind.FIXED4:
                    wanted.append(LaneKind.FIXED8)
                lane = next(
                    lane
                    for kind in wanted
                    for lane in group
                    if room[lane] and self._is(lane, kind, self.buses[row])
                )
                room[lane] -= 1
                edges.append((self.positions[row], lane, row))
            colors = _color([(position, lane) for position, lane, _ in edges], tiles)
            for tile, (_, lane, row) in zip(colors, edges, strict=True):
                lanes[tile * self.array.rows + lane] = row
        return lanes
