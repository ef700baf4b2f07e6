"""Options of ``habitus describe``."""

from __future__ import annotations

from habitus.cli._options import AsJson, Stored, command


@command("Example: habitus describe demo/profiles")
def describe(profiles: Stored, json_: AsJson = False) -> None:
    """Say what is in a set of profiles, and what looks odd or missing.

    Size, sparsity, channels, busiest hours and weekdays, counts per cell; empty days, hours and
    channels, drops, profiles that look automatic, and the rows that were left out when the log was
    profiled.
    """
