"""docs/onnx.md lists what there is."""

from __future__ import annotations

from rmsmp_hls.frontend.onnx import elementwise, layers, moves, quant_nodes
from tests.packaging.readme import rows_of


def test_the_page_lists_every_node() -> None:
    """The table of nodes is whole and holds nothing else."""
    listed = {name for row in rows_of("docs/onnx.md", "node") for name in row[0].split(", ")}
    tables = (layers, elementwise, moves, quant_nodes)
    assert listed == {name for table in tables for name in table.IMPORTERS}
