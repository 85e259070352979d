"""The root command `rmsmp-hls`: its sub-commands, and what happens when one fails."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import rmsmp_hls
from rmsmp_hls.cli.boards import boards_command
from rmsmp_hls.cli.build import build_command
from rmsmp_hls.cli.check import check_command
from rmsmp_hls.cli.cycles import cycles_command
from rmsmp_hls.cli.explore import explore_command
from rmsmp_hls.cli.failures import explain
from rmsmp_hls.cli.inspect import inspect_command
from rmsmp_hls.cli.lanes import lanes_command
from rmsmp_hls.cli.quantize import quantize_command
from rmsmp_hls.cli.report import report_command
from rmsmp_hls.cli.train import train_command


class Program(click.Group):
    """A group that suggests the nearest command and turns every failure into an exit code."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; a misspelt one is a usage error with a suggestion."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise click.UsageError(f"No such command {name[:60]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run and exit; 0 if all went well."""
        extra.pop("standalone_mode", None)
        switches: dict[str, bool] = {}
        try:
            result = super().main(
                args, prog_name or "rmsmp-hls", standalone_mode=False, obj=switches, **extra
            )
            sys.exit(result if isinstance(result, int) else 0)
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(explain(error, debug=switches.get("debug", False)))


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `rmsmp-hls build model.pt --board zcu102`.",
)
@click.version_option(rmsmp_hls.__version__, prog_name="rmsmp-hls")
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
@click.pass_obj
def program(switches: dict[str, bool] | None, debug: bool) -> None:
    """Bring row-wise mixed-scheme quantized networks from PyTorch to an FPGA accelerator."""
    if switches is not None:
        switches["debug"] = debug


program.add_command(build_command)
program.add_command(check_command)
program.add_command(explore_command)
program.add_command(quantize_command)
program.add_command(train_command)
program.add_command(inspect_command)
program.add_command(boards_command)
program.add_command(report_command)
program.add_command(cycles_command)
program.add_command(lanes_command)


def main() -> NoReturn:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # what the terminal's encoding lacks is written as \xNN
            reconfigure(errors="backslashreplace")
    program.main()
