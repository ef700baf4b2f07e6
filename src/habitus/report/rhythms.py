"""The section on how activity lasts, returns and pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from habitus.evaluation import Evaluation, Summary
from habitus.evaluation.metrics.active_users import retention
from habitus.evaluation.metrics.compare import silent_days
from habitus.evaluation.metrics.correlations import daily_autocorrelation
from habitus.report import figures
from habitus.report.page import Easel, Plate, Section
from habitus.schema import Axes

T = TypeVar("T")
NOTE = (
    "What curves over dates do not show: whether users come back, how long they stay away, and "
    "whether a day is like the days before it."
)


def rhythm_section(
    easel: Easel, evaluation: Evaluation, populations: Mapping[str, Summary]
) -> Section:
    """Totals of users, retention, silences, autocorrelation and the week.

    Args:
        easel: Draws the figures.
        evaluation: What was found.
        populations: What to draw in curves, by name.
    """
    plates = [_totals(easel, populations), *_lasting(easel, evaluation.reference.axes, populations)]
    return Section(
        "How activity lasts, returns and pauses", NOTE, [*plates, *_weeks(easel, evaluation)]
    )


def _of_each(populations: Mapping[str, Summary], of: Callable[[Summary], T]) -> dict[str, T]:
    return {name: of(each) for name, each in populations.items()}


def _totals(easel: Easel, populations: Mapping[str, Summary]) -> Plate:
    """Totals in events where every population has them, else in peaks."""
    raw = {name: each.raw_channel_totals for name, each in populations.items()}
    counts = {name: each for name, each in raw.items() if each is not None}
    in_events = len(counts) == len(raw)
    totals = counts if in_events else _of_each(populations, lambda each: each.channel_totals)
    label = f"total of a user, in {'events' if in_events else 'peaks'}"
    figure = figures.total_cdf({name: each.sum(axis=1) for name, each in totals.items()}, label)
    return easel.plate(
        "Light and heavy users", "How many users have at most so much in the whole window.", figure
    )


def _lasting(easel: Easel, axes: Axes, populations: Mapping[str, Summary]) -> Iterator[Plate]:
    if axes.days > 1:
        curves = _of_each(populations, lambda each: retention(each.active))
        caption = (
            "Of users still in the window: how many are active so many days after their first "
            "active day."
        )
        yield easel.plate("Retention", caption, figures.retention_curves(curves))
    if axes.days > 2:
        days = _of_each(populations, silent_days)
        caption = "Runs of days without activity between two active days of a user."
        yield easel.plate("Silent days", caption, figures.silence_curves(days, "days"))
    if axes.days * axes.slots > 2:
        slots = _of_each(populations, lambda each: each.silent_slots)
        caption = "Runs of time without activity between two active slots of a user."
        yield easel.plate(
            "Silent hours", caption, figures.silence_curves(slots, "hours", axes.slot_minutes)
        )
    if axes.days > 3:
        lags = _of_each(populations, lambda each: daily_autocorrelation(each.daily_totals))
        caption = (
            "Correlation of a user's daily totals with those some days before, averaged over users."
        )
        yield easel.plate("Autocorrelation", caption, figures.autocorrelation_curves(lags))


def _weeks(easel: Easel, evaluation: Evaluation) -> Iterator[Plate]:
    both = {"reference": evaluation.reference, "generated": evaluation.generated}
    weeks = {name: week for name, each in both.items() if (week := each.week(2)) is not None}
    if len(weeks) == len(both) and evaluation.reference.axes.days > 1:
        figure = figures.week_pictures(evaluation.reference.axes, weeks)
        caption = "All channels together, as shares of the whole week."
        yield easel.plate("Hours of the week", caption, figure, wide=True)
