"""Latents of a run: traversals, explanations and cohorts."""
