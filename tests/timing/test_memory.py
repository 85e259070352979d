"""How requests are cut into bursts."""

from __future__ import annotations

import pytest

from rmsmp_hls.timing.machine import PortTiming
from rmsmp_hls.timing.memory import burst_length


@pytest.mark.parametrize(
    ("word_bytes", "first", "left", "length"),
    [
        (16, 0, 1000, 64),  # the port's longest burst
        (16, 0, 5, 5),  # what is left
        (16, 250, 1000, 6),  # up to the 4 KiB boundary, 256 words of 16 bytes
        (16, 256, 1000, 64),
        (4, 1023, 9, 1),
        (64, 63, 64, 1),
    ],
)
def test_a_burst_ends_at_its_limit_or_at_a_page(
    word_bytes: int, first: int, left: int, length: int
) -> None:
    """The shortest of the port's limit, the words left and the words to the next 4 KiB."""
    assert burst_length(PortTiming(word_bytes, 64, 4, 0), first, left) == length
