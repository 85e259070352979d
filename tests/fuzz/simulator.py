"""The generated C++: compiled once per array, run on the data of many networks.

The sources depend on the array alone but for the sizes of the ports, which only co-simulation
reads: they are set to 1.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.file_writer import write_plan
from rmsmp_hls.codegen.layout import read_layout
from rmsmp_hls.codegen.project import ProjectSettings, generate
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.toolchain.ap_int import find_ap_int, stage_ap_int
from rmsmp_hls.toolchain.csim_output import read_result
from rmsmp_hls.toolchain.csim_result import CsimResult
from rmsmp_hls.toolchain.gxx import Storage, find_compiler
from rmsmp_hls.toolchain.process import Command, run

_SETTINGS = ProjectSettings("rmsmp_top", "xczu9eg-ffvb1156-2-e", 5.0)
_PORT_DEPTH = re.compile(rb"((?:kRmsmp\w+Depth ?=|depth ?=) ?)\d+")
# -O1: a network takes some ms, so compiling costs the most.
_FLAGS = (
    "-std=c++14", "-O1", "-w", "-DRMSMP_OWN_STREAM", "-Isrc", "-Isim", "-Itestbench",
)  # fmt: skip
_COMPILE_S, _RUN_S = 300.0, 60.0


class Simulator:
    """Compiles and runs in `folder`, which may be kept: what is compiled there is used again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        design: PackedDesign,
        array: ArrayShape,
        vectors: dict[str, bytes],
        storage: Storage,
        batch: int,
    ) -> CsimResult:
        """Simulate a design.

        Args:
            design: packed for `array`, or for one that differs from it only in being smaller:
                less deep memories, fewer partial sums, narrower accumulators.
            array: what is compiled.
            vectors: what `vector_files` made of inputs and expected outputs.
            storage: native integers or ap_int.
            batch: images per call of the accelerator.

        Raises:
            ToolError: the compiler fails; the testbench stops or says something unexpected.
        """
        plan = generate(replace(design, array=array), _SETTINGS)
        program = self.compile(plan, storage)
        home = self.folder / "run"
        files = {path: data for path, data in plan.files if path.startswith("data/")}
        write_plan(FilePlan.of(files | vectors), home)
        output = self.folder / "output.bin"
        output.unlink(missing_ok=True)
        arguments = ("data", "--batch", str(batch), "--output", str(output))
        finished = run(
            Command(
                (str(program), *arguments), home, self.folder / "run.log", _RUN_S, accept=(0, 1)
            )
        )
        return read_result(finished, read_layout(design), storage, output)

    def compile(self, plan: FilePlan, storage: Storage) -> Path:
        """Return the testbench of a project's sources, compiled if it is not there yet."""
        sources = {
            path: _PORT_DEPTH.sub(rb"\g<1>1", data) if path.startswith("src/top.") else data
            for path, data in plan.files
            if path.startswith(("src/", "sim/", "testbench/"))
        }
        total = hashlib.sha256(storage.value.encode())
        for path, data in sorted(sources.items()):
            total.update(path.encode() + b"\0" + data)
        program = self.folder / f"testbench-{total.hexdigest()[:16]}"
        if program.is_file():
            return program
        project = self.folder / "project"
        write_plan(FilePlan.of(sources), project)
        compiler = find_compiler()
        flags = (*_FLAGS, *storage.defines)
        if storage is Storage.AP_INT:
            flags += ("-isystem", str(stage_ap_int(find_ap_int(), self.folder / "ap_types")))
        partial = program.with_suffix(".partial")
        inputs = ("src/top.cpp", "testbench/testbench.cpp", "-o", str(partial))
        log = self.folder / "compile.log"
        run(Command((*compiler.argv, *flags, *inputs), project, log, _COMPILE_S))
        partial.replace(program)
        return program
