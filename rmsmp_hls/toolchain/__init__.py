"""External programs: g++, and what they said."""
