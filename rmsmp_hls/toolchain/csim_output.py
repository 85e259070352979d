"""Read what the testbench says, strictly: what is not said is an error."""

from __future__ import annotations

import re
from pathlib import Path

from rmsmp_hls.codegen.layout import DesignLayout, ProgramLayout
from rmsmp_hls.errors import ToolError
from rmsmp_hls.toolchain.csim_result import CsimResult, OpIterations, TensorResult, WordMismatch
from rmsmp_hls.toolchain.gxx import Storage
from rmsmp_hls.toolchain.process import Finished

_NUMBER = r"(\d+)"
_PROGRAM = r"program=(trace|deployed)"
_WORD = r"0x([0-9a-f]{8})"
_RESULT = re.compile(rf"result {_PROGRAM} tensor={_NUMBER} mismatches={_NUMBER} of={_NUMBER}")
_MISMATCH = re.compile(
    rf"mismatch {_PROGRAM} tensor={_NUMBER} image={_NUMBER} word={_NUMBER}"
    rf" expected={_WORD} got={_WORD}"
)
_ITERATIONS = re.compile(rf"iterations {_PROGRAM} op={_NUMBER} count={_NUMBER}")
_TOTAL = re.compile(rf"images={_NUMBER} deployed={_NUMBER} seconds=(\d+\.\d+) storage=(\w+)")


def read_result(run: Finished, layout: DesignLayout, storage: Storage, output: Path) -> CsimResult:
    """Return what one run of the testbench said.

    Raises:
        ToolError: a line is unknown, missing, doubled, or contradicts the design or exit code.
    """
    lines = _Lines(run, layout)
    images, deployed, seconds, word = lines.total
    result = CsimResult(
        storage=storage,
        images=images,
        deployed_images=deployed,
        seconds=seconds,
        tensors=lines.results("trace", images),
        deployed=lines.results("deployed", deployed),
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
        totals: list[tuple[int, int, float, str]] = []
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
                totals.append((int(found[1]), int(found[2]), float(found[3]), found[4]))
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
