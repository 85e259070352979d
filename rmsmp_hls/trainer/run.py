"""From a configuration to a trained model file; what was stopped goes on."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from rmsmp_hls.config.training import TrainConfig
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.frontend.whole_file import remove_leftovers
from rmsmp_hls.train.assign import lacking_text, realized
from rmsmp_hls.train.model import RmsmpModel
from rmsmp_hls.train.table import checked_table, load_table
from rmsmp_hls.trainer.data import Batch, Data, SeededItems, check_item, load_data
from rmsmp_hls.trainer.log import LOG, Log
from rmsmp_hls.trainer.measure import first_batch
from rmsmp_hls.trainer.network import build_model
from rmsmp_hls.trainer.processes import Processes, processes
from rmsmp_hls.trainer.session import BEST, QUANTIZED, Progress, Session
from rmsmp_hls.trainer.state import STATE, Position, load_state

MODEL = "model.pt"


@dataclass(frozen=True)
class TrainOutcome:
    """What a training made.

    Attributes:
        model: the file for `build`.
        first: whether this is the process that writes and speaks.
        resumed: where it went on, "" if it began anew.
        float_accuracy, quantized_accuracy: on the images kept in the file; None without any.
        best_accuracy, best_epoch: on all validation data, of the network in `best.pt`.
        rows: codebook name -> rows in all.
        warnings: what the user should know.
    """

    model: Path
    first: bool
    resumed: str
    float_accuracy: float | None
    quantized_accuracy: float | None
    best_accuracy: float | None
    best_epoch: int
    rows: Mapping[str, int]
    warnings: tuple[str, ...]


class _Silent:
    """The progress of processes that do not speak."""

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """Say nothing."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say nothing."""


def train(config: TrainConfig, folder: Path, progress: Progress | None = None) -> TrainOutcome:
    """Train, or go on with a training that was stopped.

    The functions that the configuration names are the user's own code and are run.

    Args:
        config: what to do.
        folder: of the configuration, where modules are looked for.
        progress: is told how far it is.

    Raises:
        RmsmpError: whatever stands in the way; a training that was begun can be resumed.
    """
    with processes(config.device) as who, _claimed(config.out, who):
        _check_processes(config, who)
        data = load_data(config.data, folder)
        _check_count(config, len(data.training))
        image = check_item(data)
        model = build_model(config.model, config.quantization, image, folder, config.seed)
        if config.assignment.table is not None:  # now, not after the float epochs
            checked_table(model, load_table(config.assignment.table))
        model.to(who.device)
        path, saved, resumed = config.out / STATE, None, ""
        if path.is_file():
            saved = load_state(path, config, model)
            epochs = config.quantized_training.epochs
            done = saved.position.phase == QUANTIZED and saved.position.epoch >= epochs
            resumed = "the end" if done else saved.position.words()
        position = saved.position if saved else Position()
        who.wait()  # all have read the state before the first one replaces it
        log = Log(config.out, position.total, config.tensorboard) if who.first else None
        try:
            shown = progress if progress is not None and who.first else _Silent()
            session = Session(
                config, data, model, who, config.out, shown, log, position, saved,
                _kept(config, data, model),
            )  # fmt: skip
            session.run()
            session.write_model(MODEL)
        finally:
            if log is not None:
                log.close()
        return _outcome(config, session, resumed, log)


def _outcome(config: TrainConfig, session: Session, resumed: str, log: Log | None) -> TrainOutcome:
    from rmsmp_hls.frontend.checkpoint import load_checkpoint

    rows: dict[str, int] = {}
    model, counts = session.model, realized(session.model)
    for layer in counts.values():
        for name, count in layer.items():
            rows[name] = rows.get(name, 0) + count
    mixed = {name: rows for name, rows in counts.items() if name not in model.pinned()}
    few: tuple[str, ...] = ()
    if config.assignment.table is None:
        few = lacking_text(mixed, model.rmsmp.ratio, model.codebook)
    position, path = session.position, session.folder / MODEL
    accuracy = load_checkpoint(path).fake_quantized_accuracy if session.who.first else None
    return TrainOutcome(
        path, session.who.first, resumed, position.float_accuracy, accuracy,
        position.best_accuracy, position.best_epoch, rows,
        (*((log.warning,) if log is not None and log.warning else ()), *few),
    )  # fmt: skip


def _kept(config: TrainConfig, data: Data, model: RmsmpModel) -> Batch | None:
    if data.validation is None:
        return None
    count = min(config.data.keep, len(data.validation))
    classes = model.graph.op(model.graph.output).shape[0]
    items = SeededItems(data.validation, "validation", config.seed, "validation")
    return first_batch(items, list(range(count)), classes)


def _check_processes(config: TrainConfig, who: Processes) -> None:
    if config.data.batch_size % who.size:
        raise ConfigError(
            f"a batch of {config.data.batch_size} cannot be shared by {who.size} processes",
            where="data.batch_size",
            fix=f"choose a multiple of {who.size}",
        )
    if config.precision == "float16" and who.device.type == "cpu":
        raise ConfigError("float16 needs a GPU", where="precision", fix="precision: bfloat16")
    if (
        config.precision == "bfloat16" and who.device.type == "cuda"
        and not torch.cuda.is_bf16_supported()
    ):  # fmt: skip
        raise ConfigError("this GPU has no bfloat16", where="precision", fix="precision: float16")


def _check_count(config: TrainConfig, count: int) -> None:
    if count < config.data.batch_size:
        raise ConfigError(
            f"{count} training images do not fill a batch of {config.data.batch_size}",
            where="data.batch_size",
            fix=f"choose {count} or fewer",
        )


@contextlib.contextmanager
def _claimed(out: Path, who: Processes) -> Iterator[None]:
    """Keep other trainings out of the folder; only the first process does.

    Raises:
        ConfigError: it holds something else, cannot be made, or is in use.
    """
    if not who.first:
        yield
        return
    where = str(out)
    if out.is_dir() and any(out.iterdir()) and not (out / "state").is_dir():
        raise ConfigError(
            "is not empty and not a training's folder; nothing in it was touched",
            where=where,
            fix="give a new or empty folder with -o",
        )
    try:
        (out / "state").mkdir(parents=True, exist_ok=True)
        lock = (out / "state" / "lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}",
            where=where,
            fix="give a folder that you may write to with -o",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                "another training is using this folder", where=where, fix="wait for it"
            ) from error
        for name in (MODEL, BEST, LOG, STATE):
            remove_leftovers(out / name)
        yield
