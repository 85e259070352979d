"""IntGraph + Schedule -> PackedDesign, and its files."""
