"""What `rmsmp-hls train` is asked to do: a tree of frozen settings, each with its limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from rmsmp_hls.config.calibration import FIRST_LAST, METHODS
from rmsmp_hls.config.values import (
    MULTIPLIERS,
    SCALE_VALUES,
    SHIFT_ADD_CODEBOOKS,
    Ratio,
    did_you_mean,
    parse_flag,
    parse_ratio,
    parse_real,
    parse_whole,
)
from rmsmp_hls.errors import ConfigError

ASSIGNMENTS = ("hessian", "variance", "output-error", "weight-error")
"""Ways to assign rows (a test holds the list equal to `train.assign`)."""

ACTIVATION_SCALES = ("lsq", "pact", "fixed")
WEIGHT_SCALES = ("lsq", "refit")
WEIGHT_FITS = ("mse", "max-abs", "max-abs-row")
"""Where scales come from in training (a test holds the lists equal to `train.settings`)."""

OPTIMIZERS = ("sgd", "adamw")
PRECISIONS = ("float32", "bfloat16", "float16")
DEVICES = ("auto", "cpu", "cuda")

DEFAULT_OUT = Path("training")

T = TypeVar("T")
Parse = Callable[[str, str], Any]


def _setting(default: T, parse: Parse, *, path: bool = False, **limits: Any) -> T:
    """Return a dataclass field that knows how its text is read and what it may be."""
    metadata = {"parse": parse, "path": path, **limits}
    return field(default=default, metadata=metadata)


def _text(text: str, where: str) -> str:
    if not text.strip():
        raise ConfigError("the value is empty", where=where)
    return text


def _path(text: str, where: str) -> Path:
    return Path(_text(text, where))


def _ratio(text: str, _where: str) -> Ratio:
    return parse_ratio(text)


def _word(text: str, _where: str) -> str:
    return text.strip()


def _file() -> Any:
    return _setting(None, _path, path=True)


def _name(known: tuple[str, ...], default: str) -> str:
    return _setting(default, _word, known=known)


def _arguments() -> Any:
    return field(default_factory=dict, metadata={"mapping": True})


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """Where the network is from: a factory, or a file to fine-tune.

    Attributes:
        factory: "module:function" that returns the torch network.
        arguments: keyword arguments of the factory, as text.
        checkpoint: file of torch.export.save, or a checkpoint; instead of a factory.
        weights: file with a state_dict that the factory's network starts with.
    """

    factory: str | None = _setting(None, _text)
    arguments: Mapping[str, str] = _arguments()
    checkpoint: Path | None = _file()
    weights: Path | None = _file()


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the images are from, and how they are batched.

    Attributes:
        factory: "module:function" that returns (training, validation) data sets of pairs
            (float tensor, class); validation may be None.
        arguments: keyword arguments of the factory, as text.
        train, validation: `.npz` files with `inputs` and `labels`, instead of a factory.
        batch_size: images per step, of all processes together.
        workers: loader processes per training process; 0 loads in the process itself.
        keep: so many validation images go into the model file, for `build`.
    """

    factory: str | None = _setting(None, _text)
    arguments: Mapping[str, str] = _arguments()
    train: Path | None = _file()
    validation: Path | None = _file()
    batch_size: int = _setting(64, parse_whole, low=1)
    workers: int = _setting(0, parse_whole, low=0)
    keep: int = _setting(1000, parse_whole, low=1)


@dataclass(frozen=True, slots=True)
class Quantization:
    """Formats and scales, as in `train.prepare`; `calibration_images` training images choose the
    activations' scales."""

    codebook: str = _name(SHIFT_ADD_CODEBOOKS, "SP2-4")
    ratio: Ratio = _setting((65.0, 30.0, 5.0), _ratio)
    activation_bits: int = _setting(4, parse_whole, low=2, high=8)
    residual_bits: int = _setting(8, parse_whole, low=2, high=8)
    input_bits: int = _setting(8, parse_whole, low=2, high=8)
    multipliers: str = _name(MULTIPLIERS, "exact")
    scale_values: str = _name(SCALE_VALUES, "free")
    first_last: str = _name(FIRST_LAST, "same")
    activation_scale: str = _name(ACTIVATION_SCALES, "lsq")
    weight_scale: str = _name(WEIGHT_SCALES, "lsq")
    weight_fit: str = _name(WEIGHT_FITS, "mse")
    method: str = _name(METHODS, "mse")
    percentile: float = _setting(99.9, parse_real, low=50, high=100)
    calibration_images: int = _setting(512, parse_whole, low=1)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Row formats: `method` as in `train.assign_rows`, on a batch of `images`; again every
    `refresh_epochs` (0: once only), but not in the last `frozen_epochs`. Or your own assignment:
    `table`, a file as `train.load_table` reads it."""

    method: str = _name(ASSIGNMENTS, "hessian")
    table: Path | None = _file()
    images: int = _setting(128, parse_whole, low=1)
    refresh_epochs: int = _setting(0, parse_whole, low=0)
    frozen_epochs: int = _setting(0, parse_whole, low=0)


@dataclass(frozen=True, slots=True)
class BatchNormSettings:
    """In the last `frozen_epochs` of the quantized phase batch norm uses, and keeps, its running
    statistics, see `train.BatchNormSchedule`."""

    frozen_epochs: int = _setting(0, parse_whole, low=0)


@dataclass(frozen=True, slots=True)
class AdmmSettings:
    """Of the quantized phase, see `train.Admm`: strength `rho` (0: none), moved on every
    `update_steps` (0: every epoch)."""

    rho: float = _setting(0.0, parse_real, low=0)
    update_steps: int = _setting(0, parse_whole, low=0)


@dataclass(frozen=True, slots=True)
class PhaseSettings:
    """One phase of training.

    Attributes:
        epochs: 0 leaves the phase out.
        optimizer: sgd or adamw.
        lr: highest learning rate; reached after `warmup_epochs`, then a cosine to `final_lr`.
        momentum, nesterov: of sgd.
        weight_decay: of the layers' weights.
        scale_lr: highest learning rate of the quantizers' scales; None: `lr`.
        clip_norm: largest norm of the whole gradient; None: as it is.
    """

    epochs: int = _setting(0, parse_whole, low=0)
    optimizer: str = _name(OPTIMIZERS, "adamw")
    lr: float = _setting(1e-3, parse_real, above=0)
    momentum: float = _setting(0.9, parse_real, low=0, below=1)
    nesterov: bool = _setting(False, parse_flag)
    weight_decay: float = _setting(1e-4, parse_real, low=0)
    scale_lr: float | None = _setting(None, parse_real, above=0)
    warmup_epochs: float = _setting(0.0, parse_real, low=0)
    final_lr: float = _setting(0.0, parse_real, low=0)
    clip_norm: float | None = _setting(None, parse_real, above=0)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Cross-entropy with `label_smoothing`; in the quantized phase a share `distillation` of the
    loss is the divergence from the float network's answers at `temperature`."""

    label_smoothing: float = _setting(0.0, parse_real, low=0, below=1)
    distillation: float = _setting(0.0, parse_real, low=0, high=1)
    temperature: float = _setting(2.0, parse_real, above=0)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All settings of a training.

    Attributes:
        out: folder of the model, the state to resume from and the log.
        seed: of weights, order, augmentation and dropout.
        device: auto takes a GPU if there is one.
        precision: of autocast; float32 is none.
        checkpoint_steps: also keep the state every so many steps; 0: after every epoch only.
        log_steps: also log every so many steps; 0: every epoch only.
        tensorboard: write TensorBoard's logs too.

    Raises:
        ConfigError: values that cannot be meant, all of them at once.
    """

    model: NetworkSource = field(default_factory=NetworkSource)
    data: DataSource = field(default_factory=DataSource)
    quantization: Quantization = field(default_factory=Quantization)
    assignment: Assignment = field(default_factory=Assignment)
    float_training: PhaseSettings = field(default_factory=PhaseSettings)
    quantized_training: PhaseSettings = field(default_factory=lambda: PhaseSettings(epochs=10))
    loss: LossSettings = field(default_factory=LossSettings)
    out: Path = _setting(DEFAULT_OUT, _path, path=True)
    seed: int = _setting(0, parse_whole, low=0)
    device: str = _name(DEVICES, "auto")
    precision: str = _name(PRECISIONS, "float32")
    checkpoint_steps: int = _setting(0, parse_whole, low=0)
    log_steps: int = _setting(0, parse_whole, low=0)
    tensorboard: bool = _setting(False, parse_flag)
    batch_norm: BatchNormSettings = field(default_factory=BatchNormSettings)
    admm: AdmmSettings = field(default_factory=AdmmSettings)

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        findings = [*_limits(self, ""), *_together(self)]
        if findings:
            raise ConfigError.gather(findings)


def outside(setting: Field[Any], value: Any) -> ConfigError | None:
    """Return what is wrong with a value of a setting, None if nothing is."""
    limits = setting.metadata
    if value is None:
        return None
    known = limits.get("known")
    if known is not None:
        if value in known:
            return None
        return ConfigError(f"unknown {setting.name} {value[:40]!r}", fix=did_you_mean(value, known))
    rules: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
        ("low", "at least", lambda a, b: a >= b),
        ("high", "at most", lambda a, b: a <= b),
        ("above", "above", lambda a, b: a > b),
        ("below", "below", lambda a, b: a < b),
    )
    bounds = [(text, limits[key], rule) for key, text, rule in rules if key in limits]
    if not bounds or (math.isfinite(value) and all(rule(value, b) for _, b, rule in bounds)):
        return None
    wanted = " and ".join(f"{text} {bound}" for text, bound, _ in bounds)
    return ConfigError(f"must be {wanted}, not {value:g}")


def _limits(section: Any, place: str) -> Iterator[ConfigError]:
    for setting in fields(section):
        value = getattr(section, setting.name)
        if is_dataclass(value):
            yield from _limits(value, f"{place}{setting.name}.")
        elif (error := outside(setting, value)) is not None:
            yield ConfigError(error.what, where=f"{place}{setting.name}", fix=error.fix)


def _together(config: TrainConfig) -> Iterator[ConfigError]:
    """Yield what is wrong between settings that are each possible."""
    model, data = config.model, config.data
    if (model.factory is None) == (model.checkpoint is None):
        yield ConfigError(
            "give either `factory` or `checkpoint`",
            where="model",
            fix="factory: my_module:my_function, or checkpoint: network.pt2",
        )
    if model.weights is not None and model.factory is None:
        yield ConfigError("`weights` belong to a factory's network", where="model.weights")
    if (data.factory is None) == (data.train is None):
        yield ConfigError(
            "give either `factory` or `train`",
            where="data",
            fix="factory: my_module:my_function, or train: train.npz",
        )
    if data.validation is not None and data.train is None:
        yield ConfigError("a factory gives its own validation data", where="data.validation")
    for place, source in (("model", model), ("data", data)):
        if source.factory is not None and source.factory.count(":") != 1:
            yield ConfigError(
                f"{source.factory[:60]!r} names no function",
                where=f"{place}.factory",
                fix="write module:function",
            )
    if config.assignment.table is not None and config.assignment.refresh_epochs:
        yield ConfigError(
            "a table gives the same rows every time", where="assignment.refresh_epochs",
            fix="leave it out, or the table",
        )  # fmt: skip
    for name in ("float_training", "quantized_training"):
        phase: PhaseSettings = getattr(config, name)
        if phase.epochs and phase.warmup_epochs >= phase.epochs:
            yield ConfigError(
                f"warm-up of {phase.warmup_epochs:g} epochs in {phase.epochs}", where=name,
                fix="warm up for fewer epochs",
            )  # fmt: skip
        if phase.final_lr > phase.lr:
            yield ConfigError(f"{phase.final_lr:g} is above lr {phase.lr:g}",
                              where=f"{name}.final_lr")  # fmt: skip
        if phase.nesterov and (phase.optimizer != "sgd" or phase.momentum == 0):
            yield ConfigError("needs sgd with momentum", where=f"{name}.nesterov")
