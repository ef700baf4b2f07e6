"""Types of options: one for each meaning of a number or a date, shared by all commands.

Limits and messages are those of :mod:`habitus.settings`, which classes of settings share. An option
takes a type as keyword arguments: ``typer.Option(help="How many users.", **POSITIVE)``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from habitus import settings


def of(meaning: Any, metavar: str) -> dict[str, Any]:
    """Arguments of ``typer.Option`` for values of a type hint with limits."""

    @cache
    def adapter() -> TypeAdapter[Any]:
        # Made when a value is given: a help would wait for the types of all options.
        return TypeAdapter(meaning, config=settings.RULES)

    def parse(value: Any) -> Any:
        try:
            return adapter().validate_python(value)
        except ValidationError as error:
            raise typer.BadParameter(settings.one_line(error).removeprefix("the value ")) from None

    return {"parser": parse, "metavar": metavar}


POSITIVE = of(settings.Positive, "INTEGER")
SEVERAL = of(settings.Several, "INTEGER")
WHOLE = of(settings.Whole, "INTEGER")
DAYS = of(settings.Days, "INTEGER")
SEED = of(settings.Seed, "INTEGER")
RATE = of(settings.Rate, "NUMBER")
FACTOR = of(settings.Factor, "NUMBER")
SHARE = of(settings.Share, "SHARE")
CLOSED_SHARE = of(settings.ClosedShare, "SHARE")
OPEN_SHARE = of(settings.OpenShare, "SHARE")
POSITIVE_SHARE = of(settings.PositiveShare, "SHARE")
DATE = of(settings.Date, "DATE")
