"""Options as words of the command line."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from rmsmp_hls.cli.build_options import build_options, read_options
from rmsmp_hls.config import BuildOptions, option_words

OPTIONS = BuildOptions(Path("model.pt"), board="zcu102")
OTHER: dict[str, Any] = {
    "clock_mhz": 123.4567891, "ratio": (1 / 3, 0.5, 1e-9), "codebook": "PoT-4", "images": 3,
    "data": Path("data.npz"), "array": {"channels": 16, "pixels": 2}, "lut_share": 0.5,
    "dsp_share": 0.25, "bram_share": 1.0, "storages": ("native",), "top": "other",
    "calib": Path("calib.npz"), "calib_images": 7, "mean": (-0.485, 0.1), "std": (0.229,),
    "multipliers": "k-hot:2", "scale_values": "po2",
    "activation_bits": 5, "residual_bits": 6, "input_bits": 7, "first_last": "fixed8",
    "method": "percentile", "percentile": 99.5, "bias_correction": False, "equalize": "off",
}  # fmt: skip
NO_RESULT = {"model", "board", "part", "out", "start", "force", "dump_ir"}


def test_every_option_is_read_back_as_it_was() -> None:
    """Also numbers that have no short decimal form, and negative ones."""
    assert OTHER.keys() == {field.name for field in fields(BuildOptions)} - NO_RESULT
    options = replace(OPTIONS, **OTHER)
    words = option_words(options, OTHER)
    found: list[BuildOptions] = []

    @click.command()
    @build_options
    def command(config: Path | None, **given: Any) -> None:
        found.append(read_options(Path("model.pt"), config, given)[0])

    flat = [word for name in OTHER for word in words[name]]
    command.main([*flat, "--board", "zcu102"], standalone_mode=False)
    assert found == [options]


@pytest.mark.parametrize("name", sorted(OTHER))
def test_what_is_not_given_needs_no_words(name: str) -> None:
    """Defaults go without saying."""
    assert option_words(OPTIONS, [name]) == {}


def test_only_names_of_files_are_kept() -> None:
    """Where they lay on somebody's disk is nobody else's business."""
    options = replace(OPTIONS, calib=Path("/home/somebody/images"))
    assert option_words(options, ["calib"]) == {"calib": ["--calib", "images"]}
