"""How many lanes of each kind: the split that serves the rows that are really there."""

from __future__ import annotations

from rmsmp_hls.schedule.matmul_job import MatmulJob

Lanes = tuple[int, int, int]
Ratio = tuple[float, float, float]


def work_ratio(jobs: dict[MatmulJob, int]) -> Ratio:
    """Return the parts of shift-add, fixed-4 and fixed-8 rows, weighted by their MACs."""
    parts = [0.0, 0.0, 0.0]
    for job, count in jobs.items():
        for kind in range(3):
            parts[kind] += count * job.sections * job.row_work * job.rows[kind]
    whole = sum(parts) or 1.0
    return parts[0] / whole, parts[1] / whole, parts[2] / whole


def lane_splits(
    total: int, jobs: dict[MatmulJob, int], ratios: tuple[Ratio, ...], keep: int = 2
) -> tuple[Lanes, ...]:
    """Return up to `keep` splits of `total` lanes, the one with the least work first.

    Splits near each ratio are tried; fixed-4 lanes come in pairs, and every kind of row that
    occurs in a job gets a lane that can compute it; a kind that neither occurs nor has a part
    in a ratio gets none. Work is MACs of a row lane in one row tile, times row tiles.
    """
    wanted = [
        any(job.rows[kind] for job in jobs) or any(ratio[kind] > 0 for ratio in ratios)
        for kind in range(3)
    ]
    tried: dict[Lanes, float] = {}
    for ratio in ratios:
        for eight in {round(total * ratio[2]) + step for step in (-1, 0, 1, 2)}:
            for shift in {round(total * ratio[0]) + step for step in range(-3, 4)}:
                lanes = (shift, total - shift - eight, eight)
                if min(lanes) < 0 or lanes[1] % 2 or lanes in tried:
                    continue
                if any(count and not there for count, there in zip(lanes, wanted, strict=True)):
                    continue
                work = 0.0
                for job, count in jobs.items():
                    tiles = job.row_tiles(lanes)
                    if not tiles:
                        break
                    work += count * tiles * job.row_work
                else:
                    tried[lanes] = work
    ranked = sorted(tried, key=lambda lanes: (tried[lanes], lanes[2], -lanes[0]))
    return tuple(ranked[:keep])
