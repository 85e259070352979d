"""What a network could become on a board: the designs that no other design beats in everything."""
