"""Measures analyzerd beside other tools; see docs/performance.md."""
