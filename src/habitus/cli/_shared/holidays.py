"""Warnings about holidays that have no effect."""

from __future__ import annotations

from habitus.cli._console import warn
from habitus.models.base import Model
from habitus.profiles.calendar import Calendar
from habitus.profiles.store import StoredProfiles

NO_EFFECT = (
    "holidays have no effect, as this run learnt without any; fit a rhythm to profiles with some "
    "in their windows"
)


def warn_of_no_effect(model: Model) -> None:
    """Warn where holidays have no effect on a model."""
    if not model.knows_holidays:
        warn(NO_EFFECT)


def warn_of_own_holidays(model: Model, *sources: StoredProfiles) -> None:
    """Warn likewise where profiles have holidays and the model takes days as input."""
    if model.conditions_on_calendar and any(
        Calendar.of(each.about).has_holidays(each.users, each.axes) for each in sources
    ):
        warn_of_no_effect(model)
