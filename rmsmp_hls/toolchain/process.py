"""Run external programs: the only place that does.

No shell, a process group of its own per program (so that everything it started ends with
it), the whole output in a log file, and errors that quote the program's own first error.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rmsmp_hls.errors import ToolError

_POLL_S = 0.02
_GRACE_S = 2.0
_LAST_LINES = 8
_LINE_CHARS = 400
_FIRST_ERROR = re.compile(
    r"^(?:.*?:\d+:(?:\d+:)? )?(?:fatal )?error: .*"
    r"|^(?:ERROR|CRITICAL|rmsmp-error|rmsmp simulation error)\b.*"
    r"|.*(?:undefined reference|cannot find|internal compiler error|terminated by signal).*",
    re.MULTILINE,
)
_INSTALL = {
    "g++": "install it: apt-get install g++",
    "clang++": "install it: apt-get install clang",
    "tclsh": "install it: apt-get install tcl",
    "vitis_hls": "install Vitis HLS and source its settings64.sh",
    "vivado_hls": "install Vivado HLS and source its settings64.sh",
    "vitis-run": "install Vitis and source its settings64.sh",
    "vivado": "install Vivado and source its settings64.sh",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run.

    Attributes:
        argv: program and arguments; never passed through a shell.
        cwd: working folder.
        log: file for its whole output, made new; its folder is made if missing.
        timeout_s: wall time it may take, seconds.
        env: variables set on top of ours.
        accept: exit codes that are no failure.
    """

    argv: tuple[str, ...]
    cwd: Path
    log: Path
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended with an accepted exit code after `seconds` of wall time."""

    command: Command
    exit_code: int
    seconds: float

    @property
    def output(self) -> str:
        """The whole log."""
        return self.command.log.read_text("utf-8", errors="replace")


def run(command: Command) -> Finished:
    """Run one program to its end.

    Raises:
        ToolError: it is missing, failed, or took too long.
    """
    return run_all([command])[0]


def run_all(
    commands: Sequence[Command], on_finished: Callable[[Finished], None] | None = None
) -> tuple[Finished, ...]:
    """Run programs side by side; results in the order of `commands`.

    When one fails, or on Ctrl-C, all others are stopped before the error is raised.

    Args:
        commands: the programs; all start at once.
        on_finished: called as each ends.

    Raises:
        ToolError: one is missing, failed, or took too long.
    """
    done: dict[int, Finished] = {}
    with _Group() as group:
        for command in commands:
            group.start(command)
        while len(done) < len(commands):
            for index, process in enumerate(group.processes):
                if index in done or not process.poll():
                    continue
                done[index] = process.finished()
                if on_finished:
                    on_finished(done[index])
            if len(done) < len(commands):
                time.sleep(_POLL_S)
    return tuple(done[index] for index in range(len(commands)))


def output_of(argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> str:
    """Return what a quick program prints (both streams), for questions such as --version.

    Raises:
        ToolError: it is missing, failed, or took too long.
    """
    try:
        result = subprocess.run(  # noqa: S603
            list(argv),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise _cannot_start(argv[0], error) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{argv[0]} did not answer within {timeout_s:g} s") from error
    if result.returncode != 0:
        first = first_error(result.stdout) or result.stdout.strip()[:_LINE_CHARS]
        raise ToolError(f"{' '.join(argv)} failed with exit code {result.returncode}: {first}")
    return result.stdout


def first_error(text: str) -> str:
    """Return the first line that a compiler or vendor tool marks as an error, or ""."""
    found = _FIRST_ERROR.search(text)
    return found.group(0).strip()[:_LINE_CHARS] if found else ""


class _Running:
    """A started program."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.started = time.monotonic()
        try:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            log = command.log.open("wb")
        except OSError as error:
            raise ToolError(
                f"the log cannot be written: {error.strerror}",
                where=str(command.log),
                fix="choose an output folder that can be written and has space",
            ) from error
        with log:
            try:
                self.process = subprocess.Popen(  # noqa: S603
                    list(command.argv),
                    cwd=command.cwd,
                    env={**os.environ, **command.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise _cannot_start(command.argv[0], error) from error

    def poll(self) -> bool:
        """Return whether it has ended; stop it when its time is over."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.started > self.command.timeout_s:
            self.stop()
            raise _failure(self.command, f"took longer than {self.command.timeout_s:g} s")
        return False

    def finished(self) -> Finished:
        """Return the result of an ended program; ToolError if it failed."""
        seconds = time.monotonic() - self.started
        code = self.process.returncode
        if code not in self.command.accept:
            how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise _failure(self.command, how)
        return Finished(self.command, code, seconds)

    def stop(self) -> None:
        """End the whole process group: first politely, then for certain."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None and sent is signal.SIGTERM:
                continue
            try:
                os.killpg(self.process.pid, sent)
                self.process.wait(_GRACE_S)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()


class _Group:
    """Programs that end together, whatever happens."""

    def __init__(self) -> None:
        self.processes: list[_Running] = []

    def start(self, command: Command) -> None:
        self.processes.append(_Running(command))

    def __enter__(self) -> _Group:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for running in self.processes:
            if running.process.poll() is None:
                running.stop()


def _cannot_start(program: str, error: OSError) -> ToolError:
    name = Path(program).name
    if isinstance(error, FileNotFoundError):
        fix = _INSTALL.get(name, "install it, or correct its path")
        return ToolError(f"{name} is not installed", where=program, fix=fix)
    return ToolError(f"{name} cannot be started: {error.strerror}", where=program)


def _failure(command: Command, how: str) -> ToolError:
    """Return the error: its first own error, the command, the end of the log."""
    try:
        text = command.log.read_text("utf-8", errors="replace")
    except OSError:
        text = ""
    name = Path(command.argv[0]).name
    first = first_error(text)
    lines = [line[:_LINE_CHARS] for line in text.splitlines() if line.strip()][-_LAST_LINES:]
    what = f"{name} {how}" + (f": {first}" if first else "")
    what += f"\n  command: {' '.join(command.argv)}"
    if lines:
        what += "\n  last lines of its output:\n" + "\n".join(f"    {line}" for line in lines)
    return ToolError(what, where=str(command.log), fix="the file above holds the whole output")
