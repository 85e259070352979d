"""The options of `rmsmp-hls build`: their help, and from text to `BuildOptions`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rmsmp_hls.errors import ConfigError

if TYPE_CHECKING:
    from rmsmp_hls.config import BuildOptions, Setting

PATH = click.Path(path_type=Path)


def _text(flag: str, metavar: str, help_text: str) -> Callable[..., Any]:
    return click.option(flag, metavar=metavar, help=help_text)


def _share(resource: str, default: float) -> Callable[..., Any]:
    help_text = f"Share of the board's {resource} to use.  [default: {default}]"
    return click.option(f"--{resource.lower()}-share", type=float, help=help_text)


def _switch(flag: str, help_text: str) -> Callable[..., Any]:
    return click.option(flag, is_flag=True, default=None, help=help_text)


def _repeated(flag: str, name: str, metavar: str, help_text: str) -> Callable[..., Any]:
    return click.option(flag, name, multiple=True, metavar=metavar, help=help_text)


# Defaults stand in `BuildOptions`: here None means "not given", so that --config can give it.
_OPTIONS = (
    _text("--board", "NAME|FILE", "A shipped board (see `rmsmp-hls boards`) or a board file."),
    _text("--part", "NUMBER", "A part number, instead of a board."),
    click.option("--clock-mhz", type=float, help="Clock; the board's default otherwise."),
    click.option("-o", "--output", "out", type=PATH, help="Build folder.  [default: build]"),
    _text("--ratio", "S:F4:F8", "Rows shift-add : fixed-4 : fixed-8, e.g. 65:30:5."),
    _text("--multipliers", "exact|k-hot:K|po2", "Requantize by K = 1..3 shifts and adds, no DSP."),
    _text(
        "--codebook",
        "NAME",
        "Codebook of the shift-add rows: SP2-4, PoT-4, APoT-4, SP2-3, PoT-3 or PoT-2.",
    ),
    click.option("--data", type=PATH, help="Images: .npz with inputs [N,C,H,W], maybe labels [N]."),
    click.option("--images", type=int, metavar="N", help="Use the first N images only."),
    _repeated("--array", "array", "FIELD=NUMBER", "Set a field of the array; may be repeated."),
    _share("LUT", 0.7),
    _share("DSP", 0.9),
    _share("BRAM", 0.85),
    _text("--top", "NAME", "HLS top function.  [default: rmsmp_top]"),
    _repeated(
        "--storage", "storages", "native|ap_int", "Storage type to simulate.  [default: both]"
    ),
    click.option("--config", type=PATH, help="A YAML file of options; the command line wins."),
    click.option("--from", "start", metavar="STAGE", help="Run again from this stage on."),
    _switch("--force", "Run every stage again."),
    _switch("--dump-ir", "Write the graphs as text into the folder ir/."),
    click.option(
        "--calib", type=PATH, help="Quantize a float MODEL with these images, as `quantize` does."
    ),
    click.option("--calib-images", type=int, metavar="N", help="Calibrate with N images only."),
    _text("--mean", "M[,M,M]", "Of image files, scaled to 0..1: subtracted."),
    _text("--std", "S[,S,S]", "Of image files: divided by, after --mean."),
    click.option("--activation-bits", type=int, help="Codes between layers.  [default: 4]"),
    click.option("--residual-bits", type=int, help="Codes that adds read.  [default: 8]"),
    click.option("--input-bits", type=int, help="Codes of the input.  [default: 8]"),
    _text(
        "--first-last",
        "same|fixed8",
        "First and last layers all in 8 bits?  [default: same]",
    ),
    _text("--method", "mse|percentile", "How activation scales are chosen.  [default: mse]"),
    click.option("--percentile", type=float, help="With --method percentile.  [default: 99.9]"),
    _switch("--no-bias-correction", "Leave the biases as they are."),
    _text("--equalize", "auto|on|off", "Equalize channels across layers.  [default: auto]"),
    _text("--scale-values", "free|po2", "Scales of tensors: any, or powers of two."),
)


def build_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options of `build` to a command; what is not given arrives as None or ()."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_options(
    model: Path, config: Path | None, given: dict[str, Any]
) -> tuple[BuildOptions, tuple[Setting, ...]]:
    """Return the resolved options of a command line, and where each is from.

    Raises:
        ConfigError: everything that is wrong with the command line and the file.
    """
    from rmsmp_hls.config import (
        load_config,
        parse_array_override,
        parse_ratio,
        parse_reals,
        resolve,
    )

    findings: list[ConfigError] = []
    values = dict(given)
    filed: dict[str, Any] = {}
    try:
        filed = load_config(config) if config is not None else {}
    except ConfigError as error:
        findings.append(error)
    try:
        values["ratio"] = parse_ratio(given["ratio"]) if given["ratio"] is not None else None
    except ConfigError as error:
        findings.append(error)
    for key in ("mean", "std"):
        try:
            values[key] = parse_reals(given[key], f"--{key}") if given[key] is not None else None
        except ConfigError as error:
            findings.append(error)
    values["bias_correction"] = False if values.pop("no_bias_correction") else None
    values["array"] = {}
    for text in given["array"]:
        try:
            key, number = parse_array_override(text)
            values["array"][key] = number
        except ConfigError as error:
            findings.append(error)
    if findings:
        raise ConfigError.gather(findings)
    return resolve(model, values, filed, config.name if config is not None else "")
