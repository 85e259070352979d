"""Build options: their checks and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.config import BuildOptions, resolve
from rmsmp_hls.errors import ConfigError

MODEL = Path("model.pt")


def test_defaults_need_only_a_model_and_a_board() -> None:
    """The rest has a documented default."""
    options = BuildOptions(MODEL, board="zcu102")
    assert options.out == Path("build")
    assert (options.lut_share, options.dsp_share, options.bram_share) == (0.7, 0.9, 0.85)
    assert options.storages == ("native", "ap_int")


def test_all_wrong_values_are_listed_at_once() -> None:
    """One message, one line for each."""
    with pytest.raises(ConfigError) as caught:
        BuildOptions(
            MODEL, board="a", part="b", codebook="Fixed-4", clock_mhz=0.0,
            images=0, lut_share=0.0, dsp_share=1.5, top="9; rm", storages=("nativ", "nativ"),
            array={"chanels": 1, "pixels": -2},
        )  # fmt: skip
    text = str(caught.value)
    assert text.startswith("12 problems:\n")
    for line in (
        "- both a board and a part are given",
        "- codebook: unknown codebook of shift-add rows 'Fixed-4'",
        "- clock_mhz: the clock must be 1..1000 MHz, not 0",
        "- images: at least one image is needed, not 0",
        "- lut_share: a share is above 0 and at most 1, not 0",
        "- dsp_share: a share is above 0 and at most 1, not 1.5",
        "- top: '9; rm' is not a name for a C++ function",
        "- storages: name each storage type once, and at least one",
        "- storages: unknown storage type 'nativ'\n  -> did you mean 'native'?",
        "- array: unknown array field 'chanels'",
        "- array pixels: must not be below 1, not -2",
    ):
        assert line in text


@pytest.mark.parametrize("clock", [float("nan"), float("inf"), -5.0, 1e9])
def test_an_impossible_clock_is_refused(clock: float) -> None:
    """NaN compares with nothing, so it needs its own check."""
    with pytest.raises(ConfigError, match="the clock must be"):
        BuildOptions(MODEL, board="a", clock_mhz=clock)


def test_a_build_without_a_board_says_how_to_name_one() -> None:
    """The commonest mistake has the plainest remedy."""
    with pytest.raises(ConfigError, match="`rmsmp-hls boards` lists them"):
        BuildOptions(MODEL)


def test_the_command_line_wins_over_the_file_over_the_defaults() -> None:
    """Every value is echoed with its source; array fields are merged one by one."""
    options, settings = resolve(
        MODEL,
        {"images": 3, "clock_mhz": None, "storages": (), "array": {"pixels": 4}, "force": None},
        {"board": "zcu102", "images": 9, "array": {"pixels": 2, "channels": 16}},
        "rmsmp.yaml",
    )
    assert options.images == 3
    assert options.array == {"pixels": 4, "channels": 16}
    shown = {setting.key: (setting.value, setting.source) for setting in settings}
    assert shown["images"] == ("3", "command line")
    assert shown["board"] == ("zcu102", "rmsmp.yaml")
    assert shown["clock_mhz"] == ("not set", "default")
    assert shown["storages"] == ("native, ap_int", "default")
    assert list(shown) == list(BuildOptions.__dataclass_fields__)


def test_a_part_on_the_command_line_sets_the_files_board_aside() -> None:
    """They answer the same question."""
    options, _ = resolve(MODEL, {"part": "xc7z020clg400-1"}, {"board": "zcu102"})
    assert (options.board, options.part) == (None, "xc7z020clg400-1")


def test_quantization_options_need_calibration_images() -> None:
    """They would be ignored otherwise."""
    with pytest.raises(ConfigError, match="activation_bits, equalize given without calibration"):
        BuildOptions(MODEL, board="a", activation_bits=4, equalize="on")
    BuildOptions(MODEL, board="a", calib=Path("c.npz"), activation_bits=4, equalize="on")


def test_quantization_options_are_checked() -> None:
    """All at once, before a model is read."""
    with pytest.raises(ConfigError) as caught:
        BuildOptions(
            MODEL, board="a", calib=Path("c.npz"), calib_images=0, activation_bits=9,
            residual_bits=1, percentile=float("nan"), method="mes", equalize="yes",
        )  # fmt: skip
    text = str(caught.value)
    assert text.startswith("6 problems:\n")
    for line in (
        "- calib_images: at least one image is needed, not 0",
        "- activation_bits: codes have 2 to 8 bits, not 9",
        "- residual_bits: codes have 2 to 8 bits, not 1",
        "- percentile: must be 50..100, not nan",
        "- method: unknown method 'mes'\n  -> did you mean 'mse'?",
        "- equalize: unknown equalize 'yes'\n  -> known: auto, on, off",
    ):
        assert line in text
