"""Write docs/benchmarks.md from the results.

python benchmarks/tables.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from brevitas_table import brevitas_section
from full_size_table import full_size_section
from khot_table import khot_section
from machine import RESULTS
from page import markdown, measured_on
from schemes_table import schemes_section
from training_table import training_section
from weight_fits_table import fits_section

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
SCRIPTS = (
    "build_stages", "csim_speed", "training_step", "brevitas_side_by_side", "digits_schemes",
    "khot", "weight_fits",
)  # fmt: skip
BUILD_AIM_S, REBUILD_AIM_S, HELP_AIM_S = 20.0, 2.0, 0.3
_HEAD = """# Benchmarks

Written by `make bench` (`benchmarks/tables.py`) from `benchmarks/results/*.json`; not edited by
hand. All figures on this page are *measured*, on the computer named with them. The C
simulation's speed is that of a simulation on this computer, not of a board: speed on a board is
*modelled* by the build's report ([hardware.md](hardware.md)), and no board and no vendor tool has
confirmed it.
"""
_BUILD = """## The build, stage by stage

`rmsmp-hls build` of the demo's network (`examples/digits.py`: 522,720 multiply-accumulates and
360 test images) for {board}, in a process of its own, each time in a new folder; training is not
included. A stage lasts from the line that announces it to the line that says it is done.
*(start)* is the start of Python and of the program, *(show)* the printing of the report and the
end. Memory is the largest sum of the resident sizes of all processes, compilers and simulations
too, sampled every 20 ms; pages that they share count in each.
"""
_CSIM = """## The C simulation

The generated project compiled alone, then run on all its images in one process (a build shares
the images of `ap_int` among the processors). Time is that inside the top function. *MAC/s* counts
the multiply-accumulates of the network; *array slots* counts all that the array has room for
while it multiplies matrices, used or not (the simulation skips lanes whose weights are all 0, as
those without a row are: the hardware does not). `ap_int` stores in the arbitrary-precision types
that are synthesized, `native` in C++ integers. {networks}
"""


def build_section(result: dict[str, Any]) -> str:
    """Return the section about the stages of a build."""
    figures = result["figures"]
    rows = [
        [name, *_seconds(row["seconds"], 2), str(row["peak_mib"])]
        for name, row in (*figures["stages"].items(), ("**whole build**", figures["build"]))
    ]
    for name, key, digits in (("no-change rebuild", "rebuild", 2), ("`--help`", "help", 3)):
        row = figures[key]
        rows.append([name, *_seconds(row["seconds"], digits), str(row["largest_process_mib"])])
    aims = [
        ["build of the demo without training", "build", BUILD_AIM_S],
        ["no-change rebuild", "rebuild", REBUILD_AIM_S],
        ["`rmsmp-hls --help`", "help", HELP_AIM_S],
    ]
    goals = [
        [name, f"{aim:g} s", f"{figures[key]['seconds']['median']:.2f} s", _met(figures[key], aim)]
        for name, key, aim in aims
    ]
    return "\n".join(
        [
            _BUILD.format(board=figures["board"]),
            markdown(("stage", "median, s", "least, s", "most, s", "memory, MiB"), rows),
            markdown(("aim", "under", "median", "reached"), goals),
            measured_on(result),
        ]
    )


def csim_section(result: dict[str, Any]) -> str:
    """Return the section about the C simulation."""
    networks = result["figures"]["networks"]
    rows = []
    for name, network in networks.items():
        for storage in ("native", "ap_int"):
            row = network[storage]
            rows.append(
                [
                    f"{name}, `{storage}`",
                    f"{row['compile_seconds']:.1f}",
                    str(row["images"]),
                    _digits(row["images_per_second"]),
                    _digits(row["macs_per_second"] / 1e6),
                    _digits(row["slot_macs_per_second"] / 1e6),
                ]
            )
    told = "; ".join(
        f"{name}: {network['macs_per_image'] / 1e6:.3g} MMAC per image on an array of "
        f"{network['macs_per_cycle']} multiply-accumulates per cycle"
        for name, network in networks.items()
    )
    titles = ("network", "compile, s", "images", "images/s", "MMAC/s", "array slots, MMAC/s")
    text = _CSIM.format(networks=f"The networks: {told}.")
    return "\n".join([text, markdown(titles, rows), measured_on(result)])


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the text of docs/benchmarks.md."""
    return "\n".join(
        [
            _HEAD,
            build_section(results["build_stages"]),
            csim_section(results["csim_speed"]),
            full_size_section(results["full_size"]),
            training_section(results["training_step"]),
            brevitas_section(results["brevitas_side_by_side"]),
            schemes_section(results["digits_schemes"]),
            khot_section(results["khot"]),
            fits_section(results["weight_fits"]),
        ]
    )


def read_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return the results by script name; of full_size, those by network."""
    results = {name: json.loads((folder / f"{name}.json").read_text()) for name in SCRIPTS}
    networks = sorted((folder / "full_size").glob("*.json"))
    return {**results, "full_size": {path.stem: json.loads(path.read_text()) for path in networks}}


def _seconds(times: dict[str, float], digits: int) -> list[str]:
    return [f"{times[key]:.{digits}f}" for key in ("median", "least", "most")]


def _digits(number: float) -> str:
    """Return three significant digits, all digits before the point, thousands apart."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _met(row: dict[str, Any], aim: float) -> str:
    return "yes" if row["seconds"]["median"] < aim else "**no**"


def main() -> None:
    """Write the page, or with --check say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date")
    text = page(read_results())
    if parser.parse_args().check:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == text else f"{PAGE} is out of date")
    PAGE.write_text(text, encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
