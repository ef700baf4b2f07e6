"""Compiled twin of what the loss computes: draws users day after day (Numba)."""
