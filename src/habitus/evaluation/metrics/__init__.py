"""Metrics of profiles and of series, by topic: active users, totals, distances, correlations, transitions."""
