"""Values that texts of options stand for, and options that do not go with others."""

from __future__ import annotations

import re
from typing import Any, Literal

from habitus.schema import MINUTES_PER_DAY, WEEKDAYS

SLOT = re.compile(r"(\d+)\s*(m|min|h)?")
SHARD = re.compile(r"(\d+)\s*/\s*(\d+)")


def refuse_options_of(kind: Literal["profiles", "series"], **options: Any) -> None:
    """Refuse options that are for profiles where series were given, or the other way round.

    Raises:
        ValueError: naming the first that was given.
    """
    other = "series" if kind == "profiles" else "profiles"
    for name, value in options.items():
        if value is not None and value is not False:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} is for {kind}, but {other} were given; leave it out")


def slot_minutes(text: str) -> int:
    """Minutes in a slot given as ``1h``, ``30m`` or ``30``.

    Raises:
        ValueError: if it is not such a length, or does not divide a day.

    >>> slot_minutes("2h"), slot_minutes("15m"), slot_minutes("90")
    (120, 15, 90)
    """
    match = SLOT.fullmatch(text.strip().lower())
    minutes = int(match[1]) * (60 if match[2] == "h" else 1) if match else 0
    if not minutes or MINUTES_PER_DAY % minutes:
        raise ValueError(
            f"--slot must be a length that divides a day, such as 1h, 30m or 15m; got {text!r}"
        )
    return minutes


def weekday_number(name: str | None) -> int | None:
    """Parse the name of a weekday, by its first three letters: 0 for Monday to 6 for Sunday.

    Raises:
        ValueError: for an unknown weekday.

    >>> weekday_number("Monday"), weekday_number("sun"), weekday_number(None)
    (0, 6, None)
    """
    if name is None:
        return None
    short = name.strip().lower()[:3]
    if short not in (days := [day.lower() for day in WEEKDAYS]):
        raise ValueError(f"--align must be a weekday such as monday, got {name!r}")
    return days.index(short)


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Names separated by commas.

    Raises:
        ValueError: for an empty one, or one that comes twice.

    >>> names_of("web, phone")
    ('web', 'phone')
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"--channels must be distinct names separated by commas, got {text!r}")
    return names


def shard_of(text: str) -> tuple[int, int]:
    """Parse a part and the number of parts, given as ``3/16``.

    Raises:
        ValueError: for text of another form, or a part outside 1 to the number of parts.

    >>> shard_of("3/16")
    (3, 16)
    """
    match = SHARD.fullmatch(text.strip())
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise ValueError(f"--shard must be like 3/16, from 1/16 to 16/16; got {text!r}")
    return number, of


def threshold_of(text: str) -> float | None:
    """Parse a zero threshold: None for auto, 0 for off, else the number.

    Raises:
        ValueError: if it is none of these.

    >>> threshold_of("auto"), threshold_of("off"), threshold_of("0.05")
    (None, 0.0, 0.05)
    """
    if text in ("auto", "off"):
        return None if text == "auto" else 0.0
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--threshold must be auto, off or a number, got {text!r}") from None


def weights_of(text: str) -> dict[int, float]:
    """Parse --cohorts to weights by cohort number; the weight is 1 where none is given.

    Raises:
        ValueError: for text of another form, or a repeated cohort.

    >>> weights_of("3:0.7, 5:0.3"), weights_of("3")
    ({3: 0.7, 5: 0.3}, {3: 1.0})
    """
    weights = dict[int, float]()
    for part in text.split(","):
        number, colon, weight = part.partition(":")
        try:
            at = int(number)
            value = float(weight) if colon else 1.0
        except ValueError:
            raise ValueError(f"--cohorts must be like 3 or 3:0.7,5:0.3, got {text!r}") from None
        if at in weights:
            raise ValueError(f"--cohorts names cohort {at} twice; give it one weight")
        weights[at] = value
    return weights


def parse_attributes(pairs: list[str]) -> dict[str, str]:
    """Parse ATTRIBUTE=VALUE pairs to values by attribute.

    Raises:
        ValueError: for text of another form, or a repeated attribute.

    >>> parse_attributes(["country=France", "plan=a=b"])
    {'country': 'France', 'plan': 'a=b'}
    """
    found = dict[str, str]()
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--where must be like country=France, got {pair!r}")
        if name in found:
            raise ValueError(f"--where names {name} twice; a user has one value of it")
        found[name] = value
    return found
