"""THE WALK: the stages in their order, skipped where nothing they depend on has changed.

    import -> quantize -> lower -> schedule -> generate -> csim -> report

Every stage reads what earlier stages left in the build folder and leaves files of its own,
whole or not at all. Its key is a hash of this program, its options, the files outside that it
reads and all that earlier stages left: equal key and whole files mean there is nothing to do.
"""

from __future__ import annotations

import functools
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rmsmp_hls
from rmsmp_hls.config import BuildOptions, option_words
from rmsmp_hls.config.values import did_you_mean
from rmsmp_hls.errors import ArtefactError, ConfigError, ModelImportError
from rmsmp_hls.resources import ASSETS, asset_dir
from rmsmp_hls.stages.dump import dump_text
from rmsmp_hls.stages.generate import GENERATE
from rmsmp_hls.stages.import_model import IMPORT
from rmsmp_hls.stages.lower import LOWER
from rmsmp_hls.stages.quantize import QUANTIZE
from rmsmp_hls.stages.report import REPORT, load_report
from rmsmp_hls.stages.schedule import SCHEDULE
from rmsmp_hls.stages.simulate import SIMULATE
from rmsmp_hls.stages.stage import ProgressSink, Stage, StageContext
from rmsmp_hls.stages.target import target_board
from rmsmp_hls.store import BuildFolder, Record, digest_file, digest_json

if TYPE_CHECKING:
    from rmsmp_hls.report.model import Report

WALK: tuple[Stage, ...] = (IMPORT, QUANTIZE, LOWER, SCHEDULE, GENERATE, SIMULATE, REPORT)
STAGES = tuple(stage.name for stage in WALK)
_FOLDERS = {stage.name: stage.folder for stage in WALK}


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """What a build did: `ran` names the stages that ran; empty means nothing had changed."""

    report: Report
    out: Path
    ran: tuple[str, ...]


def build(options: BuildOptions, progress: ProgressSink) -> BuildOutcome:
    """Walk from the model to the report.

    Args:
        options: what to build, for which board, where.
        progress: is told of every stage.

    Raises:
        RmsmpError: whatever stands in the way; what earlier stages made is kept.
    """
    if options.start is not None and options.start not in STAGES:
        raise ConfigError(
            f"unknown stage {options.start[:60]!r}",
            where="--from",
            fix=did_you_mean(options.start, STAGES),
        )
    if options.start is None or STAGES.index(options.start) <= STAGES.index(GENERATE.name):
        target_board(options)  # refuses an unknown board before anything is written
    if options.start in (None, IMPORT.name) and not options.model.exists():
        raise ModelImportError("does not exist", where=str(options.model), fix="check the path")
    folder = BuildFolder(options.out)
    with folder.locked():
        ran = _walk(options, folder, progress)
    return BuildOutcome(load_report(options.out), options.out, ran)


def _walk(options: BuildOptions, folder: BuildFolder, progress: ProgressSink) -> tuple[str, ...]:
    records: dict[str, Record] = {}
    ran: list[str] = []
    first_forced = STAGES.index(options.start) if options.start else len(STAGES)
    for number, stage in enumerate(WALK):
        forced = options.force or number >= first_forced
        # Before `--from STAGE` artefacts are taken as they are: the model may be gone by now.
        trusted = options.start is not None and number < first_forced and not options.force
        known = None if forced else folder.whole(stage.name, stage.folder)
        if trusted and known is None:
            raise ArtefactError(
                f"has no whole artefact of stage {stage.name!r}",
                where=str(options.out),
                fix=f"build without --from, or with --from {stage.name}",
            )
        key = "" if trusted else _key(stage, options, records)
        if known is not None and (trusted or known.key == key):
            records[stage.name] = known
            progress.stage(stage.name, "cached", known.seconds, "")
        else:
            context = StageContext(options, folder, _FOLDERS, dict(records), progress)
            if forced:
                folder.forget(stage.name)  # should it fail, its old result is not current
            records[stage.name] = _run(stage, key, context)
            ran.append(stage.name)
        if options.dump_ir:
            dump_text(stage.name, folder.root / stage.folder, folder.root / "ir")
    return tuple(ran)


def _run(stage: Stage, key: str, context: StageContext) -> Record:
    context.progress.stage(stage.name, "run", None, "")
    start = time.perf_counter()
    result = stage.run(context)
    seconds = time.perf_counter() - start
    names = (*stage.paths, *stage.options, *stage.dependent(context.options))
    facts = {**result.facts, "options": option_words(context.options, names)}
    record = context.folder.commit(stage.name, stage.folder, key, result.files, facts, seconds)
    context.progress.stage(stage.name, "done", seconds, str(result.facts.get("summary", "")))
    return record


def _key(stage: Stage, options: BuildOptions, records: dict[str, Record]) -> str:
    names = (*stage.options, *stage.dependent(options))
    values: dict[str, Any] = {name: _json(getattr(options, name)) for name in names}
    return digest_json(
        {
            "program": program_digest(),
            "stage": stage.name,
            "options": values,
            "external": [[path.name, _external(path)] for path in stage.external(options)],
            "earlier": {name: record.digest for name, record in records.items()},
        }
    )


def _external(path: Path) -> str:
    try:
        return digest_file(path) if path.is_file() else "not a file"
    except OSError:
        return "unreadable"  # the stage itself says what is wrong with it


def _json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


@functools.cache
def program_digest() -> str:
    """Hash of this package's code and assets: another program may build something else."""
    total = hashlib.sha256(rmsmp_hls.__version__.encode())
    roots = [Path(rmsmp_hls.__file__).parent, *(asset_dir(name) for name in ASSETS)]
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(path.relative_to(root).as_posix().encode() + b"\0")
                total.update(path.read_bytes())
    return total.hexdigest()
