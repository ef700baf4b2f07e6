"""Compiled sampler (Numba) of the distributions whose log-probabilities the loss computes."""
