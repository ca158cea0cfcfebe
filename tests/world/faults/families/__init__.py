"""The scenarios, one module per family; each fault stands beside what resembles it."""
