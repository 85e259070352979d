"""`--dump-ir`: the graphs as text, one operation per line."""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.file_writer import write_plan

_GRAPHS = {"import": "float", "quantize": "quant", "lower": "int"}


def dump_text(stage: str, source: Path, target: Path) -> None:
    """Write `target`/STAGE/NAME.txt for the graph in `source`, if the stage leaves one."""
    if stage not in _GRAPHS:
        return
    from rmsmp_hls.ir.printer import to_text
    from rmsmp_hls.ir.serialize import load_graph

    name = _GRAPHS[stage]
    text = to_text(load_graph(source / f"{name}.json"))
    write_plan(
        FilePlan.of({f"{name}.txt": text.encode("utf-8", "backslashreplace")}), target / stage
    )
