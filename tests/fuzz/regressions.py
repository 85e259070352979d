"""The cases that once failed: one JSON file each, replayed by every run of the tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.fuzz.case import Case, from_json, to_json
from tests.fuzz.checks import Failure

FOLDER = Path(__file__).parent / "regressions"


def save(case: Case, failure: Failure, seed: str, folder: Path = FOLDER) -> Path:
    """Write a case with what failed and where it came from; return the file."""
    tree = {"failed": {"stage": failure.stage, "what": failure.what}, "seed": seed}
    tree |= {"case": to_json(case)}
    digest = hashlib.sha256(json.dumps(tree["case"], sort_keys=True).encode()).hexdigest()
    path = folder / f"{failure.stage.replace(' ', '_')}_{digest[:8]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(tree))
    return path


def load(path: Path) -> Case:
    """Return the case of a file."""
    return from_json(json.loads(path.read_text())["case"])


def _text(tree: object) -> str:
    """Return JSON with one line per node, so that a network can be read."""
    text = json.dumps(tree, indent=1)
    nodes = tree["case"]["network"]["nodes"]  # type: ignore[index]
    written = json.dumps(nodes, indent=1).replace("\n", "\n   ")
    short = "[\n    " + ",\n    ".join(json.dumps(node) for node in nodes) + "\n   ]"
    return text.replace(written, short) + "\n"
