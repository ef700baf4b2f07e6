"""The figures of a report, each with a title, a caption and words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from habitus.evaluation import (
    ACTIVITIES,
    Evaluation,
    Summary,
    active_users,
    conditional_overlap,
    daily_mean,
    daily_std,
)
from habitus.report import figures
from habitus.report.page import Easel, Plate, Section
from habitus.report.rhythms import rhythm_section
from habitus.report.samples import SEED, random_pictures
from habitus.report.wording import Row, baseline_name
from habitus.schema import Axes, FloatArray, ProfileSource

PERIODS = {
    "dau": ("Daily", "on the day"),
    "wau": ("Weekly", "within 7 days"),
    "mau": ("Monthly", "within 30 days"),
}
POPULATIONS = {"reference": "Real", "generated": "Generated"}


def overview(easel: Easel, rows: Sequence[Row]) -> Plate | None:
    """Every figure as a multiple of its floor."""
    rated = [row for row in rows if row.ratio is not None]
    if not rated:
        return None
    ratios = {"generated": [row.ratio for row in rated]}
    for baseline in dict.fromkeys(name for row in rated for name in row.baselines):
        ratios[baseline_name(baseline)] = [row.over_floor(baseline) for row in rated]
    columns = {name: np.array(values, float) for name, values in ratios.items()}
    figure = figures.ratio_dots([row.name for row in rated], columns)
    caption = (
        "Each distance as a multiple of what another real sample scores; "
        "a dot without a value is left out."
    )
    return easel.plate("All figures at a glance", caption, figure, wide=True)


def sections(
    easel: Easel,
    evaluation: Evaluation,
    generated: ProfileSource,
    reference: ProfileSource,
    history: Mapping[str, Sequence[float]] | None,
) -> Iterator[Section]:
    """All sections with figures, in the order of the page."""
    shown = figures.shown_channels(evaluation.reference.mean_picture.sum((0, 1)))
    yield _samples(easel, generated, reference, shown)
    yield _means(easel, evaluation, shown)
    yield _over_days(easel, evaluation)
    yield rhythm_section(easel, evaluation, _populations(evaluation))
    yield _shapes(easel, evaluation)
    if history and any(len(values) for values in history.values()):
        yield _training(easel, history)


def _samples(
    easel: Easel, generated: ProfileSource, reference: ProfileSource, channels: Sequence[int]
) -> Section:
    both = {"reference": random_pictures(reference), "generated": random_pictures(generated)}
    plates = []
    for name, pictures in both.items():
        axes = reference.axes if name == "reference" else generated.axes
        caption = f"{len(pictures)} profiles drawn at random (seed {SEED}), not picked by hand."
        figure = figures.sample_pictures(axes, pictures, channels=channels)
        plates.append(
            easel.plate(f"{POPULATIONS[name]} profiles", caption, figure, alt=_filled(pictures))
        )
    note = (
        "One row per profile, one panel per channel: days downward, hours across, black where "
        "nothing happened, brighter where more did, as a share of the profile's busiest cell."
        + _shown(reference.axes, len(channels))
    )
    return Section("What single profiles look like", note, plates)


def _filled(pictures: FloatArray) -> str:
    counts = np.count_nonzero(pictures.reshape(len(pictures), -1), axis=1)
    return f"Non-empty cells per profile: {', '.join(map(str, counts.tolist()))}."


def _shown(axes: Axes, most: int) -> str:
    """Say it where not all channels are drawn."""
    count = len(axes.channels)
    return "" if count <= most else f" Shown are the {most} busiest of {count} channels."


def _means(easel: Easel, evaluation: Evaluation, channels: Sequence[int]) -> Section:
    both = {"reference": evaluation.reference, "generated": evaluation.generated}
    peaks = np.max([each.mean_picture.max((0, 1)) for each in both.values()], axis=0)
    plates = []
    for name, each in both.items():
        figure = figures.mean_pictures(
            each.axes,
            each.mean_picture,
            channels=channels,
            peaks=peaks,
            unit="mean share of own peak",
        )
        title = f"{POPULATIONS[name]}, mean of {each.users:,}"
        plates.append(easel.plate(title, "", figure, alt="Heat map per channel, days by hours."))
    note = (
        "The average over all profiles, by day and hour; a channel has the same colour scale on "
        "both sides." + _shown(evaluation.reference.axes, len(channels))
    )
    return Section("What the average profile looks like", note, plates)


def _over_days(easel: Easel, evaluation: Evaluation) -> Section:
    note = (
        "An interaction count is a share of the user's own busiest cell (a “peak”), as generated "
        "profiles are on that scale. Weekends are shaded where the calendar is known."
    )
    plates = [
        *_statistics(easel, evaluation),
        *_activity(easel, evaluation),
        _totals(easel, evaluation),
    ]
    return Section("How the population behaves over the days", note, plates)


def _statistics(easel: Easel, evaluation: Evaluation) -> Iterator[Plate]:
    """Daily mean and standard deviation of total interaction counts."""
    axes = evaluation.reference.axes
    mean = _curves(evaluation, lambda each: daily_mean(each.daily_totals))
    caption = "Total interactions of a user on a day, averaged over users."
    yield easel.plate(
        "Daily mean", caption, figures.day_curves(axes, mean, "mean, in peaks"), alt=_ranges(mean)
    )
    std = _curves(evaluation, lambda each: daily_std(each.daily_totals))
    caption = "Standard deviation over users of the same totals."
    figure = figures.day_curves(axes, std, "standard deviation, in peaks")
    yield easel.plate("Daily spread", caption, figure, alt=_ranges(std))


def _activity(easel: Easel, evaluation: Evaluation) -> Iterator[Plate]:
    """DAU, WAU and MAU, those that fit into the window."""
    axes = evaluation.reference.axes
    for activity in ACTIVITIES:
        if activity.window <= axes.days:
            name, period = PERIODS[activity.name]
            shares = _curves(evaluation, partial(_active, window=activity.window))
            figure = figures.share_curves(
                axes, shares, "share of users", full_from=activity.first_day
            )
            caption = f"Users with any activity {period}." + _cut(activity.window)
            yield easel.plate(f"{name} active users", caption, figure, alt=_ranges(shares))


def _active(summary: Summary, *, window: int) -> FloatArray:
    return active_users(summary.active, window)


def _totals(easel: Easel, evaluation: Evaluation) -> Plate:
    totals = _curves(evaluation, lambda each: each.daily_totals)
    figure = figures.total_cdf(totals, "total interactions of a user on a day, in peaks")
    return easel.plate("Totals", "How many user-days have at most so many interactions.", figure)


def _curves(evaluation: Evaluation, of: Callable[[Summary], FloatArray]) -> dict[str, FloatArray]:
    """The same numbers of every population."""
    return {name: of(each) for name, each in _populations(evaluation).items()}


def _cut(window: int) -> str:
    return (
        ""
        if window == 1
        else f" Left of the dotted line fewer than {window} days are there to look at."
    )


def _populations(evaluation: Evaluation) -> dict[str, Summary]:
    """Baselines below, then the floor, so that real and generated lie on top."""
    baselines = {baseline_name(name): each for name, each in evaluation.baseline_summaries.items()}
    ours = {"reference": evaluation.reference, "generated": evaluation.generated}
    return ours | {"floor": evaluation.floor_sample} | baselines


def _ranges(curves: Mapping[str, FloatArray]) -> str:
    """The curves in words."""
    parts = [
        f"{figures.LABELS.get(name, name)} from {np.nanmin(each):.3g} to {np.nanmax(each):.3g}, "
        f"highest on day {int(np.nanargmax(each)) + 1}"
        for name, each in curves.items()
    ]
    return "Lines: " + "; ".join(parts) + "."


def _shapes(easel: Easel, evaluation: Evaluation) -> Section:
    axes = evaluation.reference.axes
    three = {
        "reference": evaluation.reference,
        "generated": evaluation.generated,
        "floor": evaluation.floor_sample,
    }
    slots = {name: each.slot_channel for name, each in three.items()}
    alt = "One panel per channel with a line each for real, generated and another real sample."
    plates = [
        easel.plate("Shape of the day", "", figures.slot_shapes(axes, slots), alt=alt, wide=True)
    ]
    weekdays = {name: shape for name, each in three.items() if (shape := each.week(1)) is not None}
    if len(weekdays) == len(three) and axes.days > 1:
        figure = figures.weekday_shapes(axes, weekdays)
        plates.append(easel.plate("Shape of the week", "", figure, alt=alt, wide=True))
    if len(axes.channels) > 1:
        plates.append(_overlap(easel, evaluation))
    note = "Each channel's activity as shares that sum to one." + _shown(
        axes, figures.MOST_SMALL_PANELS
    )
    return Section("When each channel is used", note, plates)


def _overlap(easel: Easel, evaluation: Evaluation) -> Plate:
    both = {"reference": evaluation.reference, "generated": evaluation.generated}
    matrices = {name: conditional_overlap(each.channel_overlap) for name, each in both.items()}
    caption = (
        "Of the hours in which a user is active on the row's channel: "
        "how often on the column's channel too."
    )
    figure = figures.overlap_matrices(evaluation.reference.axes, matrices)
    return easel.plate("Channels that share an hour", caption, figure, wide=True)


def _training(easel: Easel, history: Mapping[str, Sequence[float]]) -> Section:
    caption = (
        "Where many steps are recorded, the thin line shows each and the thick one is smoothed; "
        "the fall of the first steps may leave the panel."
    )
    figure = figures.loss_curves(history)
    return Section(
        "How the training went",
        "",
        [easel.plate("Loss and its two parts", caption, figure, wide=True)],
    )
