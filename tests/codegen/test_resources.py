"""Assets are found in a checkout and in a wheel, and their absence is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls import resources
from rmsmp_hls.errors import CodegenError
from rmsmp_hls.resources import ASSETS, asset_dir, asset_files


@pytest.mark.parametrize("name", ASSETS)
def test_assets_are_found(name: str) -> None:
    """Every asset folder exists here and holds files."""
    assert any(asset_dir(name).iterdir())


def test_a_wheel_comes_before_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_assets` inside the package wins; without it the folder beside the package serves."""
    package = tmp_path / "rmsmp_hls"
    (package / "_assets" / "templates").mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    (tmp_path / "hls_cpp").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert asset_dir("templates") == package / "_assets" / "templates"
    assert asset_dir("hls_cpp") == tmp_path / "hls_cpp"
    with pytest.raises(CodegenError, match="vivado_scripts") as caught:
        asset_dir("vivado_scripts")
    assert caught.value.fix == "reinstall rmsmp-hls"


def test_files_by_pattern() -> None:
    """Names and contents, hidden files left out; no match is an error."""
    files = asset_files("vivado_scripts", "*.tcl")
    assert {"steps.tcl", "csynth.tcl"} <= set(files)
    assert files["steps.tcl"] == (asset_dir("vivado_scripts") / "steps.tcl").read_bytes()
    assert not any(name.startswith(".") for name in asset_files("templates", "*"))
    with pytest.raises(CodegenError, match="lacks its files"):
        asset_files("templates", "*.none")
    with pytest.raises(CodegenError, match="lacks its files"):
        asset_files("hls_cpp/none", "*")


def test_unknown_assets_are_a_bug() -> None:
    """Only the listed folders."""
    with pytest.raises(ValueError, match="unknown assets"):
        asset_dir("etc")
