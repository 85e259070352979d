"""Dask does what processes do."""

from __future__ import annotations

import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.explore import engines
from tests.explore.test_sweep import square


@pytest.mark.slow
def test_dask_gives_every_result_and_every_error() -> None:
    """Two local workers; the point that raises does not stop the others."""
    pytest.importorskip("distributed")
    tasks = {f"k{n}": {"n": n} for n in range(5)}
    tasks["k3"]["raise"] = 1
    found = dict(engines.run_on_dask(square, tasks, 2, None))
    assert isinstance(found.pop("k3"), ValueError)
    assert found == {f"k{n}": {"square": n * n} for n in (0, 1, 2, 4)}


def test_dask_that_is_absent_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs, with the extra to install."""
    monkeypatch.setattr(engines, "dask_is_there", lambda: False)
    with pytest.raises(ConfigError, match=r"rmsmp-hls\[dask\]"):
        list(engines.run_on_dask(square, {"a": {"n": 1}}, 1, "tcp://127.0.0.1:1"))
