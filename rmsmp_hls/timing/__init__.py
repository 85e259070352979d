"""The cycle simulator: a packed program, a board and a clock -> every cycle and every stall."""
