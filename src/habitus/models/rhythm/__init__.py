"""Rhythm: users drawn day after day, with true zeros."""
