"""Time and memory of the whole way at full size: export, check, quantize, build, simulate.

    python benchmarks/full_size.py resnet18 resnet50 --board zcu102 --storage native

The networks are those of examples/networks. Each command runs in a process of its own, as a user
runs it; compiler and simulation run once more alone, for their own times. Results are written
network by network (results/full_size/NAME.json), so that one can be measured again alone. What
the toolchain refuses is a result too: it is kept with the reasons.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from build_stages import PROGRAM, stage_spans
from machine import Others, write_result
from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.toolchain.csim import csim
from rmsmp_hls.toolchain.gxx import Storage, compile_testbench
from watch import Watched, watch

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "full_size.py"
CALIBRATION_IMAGES = 8
MIB = 1 << 20
REASONS = 6
"""So many kinds of refusal are kept, the most frequent first."""
_OPERATION = re.compile(r"aten\.\w+|torch\.\w+")


def measure_network(
    network: str, boards: Sequence[str], storages: Sequence[Storage], folder: Path
) -> dict[str, Any]:
    """Return the figures of one network: of the float program, and of every board."""
    program, images, model = folder / "net.pt2", folder / "calib.npz", folder / "quantized.pt"
    argv = [sys.executable, str(EXAMPLE), network, "-o", str(program), "--calib", str(images)]
    watch([*argv, "--images", str(CALIBRATION_IMAGES)])
    checked = [check(program, board) for board in boards]
    found: dict[str, Any] = {
        "calibration_images": CALIBRATION_IMAGES,
        "program_mib": round(program.stat().st_size / MIB, 1),
        "boards": {board: {"check": one} for board, one in zip(boards, checked, strict=True)},
    }
    if all(one["problems"] for one in checked):
        return found
    found["read_seconds"] = read_seconds(program)
    quantize = watch(
        [*PROGRAM, "quantize", str(program), "--calib", str(images), "-o", str(model)],
        may_fail=True,
    )
    found["quantize"] = seconds_and_memory(quantize)
    if quantize.exit_code:
        return found
    for board, one in zip(boards, checked, strict=True):
        if not one["problems"]:
            built = build(model, images, board, storages, folder / board)
            found["boards"][board] |= built
    return found


def check(program: Path, board: str) -> dict[str, Any]:
    """Return what `rmsmp-hls check` says: how long it took, and what stands in the way."""
    argv = [*PROGRAM, "check", str(program), "--board", board, "--format", "json"]
    begun = time.perf_counter()
    told = subprocess.run(argv, capture_output=True, text=True)
    seconds = round(time.perf_counter() - begun, 2)
    if not told.stdout:
        raise SystemExit(f"check wrote nothing:\n{told.stderr}")
    outcome = json.loads(told.stdout)
    return {
        "seconds": seconds,
        "problems": reasons([problem["what"] for problem in outcome["problems"]]),
    }


def reasons(problems: Sequence[str]) -> list[str]:
    """Return problems of one operation as one line: how many, and the first of them."""
    kinds = [match[0] if (match := _OPERATION.search(text)) else text for text in problems]
    first = dict(zip(reversed(kinds), reversed(problems), strict=True))
    return [f"{count} x {first[kind]}" for kind, count in Counter(kinds).most_common(REASONS)]


def read_seconds(program: Path) -> float:
    """Return how long it takes to read an exported program into the float graph."""
    begun = time.perf_counter()
    load_model(program)
    return round(time.perf_counter() - begun, 2)


def seconds_and_memory(run: Watched) -> dict[str, Any]:
    """Return the figures of a command; if it failed, also how."""
    found: dict[str, Any] = {
        "seconds": round(run.seconds, 2),
        "peak_mib": round(max((size for _, size in run.memory), default=0) / MIB),
    }
    if run.exit_code:
        lines = [line for _, line in run.lines]
        at = next((n for n, line in enumerate(lines) if line.startswith("error:")), -3)
        found["failed"] = " ".join(lines[at:])[:400]
    return found


def build(
    model: Path, images: Path, board: str, storages: Sequence[Storage], out: Path
) -> dict[str, Any]:
    """Return the figures of `rmsmp-hls build` with one image, and of the simulations alone."""
    argv = [*PROGRAM, "build", str(model), "--board", board, "-o", str(out)]
    run = watch(
        [*argv, "--data", str(images), "--images", "1", "--storage", storages[0].value],
        may_fail=True,
    )
    found: dict[str, Any] = {"build": seconds_and_memory(run)}
    spans = stage_spans(run)
    found["stages"] = {
        name: {
            "seconds": round(end - start, 2),
            "peak_mib": round(run.peak_between(start, end) / MIB),
        }
        for name, (start, end) in spans.items()
    }
    if run.exit_code:
        return found
    report = json.loads((out / "report.json").read_text())
    found["modelled_latency_ms"] = report["performance"]["latency_ms"]
    found["modelled_utilization"] = report["performance"]["utilization"]
    found["gmacs"] = sum(layer["macs"] for layer in report["layers"]) / 1e9
    found["code_agreement"] = report["agreement"]
    found["csim"] = {s.value: simulate(out, s) for s in storages}
    return found


def simulate(out: Path, storage: Storage) -> dict[str, Any]:
    """Compile the project of a build folder, simulate its one image; both alone."""
    work = out / f"measure-{storage.value}"
    begun = time.perf_counter()
    compile_testbench(out / "hls", storage, work)
    compile_seconds = time.perf_counter() - begun
    (result,) = csim(out / "hls", load_design(out / "4_packed"), [storage], work, processes=1)
    return {
        "compile_seconds": round(compile_seconds, 2),
        "seconds": round(result.seconds / result.images, 3),
        "compared": result.element_count,
        "mismatches": result.mismatch_count,
    }


def show(network: str, figures: dict[str, Any]) -> None:
    """Print the figures of one network."""
    table = Table("what", "seconds", "peak, MiB", title=f"{network} (measured)")
    for name in ("quantize",):
        if row := figures.get(name):
            table.add_row(f"rmsmp-hls {name}", str(row["seconds"]), str(row["peak_mib"]))
    for board, found in figures["boards"].items():
        for problem in found["check"]["problems"]:
            table.add_row(f"{board}: refused: {problem}")
        for name, row in found.get("stages", {}).items():
            table.add_row(f"{board}: {name}", str(row["seconds"]), str(row["peak_mib"]))
        for storage, row in found.get("csim", {}).items():
            text = f"{board}: {storage}, {row['mismatches']} of {row['compared']} differ"
            table.add_row(text, f"{row['seconds']} (compiler {row['compile_seconds']})")
        if failed := found.get("build", {}).get("failed"):
            table.add_row(f"{board}: build failed: {failed}")
    Console().print(table)


def main() -> None:
    """Measure, show, write, network by network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="names in examples/networks/catalog.py")
    parser.add_argument("--board", action="append", help="repeat it for more; default zcu102")
    parser.add_argument(
        "--storage", action="append", choices=[s.value for s in Storage],
        help="to simulate with; repeat it for both; default native",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, help="keep what is made in this folder")
    options = parser.parse_args()
    storages = [Storage(name) for name in options.storage or ["native"]]
    for network in options.networks:
        print(f"measuring {network}", file=sys.stderr)
        others = Others()
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.folder or Path(temporary)) / network
            folder.mkdir(parents=True, exist_ok=True)
            figures = measure_network(network, options.board or ["zcu102"], storages, folder)
        show(network, figures)
        print(f"written: {write_result(f'full_size/{network}', others.share(), figures)}")


if __name__ == "__main__":
    main()
