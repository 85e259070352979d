"""The command line: parse, call, show; errors become exit codes."""

from rmsmp_hls.cli.program import main

__all__ = ["main"]
