"""The file of a sweep: values, defaults, and all that is wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.config.sweep_file import SweepOptions, load_sweep
from rmsmp_hls.errors import ConfigError


def _load(folder: Path, text: str) -> SweepOptions:
    (folder / "s.yaml").write_text(text)
    return load_sweep(folder / "s.yaml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Models and board files; names of boards stay names; ratios are no numbers of base 60."""
    found = _load(
        tmp_path, "models: [a.pt, /b.pt]\nboards: [zcu102, my.yaml]\nratios: [65:30:5, 1:1:1]\n"
    )
    assert found.models == (tmp_path / "a.pt", Path("/b.pt"))
    assert found.boards == ("zcu102", str(tmp_path / "my.yaml"))
    assert found.ratios == ((65, 30, 5), (1, 1, 1))
    assert found.clocks == (None,)
    assert _load(tmp_path, "models: a.pt\nboards: kv260\nclocks: 99.5\n").clocks == (99.5,)


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    """With lines and the nearest key."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "model: a.pt\nclocks: [x]\nratios: [1:2]\nboards: {a: b}\n")
    text = "\n".join(finding.message() for finding in caught.value.findings)
    for part in ("s.yaml:1", "models", "s.yaml:2", "s.yaml:3", "three numbers", "s.yaml:4"):
        assert part in text
    with pytest.raises(ConfigError, match="models is missing"):
        _load(tmp_path, "boards: [zcu102]\n")
    with pytest.raises(ConfigError, match="list of"):
        _load(tmp_path, "")
