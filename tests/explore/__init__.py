"""Tests of the exploration of designs."""
