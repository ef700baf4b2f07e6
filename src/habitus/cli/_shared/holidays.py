"""A word to who gives holidays to a run that knows of none."""

from __future__ import annotations

from habitus.cli._console import warn
from habitus.models.base import Model
from habitus.profiles.calendar import Calendar
from habitus.profiles.store import StoredProfiles

NO_EFFECT = "holidays have no effect, as this run learnt without any; fit a rhythm to profiles with some in their windows"


def warn_of_no_effect(model: Model) -> None:
    """Say that holidays have no effect on a model, where that is so."""
    if not model.knows_holidays:
        warn(NO_EFFECT)


def warn_of_own_holidays(model: Model, *sources: StoredProfiles) -> None:
    """The same of holidays in the windows of profiles, for a model that is told of days."""
    if model.conditions_on_calendar and any(
        Calendar.of(each.about).has_holidays(each.users, each.axes) for each in sources
    ):
        warn_of_no_effect(model)
