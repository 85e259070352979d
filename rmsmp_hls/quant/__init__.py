"""FloatGraph + row formats + activation formats -> QuantGraph."""
