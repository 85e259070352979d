"""C simulation: compile the testbench, share the images among processes, gather the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rmsmp_hls.codegen.layout import DesignLayout, read_layout
from rmsmp_hls.errors import ToolError
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.toolchain.csim_output import read_result
from rmsmp_hls.toolchain.csim_result import (
    CsimResult,
    OpIterations,
    TensorResult,
    WordMismatch,
    explain_mismatches,
)
from rmsmp_hls.toolchain.gxx import Storage, compile_testbenches
from rmsmp_hls.toolchain.process import Command, Finished, run_all

__all__ = [
    "CsimResult", "OpIterations", "TensorResult", "WordMismatch", "csim", "explain_mismatches",
]  # fmt: skip

RUN_TIMEOUT_S = 3600.0
MISMATCH_EXIT = 1
# The exact types are some 25 times slower: their images are shared among processes, and the
# deployed program, which differs from the trace program by its stores only, sees a part of them.
AP_INT_DEPLOYED_IMAGES = 32
MOST_PROCESSES = 16
FEWEST_IMAGES = 8


@dataclass(frozen=True, slots=True)
class _Share:
    """The images of one process: `count` of them after the first `skip`."""

    storage: Storage
    skip: int
    count: int
    deployed: int
    stem: str

    def arguments(self, build: Path) -> tuple[str, ...]:
        return (
            "data", "--skip", str(self.skip), "--images", str(self.count),
            "--deployed", str(self.deployed), "--output", str(self.output(build)),
        )  # fmt: skip

    def output(self, build: Path) -> Path:
        return build / f"{self.stem}-output.bin"

    def log(self, build: Path) -> Path:
        return build / f"{self.stem}.log"


def csim(
    project: Path,
    design: PackedDesign,
    storages: Sequence[Storage],
    build: Path,
    *,
    on_finished: Callable[[Storage], None] | None = None,
    timeout_s: float = RUN_TIMEOUT_S,
    processes: int | None = None,
) -> tuple[CsimResult, ...]:
    """Compile and run the project's testbench over all its vectors, storages side by side.

    A simulation that differs is a result, not an error: see `explain_mismatches`.

    Args:
        project: a generated project with its vector files.
        design: the packed design that it was generated from.
        storages: which to simulate.
        build: folder for programs, outputs and logs; made if missing.
        on_finished: called with each storage whose simulation has ended.
        timeout_s: limit of each process, seconds.
        processes: among how many to share the images of ap_int; the processors if None.

    Raises:
        ToolError: the compiler is missing or fails; the testbench stops, is stopped, or says
            something unexpected or too little.
    """
    project, build = project.resolve(), build.resolve()
    layout = read_layout(design)
    images = _images(project, layout)
    processes = _processors() if processes is None else processes
    programs = dict(zip(storages, compile_testbenches(project, storages, build), strict=True))
    shares = [share for storage in storages for share in _shares(storage, images, processes)]
    for share in shares:
        share.output(build).unlink(missing_ok=True)
    commands = [
        Command(
            argv=(str(programs[share.storage]), *share.arguments(build)),
            cwd=project,
            log=share.log(build),
            timeout_s=timeout_s,
            accept=(0, MISMATCH_EXIT),
        )
        for share in shares
    ]
    open_shares = [share.storage for share in shares]

    def ended(run: Finished) -> None:
        storage = shares[commands.index(run.command)].storage
        open_shares.remove(storage)
        if on_finished and storage not in open_shares:
            on_finished(storage)

    runs = run_all(commands, ended)
    parts = [
        (share, read_result(run, layout, share.storage, share.output(build)))
        for share, run in zip(shares, runs, strict=True)
    ]
    for share, part in parts:
        if (part.images, part.deployed_images) != (share.count, min(share.deployed, share.count)):
            raise ToolError("the C simulation left out images", where=str(part.log))
    return tuple(
        _gather([part for share, part in parts if share.storage is storage], build)
        for storage in storages
    )


def _processors() -> int:
    """Return how many processors we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _images(project: Path, layout: DesignLayout) -> int:
    """Return how many images the project's vectors hold; ToolError if there are none."""
    path = project / "data" / "input.bin"
    words = path.stat().st_size // 4 if path.is_file() else 0
    if words == 0 or words % layout.input_words:
        raise ToolError(
            "the test images are missing or damaged", where=str(path), fix="generate them again"
        )
    return words // layout.input_words


def _shares(storage: Storage, images: int, processes: int) -> list[_Share]:
    """Cut the images into runs of nearly equal length, not shorter than it is worth."""
    stem = f"csim-{storage.value}"
    if storage is Storage.NATIVE:
        return [_Share(storage, 0, images, images, f"{stem}-part0")]
    count = max(1, min(processes, MOST_PROCESSES, images // FEWEST_IMAGES))
    cuts = [images * number // count for number in range(count + 1)]
    deployed = -(-AP_INT_DEPLOYED_IMAGES // count)
    return [
        _Share(storage, cuts[n], cuts[n + 1] - cuts[n], deployed, f"{stem}-part{n}")
        for n in range(count)
    ]


def _gather(parts: list[CsimResult], build: Path) -> CsimResult:
    """Return one result, with one output file and one log, of the shares in image order."""
    first = parts[0]
    stem = f"csim-{first.storage.value}"
    output, log = build / f"{stem}-output.bin", build / f"{stem}.log"
    try:
        for path, sources in (
            (output, [part.output for part in parts]),
            (log, [part.log for part in parts]),
        ):
            with path.open("wb") as file:
                for source in sources:
                    file.write(source.read_bytes())
        for part in parts:
            part.output.unlink()
    except OSError as error:
        raise ToolError(
            f"the outputs of the C simulation cannot be written: {error.strerror}",
            where=str(build),
            fix="free some space or choose another output folder",
        ) from error
    if any(_per_image(part) != _per_image(first) for part in parts):
        raise ToolError("images take different numbers of iterations", where=str(log))
    return replace(
        first,
        images=sum(part.images for part in parts),
        deployed_images=sum(part.deployed_images for part in parts),
        seconds=sum(part.seconds for part in parts),
        tensors=_sum([part.tensors for part in parts]),
        deployed=_sum([part.deployed for part in parts]),
        mismatches=tuple(mismatch for part in parts for mismatch in part.mismatches),
        output=output,
        log=log,
    )


def _per_image(part: CsimResult) -> tuple[tuple[OpIterations, ...], ...]:
    return part.iterations, part.trace_iterations


def _sum(parts: list[tuple[TensorResult, ...]]) -> tuple[TensorResult, ...]:
    return tuple(
        TensorResult(same[0].name, sum(t.elements for t in same), sum(t.mismatches for t in same))
        for same in zip(*parts, strict=True)
    )
