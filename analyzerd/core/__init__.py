"""Decides. Deterministic, total, free of I/O: the same inputs give the same effects, live or replayed."""
