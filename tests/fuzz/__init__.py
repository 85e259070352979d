"""Differential fuzzing: random networks through every implementation; `python -m tests.fuzz`."""
