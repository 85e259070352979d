"""What was measured, as terminal table, JSON and HTML."""
