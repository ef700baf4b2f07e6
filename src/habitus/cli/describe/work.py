"""Work of ``habitus describe``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from habitus.cli._console import out, spinner
from habitus.profiles.describe import Description, describe
from habitus.profiles.store import StoredProfiles
from habitus.schema import Axes

BUSIEST = 3


def execute(profiles: Path, json_: bool) -> None:
    """Say what is in a set of profiles, and what looks odd or missing."""
    source = StoredProfiles.open(profiles)
    with spinner("Reading"):
        found = describe(source, source.about.get("rows"))
    if json_:
        out(json.dumps(found.to_json(), indent=2, allow_nan=False))
        return
    for name, text in _lines(found):
        out(f"{name:<14}{text}")


def _lines(found: Description) -> Iterator[tuple[str, str]]:
    """Headings and lines of the description."""
    days, slots, channels = found.axes.shape
    yield "size", f"{found.profiles:,} profiles x {days} days x {slots} slots x {channels} channels"
    yield "window", _window(found.axes)
    low, middle, high = found.nonempty
    yield (
        "filled cells",
        f"{middle:,.0f} per profile (5 %: {low:,.0f}, 95 %: {high:,.0f}); "
        f"{found.empty_share:.2%} empty",
    )
    yield from zip(["channels", *[""] * channels], _channels(found), strict=False)
    yield (
        "busiest hours",
        _busiest([found.axes.slot_label(slot) for slot in range(slots)], found.by_slot),
    )
    if found.by_weekday:
        yield (
            "weekdays",
            _busiest(list(found.by_weekday), np.array(list(found.by_weekday.values())), most=7),
        )
    yield "per cell", _cells(found)
    yield "one day only", f"{found.one_day:,} profiles ({found.one_day / found.profiles:.1%})"
    rows = found.rows
    if rows is not None:
        left_out = "; ".join(
            f"{count:,} because {reason}" for reason, count in rows["unusable"].items()
        )
        yield "log", f"{rows['events']:,} rows counted, {left_out or 'none'} left out"
    findings = found.findings
    yield from zip(["odd", *[""] * len(findings)], findings or ["nothing"], strict=False)


def _window(axes: Axes) -> str:
    end = axes.start + dt.timedelta(days=axes.days - 1)
    span = (
        f"{axes.days} days, one every {axes.every} days from {axes.start}"
        if axes.every
        else f"{axes.start} to {end}"
    )
    return f"{span}; clock: {axes.timezone}; values: {axes.unit}"


def _channels(found: Description) -> Iterator[str]:
    """Channels from the most to the least used."""
    total = found.events or 1.0
    for channel in np.argsort(-found.by_channel, kind="stable").tolist():
        amount = found.by_channel[channel]
        users = found.users_of_channel[channel]
        yield (
            f"{found.axes.channels[channel]}: {amount:,.0f} {_noun(found.axes)} "
            f"({amount / total:.1%}), "
            f"{users:,} profiles ({users / found.profiles:.1%})"
        )


def _busiest(names: list[str], amounts: Any, most: int = BUSIEST) -> str:
    total = float(amounts.sum()) or 1.0
    order = np.argsort(-amounts, kind="stable")[:most].tolist()
    return ", ".join(f"{names[at]} ({amounts[at] / total:.1%})" for at in order)


def _cells(found: Description) -> str:
    half, most, nearly_all = (f"{value:,.3g}" for value in found.cell_quantiles)
    return (
        f"half hold at most {half}, 90 % {most}, 99 % {nearly_all}, the largest "
        f"{found.largest_cell:,.4g}; "
        f"the top 1 % hold {found.tail_share:.1%} of all {_noun(found.axes)}"
    )


def _noun(axes: Axes) -> str:
    return {"count": "events", "peak": "peaks", "binary": "active cells"}[axes.unit]
