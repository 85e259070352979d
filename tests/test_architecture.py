"""Imports point one way, heavy libraries have their seams, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rmsmp_hls"

BASE = {"errors"}
# area -> areas it may import (besides itself and `errors`)
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "resources": set(),
    "numerics": set(),
    "config": set(),
    "images": set(),
    "ir": {"numerics"},
    "hw": {"ir", "numerics"},
    "frontend": {"ir", "numerics", "quant"},
    "quant": {"ir", "numerics"},
    "passes": {"ir", "numerics"},
    "reference": {"ir", "numerics"},
    "schedule": {"ir", "numerics", "hw"},
    "explore": {"ir", "hw", "schedule"},
    "pack": {"ir", "numerics", "hw", "schedule"},
    "timing": {"hw", "pack"},
    "train": {"ir", "numerics", "quant", "frontend"},
    "trainer": {"config", "images", "ir", "frontend", "train"},
    "codegen": {"hw", "numerics", "pack", "resources"},
    "toolchain": {"codegen", "hw", "pack", "resources"},
    "rtl": {"codegen", "hw", "numerics", "pack", "resources", "toolchain"},
    "report": {"resources"},
    "inspect": {"ir", "numerics", "hw", "pack", "frontend", "quant", "report", "store"},
    "store": {"codegen"},
    "stages": {
        "config", "ir", "numerics", "hw", "frontend", "quant", "passes", "reference", "schedule",
        "pack", "timing", "train", "codegen", "toolchain", "report", "store", "images",
    },
    "commands": {
        "config", "images", "ir", "numerics", "hw", "frontend", "quant", "passes", "schedule",
        "pack", "timing", "explore", "store", "train", "stages",
    },
    "flow": {"config", "resources", "stages", "store", "report"},
    "cli": {
        "flow", "commands", "explore", "config", "images", "report", "inspect", "hw", "stages",
        "trainer", "numerics", "rtl", "toolchain",
    },
    "__main__": {"cli"},
}  # fmt: skip
SEAMS = {
    "torch": {"frontend", "train", "trainer"},
    "onnx": {"frontend"},
    "click": {"cli"},
    "dask": {"explore/engines.py"},
    "distributed": {"explore/engines.py"},
    "jinja2": {"codegen/render.py", "report/html.py"},
    "subprocess": {"toolchain/process.py"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def _area(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            names.add(node.module or "")
            if node.module == "rmsmp_hls":
                names |= {f"rmsmp_hls.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A module imports only from the areas below its own."""
    area = _area(path)
    if area == "__init__":
        assert not [n for n in _imports(path) if n.startswith("rmsmp_hls")]
        return
    assert area in ALLOWED, f"area {area!r} is not in the table: decide where it stands"
    found = {n.split(".")[1] for n in _imports(path) if n.startswith("rmsmp_hls.")}
    forbidden = found - ALLOWED[area] - BASE - {area, "__version__"}
    assert not forbidden, f"{area} may not import {sorted(forbidden)}"


@pytest.mark.parametrize("library", SEAMS)
def test_heavy_libraries_have_their_seams(library: str) -> None:
    """torch, onnx, click, jinja2 and subprocess are imported only where the table says."""
    for path in MODULES:
        if library not in {name.split(".")[0] for name in _imports(path)}:
            continue
        relative = path.relative_to(PACKAGE).as_posix()
        assert relative in SEAMS[library] or _area(path) in SEAMS[library], relative


def test_the_table_has_no_cycle() -> None:
    """The allowed imports are an order."""
    left = {area: set(allowed) for area, allowed in ALLOWED.items()}
    while left:
        free = [area for area, allowed in left.items() if not allowed & set(left)]
        assert free, f"cycle among {sorted(left)}"
        for area in free:
            del left[area]


@pytest.mark.parametrize(
    "path",
    [
        p
        for folder, patterns in {
            "rmsmp_hls": ["*.py"], "hls_cpp": ["*.hpp", "*.h", "*.cpp"], "tests": ["*.py"],
            "vivado_scripts": ["*.tcl"], "examples": ["*.py"], "benchmarks": ["*.py"],
        }.items()
        for pattern in patterns
        for p in sorted((ROOT / folder).rglob(pattern))
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_files_stay_small(path: Path) -> None:
    """No file passes 400 lines."""
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((ROOT / "templates").glob("*.j2")), ids=lambda p: p.name)
def test_templates_hold_facts_not_logic(path: Path) -> None:
    """Templates have no `set`, no macros and no arithmetic."""
    text = path.read_text()
    for word in ("{% set", "{% macro", "{% call"):
        assert word not in text, f"{path.name} uses {word}"
