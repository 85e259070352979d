"""`rmsmp-hls train`: a whole training from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rmsmp_hls.trainer import TrainOutcome

_PATH = click.Path(path_type=Path)
STAGES = ("float_training", "calibrate", "quantized_training")


@click.command("train", short_help="Train a network with quantizers, from a configuration file.")
@click.option("--config", "config", type=_PATH, required=True, help="The settings, a YAML file.")
@click.option(
    "-o", "--output", "out", type=_PATH, help="Folder of model, state and log; default: the file's."
)
def train_command(config: Path, out: Path | None) -> None:
    """Train a float network, quantize it, train it with its quantizers, write what `build` takes.

    The functions that the configuration names are run: they are your own code, and are trusted.
    The same command goes on with a training that was stopped. Several processes:
    torchrun --nproc-per-node 2 -m rmsmp_hls train --config train.yaml
    """
    import os

    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.cli.progress import make_progress
    from rmsmp_hls.config.training_file import load_train_config

    settings = load_train_config(config, out)
    from rmsmp_hls.trainer import train

    if os.environ.get("RANK", "0") != "0":
        train(settings, config.parent)
        return
    console = make_console()
    names = STAGES if settings.float_training.epochs else STAGES[1:]
    with make_progress(console, names) as progress:
        outcome = train(settings, config.parent, progress)
    for text in _sentences(outcome):
        console.print(text, soft_wrap=True)


def _sentences(outcome: TrainOutcome) -> list[str]:
    from rmsmp_hls.report import words

    texts = [f"Went on from {outcome.resumed}"] if outcome.resumed else []
    for title, share in (
        ("Float network, right on the images kept in the model", outcome.float_accuracy),
        ("Quantized network, right on the same images", outcome.quantized_accuracy),
    ):
        if share is not None:
            texts.append(f"{title}: {100 * share:.2f} %")
    if outcome.best_accuracy is not None:
        texts.append(
            f"Best epoch on the validation data: {outcome.best_epoch}, "
            f"{100 * outcome.best_accuracy:.2f} % (best.pt)"
        )
    counts = ", ".join(f"{count} {name}" for name, count in sorted(outcome.rows.items()))
    texts.append(f"Rows: {counts}")
    texts += [f"warning: {words.printable(text)}" for text in outcome.warnings]
    return [*texts, f"Model: {words.printable(str(outcome.model))}"]
