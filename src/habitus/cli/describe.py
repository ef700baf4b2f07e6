"""``habitus describe``: what is in a set of profiles, and what looks odd or missing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import habitus
from habitus.cli._console import out, spinner
from habitus.cli._options import AsJson, Stored, command

if TYPE_CHECKING:
    from habitus.profiles.describe import Description

BUSIEST = 3
NOUNS = {"count": "events", "peak": "peaks", "binary": "active cells"}  # of a unit


@command("Example: habitus describe demo/profiles")
def describe(profiles: Stored, json_: AsJson = False) -> None:
    """Say what is in a set of profiles, and what looks odd or missing.

    Size, sparsity, channels, busiest hours and weekdays, counts per cell; empty days, hours and
    channels, drops, profiles that look automatic, and the rows that were left out when the log was
    profiled.
    """
    from habitus.profiles.rare import protection_of
    from habitus.profiles.store import StoredProfiles

    source = StoredProfiles.open(profiles)
    with spinner("Reading"):
        found = habitus.describe(source, source.about.get("rows"), protection_of(source.about))
    if json_:
        out(json.dumps(found.to_json(), indent=2, allow_nan=False))
        return
    for name, text in _lines(found):
        out(f"{name:<14}{text}")


def _lines(found: Description) -> Iterator[tuple[str, str]]:
    """Yield headings and lines of the description."""
    axes = found.axes
    days, slots, channels = axes.shape
    noun = NOUNS[axes.unit]
    yield "size", f"{found.profiles:,} profiles x {days} days x {slots} slots x {channels} channels"
    end = axes.start + dt.timedelta(days=axes.days - 1)
    tiled = f"{axes.days} days, one every {axes.every} days from {axes.start}"
    span = tiled if axes.every else f"{axes.start} to {end}"
    yield "window", f"{span}; clock: {axes.timezone}; values: {axes.unit}"
    low, middle, high = found.nonempty
    yield (
        "filled cells",
        f"{middle:,.0f} per profile (5 %: {low:,.0f}, 95 %: {high:,.0f}); "
        f"{found.empty_share:.2%} empty",
    )
    yield from zip(["channels", *[""] * channels], _channels(found), strict=False)
    hours = map(axes.slot_label, range(slots))
    yield "busiest hours", _busiest(dict(zip(hours, found.by_slot.tolist(), strict=True)), BUSIEST)
    if found.by_weekday:
        yield "weekdays", _busiest(found.by_weekday, most=7)
    half, most, nearly_all = (f"{value:,.3g}" for value in found.cell_quantiles)
    yield (
        "per cell",
        f"half hold at most {half}, 90 % {most}, 99 % {nearly_all}, the largest "
        f"{found.largest_cell:,.4g}; the top 1 % hold {found.tail_share:.1%} of all {noun}",
    )
    yield "one day only", f"{found.one_day:,} profiles ({found.one_day / found.profiles:.1%})"
    rows = found.rows
    if rows is not None:
        left_out = "; ".join(f"{count:,} because {why}" for why, count in rows["unusable"].items())
        yield "log", f"{rows['events']:,} rows counted, {left_out or 'none'} left out"
    yield "rare values", found.protection or "not known to be protected"
    findings = found.findings
    yield from zip(["odd", *[""] * len(findings)], findings or ["nothing"], strict=False)


def _channels(found: Description) -> Iterator[str]:
    """Yield a line for each channel, from the most to the least used."""
    total = found.events or 1.0
    for channel in (-found.by_channel).argsort(kind="stable").tolist():
        amount = found.by_channel[channel]
        users = found.users_of_channel[channel]
        yield (
            f"{found.axes.channels[channel]}: {amount:,.0f} {NOUNS[found.axes.unit]} "
            f"({amount / total:.1%}), {users:,} profiles ({users / found.profiles:.1%})"
        )


def _busiest(amounts: dict[str, float], most: int) -> str:
    """Names with the largest amounts, and their shares of all."""
    total = sum(amounts.values()) or 1.0
    order = sorted(amounts, key=lambda name: -amounts[name])[:most]
    return ", ".join(f"{name} ({amounts[name] / total:.1%})" for name in order)
