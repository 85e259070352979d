"""Boards, the array's shape, and what they cost."""
