"""The options of one build, and how they come together.

The command line wins over the configuration file, the file over the defaults. All
problems of one set of options are reported at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rmsmp_hls.config.calibration import calibration_findings
from rmsmp_hls.config.values import (
    ARRAY_KEYS,
    MULTIPLIERS,
    SHIFT_ADD_CODEBOOKS,
    STORAGES,
    Ratio,
    did_you_mean,
    show_ratio,
)
from rmsmp_hls.errors import ConfigError

_MAY_BE_ZERO = ("shift_add_lanes", "fixed4_lanes", "fixed8_lanes", "multiplier_terms")
_C_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Everything `flow.build` needs to know; one of `board` and `part` is set.

    Attributes:
        model: the checkpoint, or a float network, which `calib` then quantizes.
        board: name of a shipped board, or path of a board file (YAML).
        part: part number, instead of a board.
        out: the build folder.
        ratio: shift-add : fixed-4 : fixed-8, any three weights with a positive sum; None keeps
            the checkpoint's row formats, or takes the default of quantization.
        codebook: name of the shift-add codebook; None likewise.
        multipliers: exact, k-hot:1 .. k-hot:3 or po2: what requantization may multiply by; None
            likewise.
        clock_mhz: None takes the board's default.
        data: `.npz` with `inputs` [N, C, H, W] and optional `labels` [N].
        images: use the first so many images only.
        array: fields of `ArrayShape` to set by hand.
        lut_share, dsp_share, bram_share: share of the board that the design may use, 0..1.
        start: run again from this stage on.
        force: run every stage again.
        dump_ir: write the text form of the graph after every pass.
        storages: storage types that the C simulation runs with.
        top: name of the HLS top function.
        calib: images that a float network is quantized with; refused for a checkpoint.
        calib_images: use so many of them, evenly spread.
        mean, std: normalization of image files, see `images.Normalization`.
        activation_bits, residual_bits, input_bits, method, percentile, bias_correction, equalize,
            scale_values: as in `train.ptq.post_training_quantize`; None takes its default.

    Raises:
        ConfigError: values that cannot be meant, all of them at once.
    """

    model: Path
    board: str | None = None
    part: str | None = None
    out: Path = Path("build")
    ratio: Ratio | None = None
    codebook: str | None = None
    multipliers: str | None = None
    clock_mhz: float | None = None
    data: Path | None = None
    images: int | None = None
    array: dict[str, int] | None = None
    lut_share: float = 0.7
    dsp_share: float = 0.9
    bram_share: float = 0.85
    start: str | None = None
    force: bool = False
    dump_ir: bool = False
    storages: tuple[str, ...] = STORAGES
    top: str = "rmsmp_top"
    calib: Path | None = None
    calib_images: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    activation_bits: int | None = None
    residual_bits: int | None = None
    input_bits: int | None = None
    first_last: str | None = None
    method: str | None = None
    percentile: float | None = None
    bias_correction: bool | None = None
    equalize: str | None = None
    scale_values: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        findings = list(_findings(self))
        if findings:
            raise ConfigError.gather(findings)


def _findings(options: BuildOptions) -> Iterator[ConfigError]:
    if options.board is None and options.part is None:
        yield ConfigError(
            "no board is given",
            fix="add --board NAME (`rmsmp-hls boards` lists them) or --part NUMBER",
        )
    if options.board is not None and options.part is not None:
        yield ConfigError("both a board and a part are given", fix="keep one of them")
    book = options.codebook
    if book is not None and book.lower() not in [name.lower() for name in SHIFT_ADD_CODEBOOKS]:
        yield ConfigError(
            f"unknown codebook of shift-add rows {book[:40]!r}",
            where="codebook",
            fix=did_you_mean(book, SHIFT_ADD_CODEBOOKS),
        )
    asked = options.multipliers
    if asked is not None and asked not in MULTIPLIERS:
        yield ConfigError(
            f"unknown multipliers {asked[:40]!r}",
            where="multipliers",
            fix=did_you_mean(asked, MULTIPLIERS),
        )
    clock, images = options.clock_mhz, options.images
    if clock is not None and not (math.isfinite(clock) and 1 <= clock <= 1000):
        yield ConfigError(f"the clock must be 1..1000 MHz, not {clock:g}", where="clock_mhz")
    if images is not None and images < 1:
        yield ConfigError(f"at least one image is needed, not {images}", where="images")
    for key in ("lut_share", "dsp_share", "bram_share"):
        share = getattr(options, key)
        if not 0 < share <= 1:
            yield ConfigError(f"a share is above 0 and at most 1, not {share:g}", where=key)
    if not _C_IDENTIFIER.fullmatch(options.top):
        yield ConfigError(
            f"{options.top[:60]!r} is not a name for a C++ function",
            where="top",
            fix="use letters, digits and _, starting with a letter, at most 64 characters",
        )
    if not options.storages or len(set(options.storages)) != len(options.storages):
        yield ConfigError("name each storage type once, and at least one", where="storages")
    for storage in options.storages:
        if storage not in STORAGES:
            yield ConfigError(
                f"unknown storage type {storage!r}",
                where="storages",
                fix=did_you_mean(storage, STORAGES),
            )
    for key, value in (options.array or {}).items():
        if key not in ARRAY_KEYS:
            yield ConfigError(
                f"unknown array field {key!r}", where="array", fix=did_you_mean(key, ARRAY_KEYS)
            )
        elif value < (0 if key in _MAY_BE_ZERO else 1):
            kind = "negative" if key in _MAY_BE_ZERO else "below 1"
            yield ConfigError(f"must not be {kind}, not {value}", where=f"array {key}")
    yield from calibration_findings(options)


@dataclass(frozen=True, slots=True)
class Setting:
    """One resolved value and where it comes from, for showing it back to the user."""

    key: str
    value: str
    source: str


def resolve(
    model: Path, command_line: Mapping[str, Any], config: Mapping[str, Any], config_name: str = ""
) -> tuple[BuildOptions, tuple[Setting, ...]]:
    """Merge the command line over the configuration file over the defaults.

    Args:
        model: the checkpoint.
        command_line: `BuildOptions` fields as given; None or () means not given. A board
            given here sets aside the file's part, and a part the file's board; array fields
            are merged one by one.
        config: what `load_config` returned.
        config_name: file name shown as the source.

    Returns:
        The options, and every value with its source, in the order of the fields.

    Raises:
        ConfigError: the merged values cannot be meant.
    """
    given = {key: value for key, value in command_line.items() if value not in (None, (), {})}
    filed = dict(config)
    if "board" in given or "part" in given:
        filed.pop("board", None)
        filed.pop("part", None)
    merged = {**filed, **given}
    array = {**filed.get("array", {}), **given.get("array", {})}
    if array:
        merged["array"] = array
    options = BuildOptions(model=model, **merged)
    settings = []
    for field in fields(BuildOptions):
        source = "default"
        if field.name in given or field.name == "model":
            source = "command line"
        elif field.name in filed:
            source = config_name
        settings.append(
            Setting(field.name, _show(field.name, getattr(options, field.name)), source)
        )
    return options, tuple(settings)


def _show(key: str, value: object) -> str:
    if value is None:
        return "not set"
    if key == "ratio":
        return show_ratio(value)  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={number}" for name, number in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
