"""One folder of compiled testbenches for all tests of this process."""

from __future__ import annotations

import pytest

from tests.fuzz.simulator import Simulator


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    """Compiles every array once."""
    return Simulator(tmp_path_factory.mktemp("fuzz"))
