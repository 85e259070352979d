"""Compile the testbench of a generated project with g++ (or what CXX names)."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain.ap_int import find_ap_int, stage_ap_int
from rmsmp_hls.toolchain.process import Command, output_of, run_all

COMPILE_TIMEOUT_S = 600.0
_SOURCE_FOLDERS = ("src", "sim", "testbench")
# -O3: nearly twice the speed of -O2 for a second more of compiling. A precompiled ap_int.h
# would save 0.4 s of 5 s and is not worth its file.
_FLAGS = (
    "-std=c++14", "-O3", "-Wno-unknown-pragmas", "-DRMSMP_OWN_STREAM",
    "-Isrc", "-Isim", "-Itestbench",
)  # fmt: skip


class Storage(Enum):
    """What the simulated integers are stored in; the value is the testbench's word for it."""

    AP_INT = "ap_int"  # the vendor's arbitrary-precision types, as synthesized
    NATIVE = "native"  # plain C++ integers of at least the width: faster

    @property
    def defines(self) -> tuple[str, ...]:
        """Compiler flags that select this storage."""
        return ("-DRMSMP_NATIVE",) if self is Storage.NATIVE else ()


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        argv: how to call it; more than one word if CXX says so ("ccache g++").
        version: first line of --version.
        native: what -march=native stands for here, or "" if it does not take that flag.
    """

    argv: tuple[str, ...]
    version: str
    native: str


def find_compiler() -> Compiler:
    """Return the compiler that the variable CXX names, else g++.

    Raises:
        ToolError: it is not installed or does not answer.
    """
    argv = tuple(shlex.split(os.environ.get("CXX", ""))) or ("g++",)
    if shutil.which(argv[0]) is None:
        told = " (the variable CXX names it)" if os.environ.get("CXX") else ""
        raise ToolError(
            f"{argv[0]} is not installed{told}", fix="install a compiler: apt-get install g++"
        )
    version = output_of([*argv, "--version"]).splitlines()[0]
    try:
        asked = output_of([*argv, "-march=native", "-E", "-v", "-x", "c++", "-"])
        native = next((line for line in asked.splitlines() if "cc1" in line), "native")
    except ToolError:
        native = ""
    return Compiler(argv, version, native)


def compile_testbenches(
    project: Path, storages: Sequence[Storage], build: Path, compiler: Compiler | None = None
) -> tuple[Path, ...]:
    """Compile the testbench once per storage, side by side, where it is not compiled yet.

    Args:
        project: a generated project folder.
        storages: which to build.
        build: folder for programs, logs and copied headers; made if missing.
        compiler: what to use; `find_compiler` decides if None.

    Returns:
        The programs in the order of `storages`; the same sources, flags and compiler give
        the same program, which is then not compiled again.

    Raises:
        ToolError: no compiler, no ap_int headers, or the compiler's own first error.
    """
    compiler = find_compiler() if compiler is None else compiler
    project, build = project.resolve(), build.resolve()
    sources = _sources_digest(project)
    programs = []
    missing = []
    for storage in storages:
        flags = _flags(storage, compiler, build)
        key = hashlib.sha256(
            "\0".join((sources, compiler.version, compiler.native, *compiler.argv, *flags)).encode()
        ).hexdigest()[:16]
        program = build / f"csim-{storage.value}-{key}"
        programs.append(program)
        if not program.is_file():
            missing.append((storage, program, flags))
    run_all([_command(compiler, project, build, *job) for job in missing])
    for storage, program, _ in missing:
        _partial(program).replace(program)
        for older in build.glob(f"csim-{storage.value}-*"):
            if older != program:
                older.unlink(missing_ok=True)
    for leftover in build.glob("partial-*"):  # of a build that was killed
        leftover.unlink(missing_ok=True)
    return tuple(programs)


def compile_testbench(project: Path, storage: Storage, build: Path) -> Path:
    """Return the testbench for one storage; see `compile_testbenches`."""
    return compile_testbenches(project, [storage], build)[0]


def _flags(storage: Storage, compiler: Compiler, build: Path) -> tuple[str, ...]:
    flags = [*_FLAGS, *storage.defines]
    if compiler.native:
        flags.append("-march=native")
    if storage is Storage.AP_INT:
        headers = stage_ap_int(find_ap_int(), build / "ap_types")
        flags += ["-isystem", str(headers)]
    return tuple(flags)


def _command(
    compiler: Compiler, project: Path, build: Path, storage: Storage, program: Path,
    flags: tuple[str, ...],
) -> Command:  # fmt: skip
    sources = ("src/top.cpp", "testbench/testbench.cpp")
    return Command(
        argv=(*compiler.argv, *flags, *sources, "-o", str(_partial(program))),
        cwd=project,
        log=build / f"compile-{storage.value}.log",
        timeout_s=COMPILE_TIMEOUT_S,
    )


def _partial(program: Path) -> Path:
    """Return where the compiler writes: a killed compiler leaves no half program behind.

    The process id is in the name: a compiler that outlives a killed build writes elsewhere.
    """
    return program.with_name(f"partial-{os.getpid()}-{program.name}")


def _sources_digest(project: Path) -> str:
    """SHA-256 over names and contents of everything the compiler can include."""
    total = hashlib.sha256()
    for folder in _SOURCE_FOLDERS:
        for path in sorted((project / folder).rglob("*")):
            if path.is_file():
                total.update(f"{path.relative_to(project).as_posix()}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    if not (project / "src" / "top.cpp").is_file():
        raise ToolError(
            "this is not a generated project: src/top.cpp is missing",
            where=str(project),
            fix="generate the project again",
        )
    return total.hexdigest()
