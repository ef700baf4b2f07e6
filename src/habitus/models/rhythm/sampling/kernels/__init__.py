"""The compiled loops that draw from Rhythm."""
