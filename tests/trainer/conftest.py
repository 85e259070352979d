"""One whole training, for the tests that compare with it or look at what it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.samples import config, run


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(config(out))
    return out
