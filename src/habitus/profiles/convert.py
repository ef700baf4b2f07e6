"""Profiles to and from pandas and events."""
