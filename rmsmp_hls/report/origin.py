"""Where figures come from."""

from __future__ import annotations

from enum import Enum


class Origin(Enum):
    """Where a group of figures comes from."""

    MEASURED = "measured"  # counted or timed by running something
    SIMULATED = "simulated"  # from the C simulation of the generated project
    MODELLED = "modelled"  # from a formula; no vendor tool has confirmed it
    PUBLISHED = "published"  # from a paper or data sheet
