"""The board and clock that a build is for, as the options name them."""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.config import BuildOptions
from rmsmp_hls.hw.board import Board, board_for_part, load_board
from rmsmp_hls.hw.cost import Shares


def target_board(options: BuildOptions) -> Board:
    """Return the board of `--board` or `--part`.

    Raises:
        ConfigError: there is no such board or part, or the board file is wrong.
    """
    if options.part is not None:
        return board_for_part(options.part)
    assert options.board is not None, "BuildOptions has checked it"
    return load_board(options.board)


def board_file(options: BuildOptions) -> tuple[Path, ...]:
    """Return the user's own board file, if the board is one."""
    path = Path(options.board or "")
    return (path,) if path.is_file() else ()


def target_clock_mhz(options: BuildOptions, board: Board) -> float:
    """Return the clock asked for, or the board's default."""
    return options.clock_mhz or board.clock_mhz


def target_shares(options: BuildOptions) -> Shares:
    """Return the parts of the board that the design may take; FF follow LUT."""
    return Shares(
        lut=options.lut_share, ff=options.lut_share, dsp=options.dsp_share,
        bram36=options.bram_share,
    )  # fmt: skip


TARGET_OPTIONS = ("board", "part", "clock_mhz")
SHARE_OPTIONS = ("lut_share", "dsp_share", "bram_share")
