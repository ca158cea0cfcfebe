"""The whole way: a fault, its diagnosis, the advice applied, and the verdict on it."""
