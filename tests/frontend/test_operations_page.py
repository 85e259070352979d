"""docs/operations.md lists exactly the operations that have importers."""

from __future__ import annotations

import re

from rmsmp_hls.frontend.ops import IMPORTERS
from rmsmp_hls.ir.float_ops import FLOAT_OPS
from tests.packaging.readme import rows_of


def rows() -> list[list[str]]:
    page = "docs/operations.md"
    return [*rows_of(page, "module or function"), *rows_of(page, "function")]


def test_the_tables_list_every_operation_once() -> None:
    """Every ATen operation of the table of importers, and no other."""
    listed = [f"aten.{op}" for row in rows() for op in re.findall(r"`([^`]+)`", row[1])]
    assert sorted(listed) == sorted(IMPORTERS)


def test_the_tables_name_float_operations() -> None:
    """What an operation becomes is an operation of a FloatGraph."""
    known = {kind.__name__ for kind in FLOAT_OPS}
    named = {word for row in rows() for word in re.findall(r"\b[A-Z]\w+", row[2])}
    assert named == known - {"Input"}
