"""Days of generated users: the window, its weekdays and its holidays."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from habitus.models.base import GenerativeModel
from habitus.models.parts.examples import Days
from habitus.profiles.calendar import Calendar
from habitus.profiles.sparse import numbered
from habitus.profiles.windows import starting, starting_anywhere
from habitus.schema import Axes
from habitus.training.encoding import Known


def window_of(model: GenerativeModel, days: int | None, start: dt.date | None) -> Axes:
    """Make the axes of the window in which a model draws users.

    Args:
        model: Model that draws the users.
        days: Length of the window; None for that of the model's fit.
        start: First day of the window; None for that of the model's fit.

    Raises:
        ValueError: if the model does not condition on the calendar, and the length or the first
            weekday is not that of its fit.
    """
    axes = model.axes.with_unit(model.unit)
    if days is not None and days != axes.days:
        if not model.conditions_on_calendar:
            raise ValueError(
                f"a {type(model).__name__} draws windows of {axes.days} days, got days {days}; "
                "leave --days out, or take a run of a rhythm"
            )
        axes = replace(axes, days=days)
    if start is None:
        return axes
    place = starting_anywhere if model.conditions_on_calendar else starting
    return place(axes, start)


def calendar_of(
    axes: Axes, about: dict[str, Any], holidays: tuple[dt.date, ...] | None
) -> Calendar:
    """Holidays in a window: those given, or those of the run's own log."""
    return Calendar(Calendar.of(about).holidays if holidays is None else holidays).within(axes)


def days_of(axes: Axes, calendar: Calendar) -> Days:
    """Days of a window, [1, D]."""
    return Known({}, calendar).days(numbered(1), axes)
