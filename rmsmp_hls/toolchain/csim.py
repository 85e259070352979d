"""Run the compiled testbench and read what it says, strictly: what is not said is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.codegen.layout import DesignLayout, ProgramLayout, read_layout
from rmsmp_hls.errors import MismatchError, ToolError
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.toolchain.gxx import Storage, compile_testbenches
from rmsmp_hls.toolchain.process import Command, Finished, run_all

RUN_TIMEOUT_S = 3600.0
MISMATCH_EXIT = 1
_NUMBER = r"(\d+)"
_PROGRAM = r"program=(trace|deployed)"
_WORD = r"0x([0-9a-f]{8})"
_RESULT = re.compile(rf"result {_PROGRAM} tensor={_NUMBER} mismatches={_NUMBER} of={_NUMBER}")
_MISMATCH = re.compile(
    rf"mismatch {_PROGRAM} tensor={_NUMBER} image={_NUMBER} word={_NUMBER}"
    rf" expected={_WORD} got={_WORD}"
)
_ITERATIONS = re.compile(rf"iterations {_PROGRAM} op={_NUMBER} count={_NUMBER}")
_TOTAL = re.compile(rf"images={_NUMBER} seconds=(\d+\.\d+) storage=(\w+)")


@dataclass(frozen=True, slots=True)
class TensorResult:
    """One tensor over all images; `elements` counts codes, logits and top-1 indices."""

    name: str
    elements: int
    mismatches: int


@dataclass(frozen=True, slots=True)
class OpIterations:
    """Loop iterations of one operation for one image: as simulated and by the cycle formula."""

    tensor: str
    simulated: int
    predicted: int


@dataclass(frozen=True, slots=True)
class WordMismatch:
    """A differing 32-bit word; `tensor` counts the trace program's tensors, `word` in it."""

    program: str
    tensor: int
    image: int
    word: int
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class CsimResult:
    """Outcome of one C simulation; every element of every tensor was compared.

    Attributes:
        storage: what the integers were stored in.
        images: images simulated, by each program.
        seconds: wall time inside the top function for the deployed program, seconds.
        tensors: every tensor of the trace program, in order.
        deployed: what the deployed program sends, in order.
        iterations: of each operation of the deployed program.
        trace_iterations: of each operation of the trace program.
        mismatches: the first differing words of each tensor.
        output: file of the trace program's output words, uint32 [images, output words].
        log: the testbench's whole output.
    """

    storage: Storage
    images: int
    seconds: float
    tensors: tuple[TensorResult, ...]
    deployed: tuple[TensorResult, ...]
    iterations: tuple[OpIterations, ...]
    trace_iterations: tuple[OpIterations, ...]
    mismatches: tuple[WordMismatch, ...]
    output: Path
    log: Path

    @property
    def mismatch_count(self) -> int:
        """Differing elements of both programs."""
        return sum(tensor.mismatches for tensor in (*self.tensors, *self.deployed))

    @property
    def element_count(self) -> int:
        """Compared elements of both programs."""
        return sum(tensor.elements for tensor in (*self.tensors, *self.deployed))

    @property
    def exact(self) -> bool:
        """Whether nothing differed."""
        return self.mismatch_count == 0


def csim(
    project: Path,
    design: PackedDesign,
    storages: Sequence[Storage],
    build: Path,
    *,
    on_finished: Callable[[Finished], None] | None = None,
    timeout_s: float = RUN_TIMEOUT_S,
) -> tuple[CsimResult, ...]:
    """Compile and run the project's testbench over all its vectors, storages side by side.

    A simulation that differs is a result, not an error: see `explain_mismatches`.

    Args:
        project: a generated project with its vector files.
        design: the packed design that it was generated from.
        storages: which to simulate.
        build: folder for programs, outputs and logs; made if missing.
        on_finished: called as each simulation ends.
        timeout_s: limit of each simulation, seconds.

    Raises:
        ToolError: the compiler is missing or fails; the testbench stops, is stopped, or says
            something unexpected or too little.
    """
    project, build = project.resolve(), build.resolve()
    layout = read_layout(design)
    programs = compile_testbenches(project, storages, build)
    commands = [
        Command(
            argv=(str(program), "data", "--output", str(_output(build, storage))),
            cwd=project,
            log=build / f"csim-{storage.value}.log",
            timeout_s=timeout_s,
            accept=(0, MISMATCH_EXIT),
        )
        for program, storage in zip(programs, storages, strict=True)
    ]
    for storage in storages:
        _output(build, storage).unlink(missing_ok=True)
    runs = run_all(commands, on_finished)
    return tuple(
        read_result(run, layout, storage, _output(build, storage))
        for run, storage in zip(runs, storages, strict=True)
    )


def _output(build: Path, storage: Storage) -> Path:
    return build / f"csim-{storage.value}-output.bin"


def read_result(run: Finished, layout: DesignLayout, storage: Storage, output: Path) -> CsimResult:
    """Return what one run of the testbench said.

    Raises:
        ToolError: a line is unknown, missing, doubled, or contradicts the design or exit code.
    """
    lines = _Lines(run, layout)
    images, seconds, word = lines.total
    result = CsimResult(
        storage=storage,
        images=images,
        seconds=seconds,
        tensors=lines.results("trace", images),
        deployed=lines.results("deployed", images),
        iterations=lines.iterations_of("deployed", layout.deployed),
        trace_iterations=lines.iterations_of("trace", layout.trace),
        mismatches=tuple(lines.mismatches),
        output=output,
        log=run.command.log,
    )
    lines.require(word == storage.value, f"it simulated with {word} storage, not {storage.value}")
    lines.require(result.exact == (run.exit_code == 0), "its exit code contradicts its lines")
    lines.require(result.exact == (not result.mismatches), "mismatches are not listed")
    size = 4 * images * layout.trace.output_words
    lines.require(output.is_file() and output.stat().st_size == size, "its output file is cut")
    return result


class _Lines:
    """The testbench's lines, sorted by kind."""

    def __init__(self, run: Finished, layout: DesignLayout) -> None:
        self._log = run.command.log
        self._layout = layout
        self._results: dict[tuple[str, int], tuple[int, int]] = {}
        self._iterations: dict[tuple[str, int], int] = {}
        self.mismatches: list[WordMismatch] = []
        totals: list[tuple[int, float, str]] = []
        for line in run.output.splitlines():
            if found := _RESULT.fullmatch(line):
                key = (found[1], int(found[2]))
                self.require(key not in self._results, f"it says twice: {line}")
                self._results[key] = (int(found[3]), int(found[4]))
            elif found := _MISMATCH.fullmatch(line):
                numbers = [int(found[i]) for i in (2, 3, 4)]
                words = [int(found[i], 16) for i in (5, 6)]
                self.mismatches.append(WordMismatch(found[1], *numbers, *words))
            elif found := _ITERATIONS.fullmatch(line):
                key = (found[1], int(found[2]))
                self.require(key not in self._iterations, f"it says twice: {line}")
                self._iterations[key] = int(found[3])
            elif found := _TOTAL.fullmatch(line):
                totals.append((int(found[1]), float(found[2]), found[3]))
            else:
                self.require(False, f"it says: {line[:400]}")
        self.require(len(totals) == 1, "it did not come to its end")
        self.total = totals[0]

    def require(self, holds: bool, what: str) -> None:
        """Raise unless `holds`."""
        if not holds:
            raise ToolError(
                f"the C simulation cannot be trusted: {what}",
                where=str(self._log),
                fix="run the build again with --force; if it stays, please report it",
            )

    def results(self, program: str, images: int) -> tuple[TensorResult, ...]:
        """Return the results of every tensor of a program, which must all be there."""
        trace = self._layout.trace.tensors
        indices = range(len(trace)) if program == "trace" else self._layout.deployed_in_trace
        found = []
        for index in indices:
            self.require((program, index) in self._results, f"no result of tensor {index}")
            mismatches, elements = self._results[program, index]
            self.require(elements == images * trace[index].elements, f"tensor {index} is cut")
            found.append(TensorResult(trace[index].name, elements, mismatches))
        known = sum(key[0] == program for key in self._results)
        self.require(known == len(found), f"it knows more tensors of the {program} program")
        return tuple(found)

    def iterations_of(self, program: str, layout: ProgramLayout) -> tuple[OpIterations, ...]:
        """Return the counts of every operation of a program, which must all be there."""
        counts = {op: n for (name, op), n in self._iterations.items() if name == program}
        expected = range(len(layout.iterations))
        self.require(sorted(counts) == list(expected), f"operations of {program} are missing")
        return tuple(
            OpIterations(tensor, counts[op], predicted)
            for op, (tensor, predicted) in enumerate(layout.iterations)
        )


def explain_mismatches(result: CsimResult, design: PackedDesign, *, most: int = 8) -> MismatchError:
    """Return the error that names the first differing elements of a simulation.

    Elements of the earliest tensor come first: later ones usually follow from it.

    Args:
        result: a simulation that is not exact.
        design: its packed design.
        most: elements to list.
    """
    tensors = read_layout(design).trace.tensors
    lines = []
    order = sorted(
        result.mismatches, key=lambda m: (m.program != "trace", m.tensor, m.image, m.word)
    )
    for mismatch in order:
        tensor = tensors[mismatch.tensor]
        mask = tensor.masks[mismatch.word % len(tensor.masks)]
        difference = (mismatch.expected ^ mismatch.got) & mask
        for byte in range(4 if tensor.element_bits == 8 else 1):
            if tensor.element_bits == 8 and not (difference >> (8 * byte)) & 0xFF:
                continue
            at = tensor.position(mismatch.word, byte)
            where = "top-1 index" if at.channel < 0 else f"channel {at.channel}"
            if tensor.element_bits == 8:
                where += f", y {at.y}, x {at.x}"
            lines.append(
                f"layer {tensor.name!r}, image {mismatch.image}, {where}: "
                f"expected {tensor.value(mismatch.expected, byte)}, "
                f"got {tensor.value(mismatch.got, byte)}"
                + (" (deployed program)" if mismatch.program == "deployed" else "")
            )
    counts = [
        f"{tensor.name!r}: {tensor.mismatches} of {tensor.elements}"
        for tensor in result.tensors
        if tensor.mismatches
    ]
    head = (
        f"the C simulation ({result.storage.value} storage) differs from the integer reference "
        f"in {result.mismatch_count} of {result.element_count} elements"
    )
    what = "\n  ".join([head, *lines[:most], *(f"in all, {count}" for count in counts)])
    return MismatchError(
        what,
        where=str(result.log),
        fix="the hardware or the packing is wrong: please report it with this log",
    )
