"""Filled and cleaned values against the truth: missing regions of profiles, noise of series."""
