"""Fit any model to any data: configuration, training data, loop, precision and encoding."""
