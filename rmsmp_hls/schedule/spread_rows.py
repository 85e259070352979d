"""Rows into drain groups: which rows leave the array together, before tiles are chosen.

With T row tiles, a drain group has room for T rows per lane of each kind, and for T rows of
each position (they would leave in one cycle otherwise). Kind by kind this is a flow from
positions to groups; rows that find no room move others out of the way (augmenting paths).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

_SHIFT_ADD, _FIXED4, _FIXED8 = range(3)


class _Flow:
    """Rows of one kind in groups: `room` left per group, `held[position, group]` rows."""

    def __init__(self, room: list[int], free: list[list[int]]) -> None:
        self.room = room
        self.free = free  # free[group][position]: rows of the position that still fit
        self.held: dict[tuple[int, int], list[int]] = {}

    def _add(self, row: int, position: int, group: int) -> None:
        self.free[group][position] -= 1
        self.held.setdefault((position, group), []).append(row)

    def _move(self, position: int, source: int, target: int) -> None:
        self.free[source][position] += 1
        self._add(self.held[position, source].pop(), position, target)

    def put(self, row: int, position: int, positions: int) -> bool:
        """Place `row`; move rows of other positions between groups if that makes room."""
        best = max(
            (g for g in range(len(self.room)) if self.room[g] and self.free[g][position]),
            key=lambda g: (self.free[g][position], self.room[g]),
            default=-1,
        )
        if best >= 0:
            self.room[best] -= 1
            self._add(row, position, best)
            return True
        # Breadth first over (group, position moved out of it) until a group has room.
        came: dict[int, tuple[int, int]] = {}
        queue = deque(g for g in range(len(self.room)) if self.free[g][position])
        seen = set(queue)
        while queue:
            group = queue.popleft()
            if self.room[group]:
                self.room[group] -= 1
                while group in came:
                    source, moved = came[group]
                    self._move(moved, source, group)
                    group = source
                self._add(row, position, group)
                return True
            for moved in range(positions):
                if not self.held.get((moved, group)):
                    continue
                for other in range(len(self.room)):
                    if other not in seen and self.free[other][moved]:
                        seen.add(other)
                        came[other] = (group, moved)
                        queue.append(other)
        return False


def spread(
    kinds: Sequence[tuple[int, int]],
    places: Sequence[int],
    positions: int,
    capacity: Sequence[Sequence[Sequence[int]]],
    tiles: int,
) -> list[list[int]] | None:
    """Return the rows of every drain group, or None if `tiles` row tiles are too few.

    Args:
        kinds: of every row its kind (0 shift-add, 1 fixed-4, 2 fixed-8) and its bus.
        places: position of every row.
        positions: TN.
        capacity: lanes of every drain group, [bus][kind].
        tiles: row tiles.
    """
    free = [[tiles] * positions for _ in capacity]
    groups: list[list[int]] = [[] for _ in capacity]
    buses = range(len(capacity[0]))
    left = [[0] * len(capacity) for _ in buses]
    # The scarcest lanes first; fixed-4 rows last, they also fit what fixed-8 rows leave.
    for kind in (_FIXED8, _SHIFT_ADD, _FIXED4):
        for bus in buses:
            room = [tiles * lanes[bus][kind] for lanes in capacity]
            if kind == _FIXED4:
                room = [own + spare for own, spare in zip(room, left[bus], strict=True)]
            flow = _Flow(room, free)
            for row, wanted in enumerate(kinds):
                if wanted == (kind, bus) and not flow.put(row, places[row], positions):
                    return None
            if kind == _FIXED8:
                left[bus] = list(flow.room)
            for (_, group), rows in flow.held.items():
                groups[group] += rows
    return groups
