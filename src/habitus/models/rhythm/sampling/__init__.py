"""Drawing from Rhythm by compiled loops."""
