"""Sessions of cases that share an array, in several processes, until the time is up."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from rmsmp_hls.toolchain.gxx import Storage
from tests.fuzz import regressions
from tests.fuzz.arrays import random_array
from tests.fuzz.case import Case
from tests.fuzz.cases import board_case, random_case
from tests.fuzz.checks import Effort, Failure, Passed, Refusal, check
from tests.fuzz.choices import SeededChoices
from tests.fuzz.coverage import Coverage, signature
from tests.fuzz.shrink import shrink
from tests.fuzz.simulator import Simulator

CASES = 24
"""Cases of a session: so many networks pay for compiling an array once."""
_CASE_S = 120
_AP_INT_EVERY = 8
_BOARD_EVERY = 4
_KEPT_PER_CAUSE = 2


@dataclass
class Session:
    """What one session found: counts, and files written."""

    seed: int
    coverage: Coverage = field(default_factory=Coverage)
    kept: list[Path] = field(default_factory=list)


def run_session(seed: int, folder: Path, known: frozenset[str] = frozenset()) -> Session:
    """Check `CASES` cases of one array.

    Args:
        seed: every eighth session simulates with ap_int, every fourth ends with a board.
        folder: where cases that fail are kept, shrunk.
        known: signatures of failures that are not kept again.
    """
    torch.set_num_threads(1)  # the tensors are tiny: a second thread only waits
    session = Session(seed)
    array = random_array(SeededChoices(seed))
    storage = Storage.AP_INT if seed % _AP_INT_EVERY == 7 else Storage.NATIVE
    with tempfile.TemporaryDirectory(prefix="rmsmp-fuzz-") as work:
        effort = Effort(Simulator(Path(work)), storage)
        for number in range(CASES):
            choices = SeededChoices(seed * 1000 + number)
            last = number == CASES - 1 and seed % _BOARD_EVERY == 3
            case = board_case(choices) if last else random_case(choices, array)
            outcome = attempt(case, effort)
            session.coverage.see(case, outcome)
            if isinstance(outcome, Failure):
                cause = signature(outcome.stage, outcome.what)
                count = session.coverage.failed[cause]
                if cause not in known and count <= _KEPT_PER_CAUSE:
                    session.kept.append(_keep(case, outcome, effort, seed, number, folder))
    return session


def attempt(case: Case, effort: Effort) -> Passed | Refusal | Failure:
    """Return what became of a case; what takes too long is a failure."""
    try:
        with _time_limit(_CASE_S):
            return check(case, effort)
    except Failure as failure:
        return failure
    except TimeoutError as error:
        return Failure("time", str(error))


def _keep(
    case: Case, failure: Failure, effort: Effort, seed: int, number: int, folder: Path
) -> Path:
    cause = signature(failure.stage, failure.what)

    def fails(candidate: Case) -> bool:
        found = attempt(candidate, effort)
        return isinstance(found, Failure) and signature(found.stage, found.what) == cause

    small = shrink(case, fails) if failure.stage != "time" else case
    last = attempt(small, effort)
    shown = last if isinstance(last, Failure) else failure
    return regressions.save(small, shown, f"{seed}:{number}", folder)


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_campaign(
    seed: int,
    seconds: float,
    jobs: int,
    folder: Path,
    on_session: Callable[[Session, Coverage], None] | None = None,
) -> Coverage:
    """Run sessions with seeds from `seed` on until no new one starts within `seconds`.

    Args:
        seed: of the first session; the same seeds check the same cases.
        seconds: time, at least one session is run.
        jobs: processes.
        folder: where cases that fail are kept.
        on_session: called as each session ends, with the sum of all.
    """
    total = Coverage()
    end = time.monotonic() + seconds
    known: set[str] = set()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        open_sessions: set[Future[Session]] = set()
        following = seed
        while open_sessions or following == seed or time.monotonic() < end:
            while len(open_sessions) < jobs and (following == seed or time.monotonic() < end):
                open_sessions.add(pool.submit(run_session, following, folder, frozenset(known)))
                following += 1
            done, open_sessions = wait(open_sessions, return_when=FIRST_COMPLETED)
            for future in done:
                session = future.result()
                total.add(session.coverage)
                known |= {text for text, n in total.failed.items() if n >= _KEPT_PER_CAUSE}
                if on_session:
                    on_session(session, total)
    return total
