"""FIFO depths and burst settings of the generated accelerator: one table for the code generator
and for the cycle simulator."""

from __future__ import annotations

from dataclasses import dataclass

# The weight FIFO is the prefetch buffer and fills a block RAM's 512 words; the others decouple
# neighbours and stay in shift registers or LUT memory.
FIFO_DEPTHS = (
    ("ops", 64),
    ("segments", 16),
    ("counts", 2),
    ("weights", 512),
    ("params", 16),
    ("inputs", 32),
    ("outputs", 64),
)
"""FIFO, depth in elements, in the order of the generated config."""


@dataclass(frozen=True, slots=True)
class PortBursts:
    """Burst settings of one memory port.

    Attributes:
        burst_words: most words of a burst. 64 beats of at most 512 bits are the 4 KiB that a burst
            may span.
        reads, writes: bursts that may be on their way in each direction, 0 for none. The adapter
            holds burst_words x outstanding words on chip; only the weights need many requests.
    """

    burst_words: int
    reads: int = 0
    writes: int = 0


PORT_BURSTS = {
    "program": PortBursts(64, reads=2),
    "weights": PortBursts(64, reads=16),
    "params": PortBursts(16, reads=4),
    "input": PortBursts(64, reads=8),
    "output": PortBursts(64, writes=8),
    "spill": PortBursts(64, reads=8, writes=8),
}
"""Memory ports of the top function, in the order of its arguments."""
