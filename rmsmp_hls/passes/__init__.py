"""QuantGraph -> IntGraph."""
