"""Tensors in memory, rows in lanes, tiles in time: IntGraph -> Schedule."""
