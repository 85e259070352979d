"""`rmsmp-hls quantize`: post-training quantization of a float network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.commands.quantize import QuantizeOptions, QuantizeOutcome
    from rmsmp_hls.images import Normalization

_PATH = click.Path(path_type=Path)


@click.command("quantize", short_help="Quantize a float network without training.")
@click.argument("model", type=_PATH)
@click.option(
    "--calib",
    type=_PATH,
    required=True,
    help="Images: .npz (one array, or `inputs`), .npy, or a folder of image files.",
)
@click.option(
    "-o",
    "--output",
    "out",
    type=_PATH,
    default="quantized.pt",
    show_default=True,
    help="The checkpoint to write.",
)
@click.option("--images", type=int, metavar="N", help="Use N images only, evenly spread.")
@click.option("--mean", metavar="M[,M,M]", help="Of image files, scaled to 0..1: subtracted.")
@click.option("--std", metavar="S[,S,S]", help="Of image files: divided by, after --mean.")
@click.option(
    "--ratio",
    metavar="S:F4:F8",
    default="65:30:5",
    show_default=True,
    help="Rows shift-add : fixed-4 : fixed-8.",
)
@click.option(
    "--codebook",
    metavar="NAME",
    default="SP2-4",
    show_default=True,
    help="Codebook of the shift-add rows: SP2-4, PoT-4, APoT-4, SP2-3, PoT-3 or PoT-2.",
)
@click.option(
    "--activation-bits", type=int, default=4, show_default=True, help="Codes between layers."
)
@click.option(
    "--residual-bits",
    type=int,
    default=8,
    show_default=True,
    help="Codes that a residual add reads.",
)
@click.option("--input-bits", type=int, default=8, show_default=True, help="Codes of the input.")
@click.option(
    "--first-last",
    type=click.Choice(["same", "fixed8"]),
    default="same",
    show_default=True,
    help="First and last layers in the ratio like all, or all their rows in 8 bits.",
)
@click.option(
    "--method",
    type=click.Choice(["mse", "percentile"]),
    default="mse",
    show_default=True,
    help="How the scales of activations are chosen.",
)
@click.option(
    "--percentile",
    type=float,
    default=99.9,
    show_default=True,
    help="With --method percentile: share of |values| that is not clipped.",
)
@click.option("--no-bias-correction", is_flag=True, help="Leave the biases as they are.")
@click.option(
    "--equalize",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Equalize channels across layers; auto: where it helps.",
)
@click.option(
    "--multipliers",
    type=click.Choice(["exact", "k-hot:1", "k-hot:2", "k-hot:3", "po2"]),
    default="exact",
    show_default=True,
    help="Requantize by K shifts and adds; po2: by a shift.",
)
@click.option(
    "--scale-values",
    type=click.Choice(["free", "po2"]),
    default="free",
    show_default=True,
    help="Scales of tensors: any, or powers of two.",
)
def quantize_command(
    model: Path, mean: str | None, std: str | None, no_bias_correction: bool, **given: Any
) -> None:
    """Quantize MODEL with the help of a few images, and say what it cost.

    MODEL is a float network in a file; formats and scales that it may carry are chosen anew.
    The checkpoint written is what `build` takes. The calibration images are not kept in it.
    """
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.cli.progress import make_progress

    normalization = _normalization(mean, std)
    console = make_console()
    from rmsmp_hls.commands.quantize import QuantizeOptions, quantize_model

    options = QuantizeOptions(
        model=model,
        normalization=normalization,
        bias_correction=not no_bias_correction,
        **given,
    )
    start = time.monotonic()
    with make_progress(console, ("quantize",)) as progress:
        progress.stage("quantize", "run", None, "")
        outcome = quantize_model(options, progress.step)
        seconds = time.monotonic() - start
        progress.stage("quantize", "done", seconds, f"{outcome.result.images} images")
    _show(outcome, options, console)


def _normalization(mean: str | None, std: str | None) -> Normalization | None:
    if mean is None and std is None:
        return None
    from rmsmp_hls.config import parse_reals
    from rmsmp_hls.images import Normalization

    return Normalization(parse_reals(mean or "0", "--mean"), parse_reals(std or "1", "--std"))


def _show(outcome: QuantizeOutcome, options: QuantizeOptions, console: Console) -> None:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.quantization import fidelity_table, quantization_sentences
    from rmsmp_hls.report.terminal import rich_table
    from rmsmp_hls.stages.calibrated import quantization_cost

    cost = quantization_cost(outcome.result, options.calib.name)
    console.print()
    console.print(rich_table(fidelity_table(cost), console.width))
    console.print()
    for text in quantization_sentences(cost):
        console.print(text, soft_wrap=True)
    if outcome.float_correct is not None:
        console.print(
            f"Right on the {words.count(outcome.validated)} validation images in the model: float "
            f"{words.count(outcome.float_correct)}, quantized "
            f"{words.count(outcome.quantized_correct)}",
            soft_wrap=True,
        )
    for text in outcome.warnings:
        console.print(f"warning: {words.printable(text)}", soft_wrap=True, style="yellow")
    console.print(f"Checkpoint: {words.printable(str(options.out))}", soft_wrap=True)
