"""Compare generated text with a stored file; GOLDEN_UPDATE=1 stores it anew."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden" / "codegen"


def assert_golden(name: str, text: str) -> None:
    """Fail unless `text` is the content of tests/golden/codegen/`name`."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN_UPDATE") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path} is missing: run with GOLDEN_UPDATE=1 and review it"
    assert text == path.read_text(encoding="utf-8")
