"""The section about networks at full size in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from page import computer, is_busy, markdown

Result = dict[str, Any]
DASH = "–"
_HEAD = """## Networks at full size

`make bench-full`: the networks of `examples/networks` at 224 x 224 (`yolo` at 416 x 416), from a
saved `torch.export` program to a simulated project, by the commands that a user types, each in a
process of its own: `rmsmp-hls quantize` with {images} calibration images, `rmsmp-hls build` with
one image. Nothing is downloaded: weights, batch-norm statistics and images are made from seeds,
with the statistics of real ones; the answers mean nothing, nor does what quantization does to
them (`examples/networks/realistic.py`). *read* is the reading of the program alone, which
*quantize*, the whole command, includes; *import* to *generate* are stages of the build, *lower*
with the integer reference of the image, *schedule* with the choice of the array and packing.
Compiler and simulation were run once more alone; the simulation's time is that of one image
inside the top function. Memory is the largest of all processes of a command together.
"""
_BUSY = "\\* Other programs slowed this down: the figures are **preliminary**.\n"
_STAGES = ("import", "quantize", "lower", "schedule", "generate")


@dataclass(frozen=True, slots=True)
class _Aim:
    """What one network shall reach; `value` finds it, None where it was not measured."""

    words: str
    network: str
    under: float
    unit: str
    value: Callable[[Result, Result], float | None]


def _csim(storage: str, key: str) -> Callable[[Result, Result], float | None]:
    return lambda network, board: board.get("csim", {}).get(storage, {}).get(key)


def to_generated(network: Result, board: Result) -> float | None:
    """Return the seconds from the saved program to the generated project; None if not reached."""
    stages = board.get("stages", {})
    if "generate" not in stages:
        return None
    build: float = sum(stages[name]["seconds"] for name in _STAGES)
    return float(network["quantize"]["seconds"]) + build


def memory(network: Result, board: Result) -> float | None:
    """Return the GiB that the larger of the commands took; None if nothing was built."""
    if "build" not in board:
        return None
    return max(float(network["quantize"]["peak_mib"]), float(board["build"]["peak_mib"])) / 1024


_AIMS = (
    _Aim("C simulation of one image, `native`", "resnet18", 3, "s", _csim("native", "seconds")),
    _Aim("C simulation of one image, `ap_int`", "resnet18", 90, "s", _csim("ap_int", "seconds")),
    _Aim("program to generated project", "resnet18", 60, "s", to_generated),
    _Aim("program to generated project", "resnet50", 120, "s", to_generated),
    _Aim("compiling the C++", "resnet50", 20, "s", _csim("native", "compile_seconds")),
    _Aim("memory", "resnet18", 4, "GiB", memory),
    _Aim("memory", "resnet50", 4, "GiB", memory),
)


def full_size_section(results: Mapping[str, Result]) -> str:
    """Return the section of network -> what `full_size.py` wrote."""
    rows = list(_rows(results))
    built = [row for row in rows if "csim" in row[3]]
    images = {str(result["figures"]["calibration_images"]) for result in results.values()}
    parts = [_HEAD.format(images=" or ".join(sorted(images)))]
    parts.append(markdown(_TIME_TITLES, [_times(*row) for row in built]))
    parts.append(markdown(_SIZE_TITLES, [_sizes(*row) for row in built]))
    if any(is_busy(result) for _, result, _, _ in built):
        parts.append(_BUSY)
    parts.append(markdown(("aim", "under", "measured", "reached"), list(_aims(rows))))
    stopped = [[_name(*row), reason] for row in rows if (reason := _reason(row[1], row[3]))]
    if stopped:
        parts.append("What is not built yet, and why:\n")
        parts.append(markdown(("network", "reason"), stopped).replace("---:", "---"))
    computers = dict.fromkeys(computer(result["machine"]) for result in results.values())
    parts.append(f"Measured on: {'; and on: '.join(computers)}.\n")
    return "\n".join(parts)


Row = tuple[str, Result, str, Result]


def _rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Yield (network, its result, board, the board's figures)."""
    for network, result in results.items():
        for board, found in result["figures"]["boards"].items():
            yield network, result, board, found


def _name(network: str, result: Result, board: str, found: Result) -> str:
    return f"{network}, {board}{' *' if is_busy(result) else ''}".replace("*", "\\*")


_TIME_TITLES = ("network, seconds of", "check", "read", "quantize", *(
    "codes" if name == "quantize" else name for name in _STAGES
), "compiler", "`native`", "`ap_int`")  # fmt: skip


def _times(network: str, result: Result, board: str, found: Result) -> list[str]:
    figures = result["figures"]
    csim = found["csim"]
    seconds = [
        found["check"]["seconds"],
        figures["read_seconds"],
        figures["quantize"]["seconds"],
        *(found["stages"][name]["seconds"] for name in _STAGES),
        csim["native"]["compile_seconds"] if "native" in csim else None,
        *(csim[name]["seconds"] if name in csim else None for name in ("native", "ap_int")),
    ]
    shown = [DASH if value is None else f"{value:.1f}" for value in seconds]
    return [_name(network, result, board, found), *shown]


_SIZE_TITLES = ("network", "GMAC", "program, MiB", "memory of quantize, MiB",
                "memory of build, MiB", "latency, ms (modelled)", "use of the array (modelled)",
                "codes compared", "mismatches", "others' share of the processors")  # fmt: skip


def _sizes(network: str, result: Result, board: str, found: Result) -> list[str]:
    figures = result["figures"]
    runs = found["csim"].values()
    return [
        _name(network, result, board, found),
        f"{found['gmacs']:.3g}",
        f"{figures['program_mib']:.0f}",
        f"{figures['quantize']['peak_mib']:,}",
        f"{found['build']['peak_mib']:,}",
        f"{found['modelled_latency_ms']:.3g}",
        f"{found['modelled_utilization']:.0%}",
        f"{sum(run['compared'] for run in runs):,}",
        f"{sum(run['mismatches'] for run in runs):,}",
        f"{result['other_programs_share']:.0%}",
    ]


def _aims(rows: list[Row]) -> Iterator[list[str]]:
    for aim in _AIMS:
        for network, result, board, found in rows:
            if network != aim.network:
                continue
            value = aim.value(result["figures"], found)
            shown = "not measured" if value is None else f"{value:.3g} {aim.unit}"
            met = DASH if value is None else "yes" if value < aim.under else "**no**"
            words = f"{_name(network, result, board, found)}: {aim.words}"
            yield [words, f"{aim.under:g} {aim.unit}", shown, met]


def _reason(result: Result, found: Result) -> str:
    """Return why a network is not built for a board, "" if it is."""
    if found["check"]["problems"]:
        text = "refused: " + "; ".join(found["check"]["problems"])
    else:
        failed = [command.get("failed") for command in (result["figures"].get("quantize", {}),
                                                        found.get("build", {}))]  # fmt: skip
        text = "; ".join(line for line in failed if line)
    return " ".join(text.replace("|", "/").split())
