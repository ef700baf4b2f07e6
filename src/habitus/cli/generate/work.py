"""Work of ``habitus generate``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, cast

from habitus.cli._console import bar
from habitus.cli._shared.holidays import warn_of_no_effect
from habitus.cli._shared.logs import is_stdout, log_format_of, say, sink_of
from habitus.cli._shared.series import check_no_series_options, is_series_run
from habitus.cli._shared.texts import date_of, shard_of, threshold_of
from habitus.cli.generate import PROFILES
from habitus.cli.generate import series as series_command
from habitus.files import check_apart
from habitus.profiles.calendar import dates_file
from habitus.profiles.completed import open_profiles
from habitus.run import Run, load
from habitus.synthesis import GenerateConfig, generate_log_to, generate_to
from habitus.synthesis.latents.cohorts import around, load_cohorts, mix, remembered
from habitus.synthesis.population import WHOLE, Source

EVENTS = "events"


def execute(
    run: Path,
    out_: Path,
    users: int | None,
    seed: int,
    prior: str | None,
    cohorts: str | None,
    cohorts_from: Path | None,
    like: Path | None,
    threshold: str,
    inactive: str,
    as_: str,
    format: str | None,
    start: dt.datetime | None,
    shard: str | None,
    where: list[str] | None,
    days: int | None,
    holidays: Path | None,
    series: int | None,
    steps: int | None,
) -> None:
    """Draw users, or series, that never existed from a fitted model."""
    if sum(each is not None for each in (prior, cohorts, like)) > 1:
        raise ValueError("--prior, --cohorts and --like exclude each other; give one")
    kind = _kind(as_, out_, format)
    if cohorts_from is not None and cohorts is None:
        raise ValueError(
            "--cohorts-from says whose cohorts; say which with --cohorts, as in --cohorts 0"
        )
    check_apart(out_, run, cohorts_from, like)
    fitted = load(run)
    if is_series_run(fitted):
        series_command.generate(fitted, out_, series or 1, steps, seed)
        return
    check_no_series_options(series=series, steps=steps)
    wanted = int(fitted.about["profiles"]) if users is None else users
    part = WHOLE if shard is None else shard_of(shard)
    limit = threshold_of(threshold)
    of = parse_attributes(where or [])
    dates = None if holidays is None else dates_file(holidays)
    config = GenerateConfig(
        wanted,
        seed,
        cast("Any", prior or "mixture"),  # checked by the settings
        limit,
        cast("Any", inactive),
        date_of(start),
        part,
        of,
        days,
        dates,
    )
    if dates:
        warn_of_no_effect(fitted.model)
    source = _source(fitted, cohorts, cohorts_from, like, seed)
    with bar("Generating", "users") as advance:
        if kind is None:
            made = generate_to(out_, fitted, config, advance, source)
            what = f"{len(made):,} users"
            about = made.about
        else:
            about = generate_log_to(sink_of(out_), kind, fitted, config, advance, source)
            what = f"{about['events']:,} events of {about['users']:,} users"
    say(out_, f"{out_}: {what}, {_likeness(source, config)}, {_left_out(about)}")


def weights_of(text: str) -> dict[int, float]:
    """Weights of cohorts; 1 where none is given.

    Raises:
        ValueError: for what is not so written, or a cohort that comes twice.

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
    """Attributes and their values.

    Raises:
        ValueError: for what is not so written, or an attribute that comes twice.

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


def _source(
    fitted: Run, cohorts: str | None, folder: Path | None, like: Path | None, seed: int
) -> Source | None:
    """Source of the latents, where it is not a named prior."""
    if cohorts is not None:
        found = remembered(fitted) if folder is None else load_cohorts(folder)
        return mix(fitted, found, weights_of(cohorts))
    if like is None:
        return None
    profiles = open_profiles(like)
    with bar("Encoding", "profiles") as advance:
        source = around(fitted, profiles, seed, advance)
    return Source(source.parts, {**source.about, "like": str(like)})


def _kind(as_: str, path: Path, wanted: str | None) -> str | None:
    """Format of a log, or None where profiles are wanted."""
    if as_ not in (PROFILES, EVENTS):
        raise ValueError(f"--as must be {PROFILES} or {EVENTS}, got {as_!r}")
    if as_ == EVENTS:
        return log_format_of(path, wanted)
    if wanted is not None or is_stdout(path):
        raise ValueError("--format and --out - are for a log; add --as events")
    return None


def _left_out(about: dict[str, Any]) -> str:
    """Description of the zero threshold and of users drawn again."""
    applied = about["zero_threshold"]
    zeros = f"values up to {applied:.3g} are zero" if applied else "no zero threshold"
    return f"{zeros}, {about['redrawn']:,} drawn again" if about.get("redrawn") else zeros


def _likeness(source: Source | None, config: GenerateConfig) -> str:
    """Description of the distribution that users are drawn from."""
    if source is None:
        return f"prior {config.prior}"
    if "cohorts" not in source.about:
        return f"around those of {source.about['like']}"
    mixed = zip(source.about["cohorts"], source.shares, strict=True)
    return ", ".join(
        f"{share:.0%} of cohort {each['number']} ({each['name']})" for each, share in mixed
    )
