"""Metrics of profiles and series by topic: active users, totals, distances, correlations."""
