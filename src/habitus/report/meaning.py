"""Names, units and texts of the figures in ``metrics.json``, in the order of the table."""

from __future__ import annotations

from typing import NamedTuple

NATS = "nats"
SHARE = "%"
POINTS = "percentage points"
PEAKS = "peaks², a peak being a user's busiest cell"
EVENTS = "events²"


class Meaning(NamedTuple):
    """A figure in words."""

    name: str
    unit: str
    words: str


MEANING = {
    "daily_mean.kld": Meaning(
        "Daily mean, shape",
        NATS,
        "Are the busy days the busy days? Divergence of the two curves, each scaled to sum to one.",
    ),
    "daily_mean.mse": Meaning(
        "Daily mean, level",
        PEAKS,
        "Is the average user as active? Mean squared distance between the two curves.",
    ),
    "daily_std.kld": Meaning(
        "Daily spread, shape",
        NATS,
        "Do users differ from each other on the same days? Divergence of the two curves.",
    ),
    "daily_std.mse": Meaning(
        "Daily spread, level",
        PEAKS,
        "Do users differ from each other as much? Mean squared distance between the two curves.",
    ),
    "total_cdf.ks": Meaning(
        "Totals",
        POINTS,
        "Are light and heavy days as frequent? Largest gap between the two cumulative "
        "distributions.",
    ),
    "dau.relative_error": Meaning(
        "Daily active users",
        SHARE,
        "How far off a dashboard would be: mean distance, relative to the real mean.",
    ),
    "dau.kld": Meaning(
        "Daily active users, shape",
        NATS,
        "Divergence of the two curves, each scaled to sum to one.",
    ),
    "wau.relative_error": Meaning(
        "Weekly active users", SHARE, "The same for users active within 7 days."
    ),
    "wau.kld": Meaning("Weekly active users, shape", NATS, "Divergence of the two curves."),
    "mau.relative_error": Meaning(
        "Monthly active users", SHARE, "The same for users active within 30 days."
    ),
    "mau.kld": Meaning("Monthly active users, shape", NATS, "Divergence of the two curves."),
    "raw_daily_mean.kld": Meaning(
        "Daily mean of events, shape",
        NATS,
        "As the daily mean, but in events instead of shares of a user's busiest cell.",
    ),
    "raw_daily_mean.mse": Meaning("Daily mean of events, level", EVENTS, "The same, its level."),
    "raw_daily_std.kld": Meaning(
        "Daily spread of events, shape", NATS, "As the daily spread, but in events."
    ),
    "raw_daily_std.mse": Meaning("Daily spread of events, level", EVENTS, "The same, its level."),
    "channel_overlap.mean_absolute_difference": Meaning(
        "Channels sharing an hour",
        POINTS,
        "Where one channel is active, how often is another? Mean difference over all pairs.",
    ),
    "hour_of_day.jsd": Meaning(
        "Hours of the day",
        NATS,
        "Jensen-Shannon divergence of each channel's shape of the day, averaged over channels.",
    ),
    "weekday.jsd": Meaning(
        "Weekdays",
        NATS,
        "Jensen-Shannon divergence of each channel's shape of the week, averaged over channels.",
    ),
    "hour_of_week.jsd": Meaning(
        "Hours of the week",
        NATS,
        "Jensen-Shannon divergence of all activity over weekdays and hours together.",
    ),
    "channel_correlation.mean_absolute_difference": Meaning(
        "Correlation of channels",
        "",
        "Do users of one channel use another? Mean difference of the correlations of their totals.",
    ),
    "user_totals.ks": Meaning(
        "Totals of users",
        POINTS,
        "Are light and heavy users as frequent? Largest gap between the cumulative distributions "
        "over users.",
    ),
    "user_totals.log_quantile_error": Meaning(
        "Totals of users, quantiles",
        "",
        "How heavy are heavy users? Mean |log ratio| of the median, 90, 99 and 99.9 % quantile: "
        "0.1 is 10 % off.",
    ),
    "user_totals.tail_index_error": Meaning(
        "Totals of users, tail",
        "",
        "How fast the heaviest users get rarer: |log ratio| of Hill's index of the top 5 %.",
    ),
    "silences.days_ks": Meaning(
        "Silences in days",
        POINTS,
        "How long users stay away: largest gap between the cumulative distributions of runs of "
        "silent days.",
    ),
    "silences.slots_ks": Meaning(
        "Silences in hours", POINTS, "The same for runs of silent hours (slots)."
    ),
    "retention.relative_error": Meaning(
        "Retention",
        SHARE,
        "Who is active again k days after the first day? Mean distance of the curves, relative to "
        "the real mean.",
    ),
    "stickiness.dau_mau": Meaning(
        "Stickiness, DAU / MAU",
        SHARE,
        "How many of a month's users come on a day: relative error of the mean.",
    ),
    "stickiness.dau_wau": Meaning("Stickiness, DAU / WAU", SHARE, "The same of a week's users."),
    "autocorrelation.mean_absolute_difference": Meaning(
        "Autocorrelation",
        "",
        "Do days resemble those before? Mean difference of the autocorrelations of daily totals, "
        "up to 14 days.",
    ),
}

REGION = {
    "squared_error": Meaning(
        "Squared error",
        PEAKS,
        "Squared distance of the expected value from the truth, summed over missing cells.",
    ),
    "mean_absolute_error": Meaning(
        "Absolute error",
        "peaks",
        "Distance of the median draw from the truth, summed over missing cells. Most cells are "
        "empty, so leaving everything empty does well here.",
    ),
    "crps": Meaning(
        "CRPS",
        "peaks",
        "Continuous ranked probability score of the draws, summed over missing cells: how far the "
        "drawn distribution is from what happened. For a single value it is the absolute error.",
    ),
    "levels.day.crps": Meaning(
        "CRPS per day", "peaks", "The same for the daily totals of missing cells, summed over days."
    ),
    "coverage_50": Meaning(
        "50 % coverage",
        SHARE,
        "Share of daily totals within the middle half of the draws: 50 % is right.",
    ),
    "coverage_90": Meaning(
        "90 % coverage",
        SHARE,
        "Share of daily totals within the middle 90 % of the draws: 90 % is right.",
    ),
    "log_likelihood": Meaning(
        "Log-likelihood",
        NATS,
        "Log-probability of the truth's size class under the draws, summed: higher is better.",
    ),
}
"""The figures of filled cells, in the order of the table; each is a mean over profiles."""

METHODS = {
    "zeros": "nothing happens",
    "population_mean": "the average training profile, scaled to the user",
    "own_mean": "the user's own average for that weekday and hour",
    "last_week": "the same hour a week before",
    "nearest_neighbours": "the 50 training profiles most alike",
    "interpolation": "a line between the known days on either side",
    "seasonal_naive": "the weekly pattern of the user's daily totals, repeated",
    "arima": "an ARIMA model of the user's daily totals",
    "ets": "exponential smoothing of the user's daily totals",
}
"""What fills the same cells without learning from many users."""

BASELINE_WORDS = {
    "independent_cells": "every cell drawn by itself, filled as often as in real profiles, so that "
    "its averages are right by construction and its users are not",
}
