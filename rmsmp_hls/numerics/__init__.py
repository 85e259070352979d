"""Pure functions on numpy arrays: codebooks, scales, requantization."""
