"""habitus generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from habitus.cli import series as series_command
from habitus.cli.console import bar
from habitus.cli.holidays import warn_of_no_effect
from habitus.cli.logs import Format, Shard, Start, is_stdout, log_format_of, say, sink_of
from habitus.cli.options import RunFolder, Seed, command_app, date_of, shard_of, threshold_of
from habitus.cli.series import SERIES, check_no_series_options, is_series_run
from habitus.files import check_apart
from habitus.profiles.calendar import dates_file
from habitus.profiles.completed import open_profiles
from habitus.run import Run, load
from habitus.synthesis import GenerateConfig, generate_log_to, generate_to
from habitus.synthesis.latents.cohorts import around, load_cohorts, mix, remembered
from habitus.synthesis.population import WHOLE, Source

app = command_app()

PROFILES = "profiles"
EVENTS = "events"

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder for the population; of events a .parquet or .csv file, or - for standard output.",
        show_default=False,
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        help="What to write: profiles, or events, a log with the columns and types of the one that the model "
        "learned from; profiling it gives the same counts. Events need a model of counts.",
        metavar="profiles|events",
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--series",
        min=1,
        help="How many, from a run of series.",
        rich_help_panel=SERIES,
        show_default="1",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How long each is.",
        rich_help_panel=SERIES,
        show_default="the window it was fitted to",
    ),
]
Users = Annotated[
    int | None, typer.Option(help="How many.", show_default="as many as the model was fitted to")
]
Prior = Annotated[
    str | None,
    typer.Option(
        help="mixture (fitted to the training users' latents) or normal, N(0, I).",
        show_default="mixture",
    ),
]
Mix = Annotated[
    str | None,
    typer.Option(
        "--cohorts",
        help="Users of these cohorts only, by number, with weights where they are not equal: 3 or 3:0.7,5:0.3. "
        "habitus cluster finds cohorts.",
        metavar="N[:WEIGHT],...",
        show_default=False,
    ),
]
From = Annotated[
    Path | None,
    typer.Option(help="Folder of the cohorts.", show_default="the run's latest"),
]
Like = Annotated[
    Path | None,
    typer.Option(help="Users around those of this folder of profiles.", show_default=False),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Generated values up to it become zero: auto (fitted to the daily activity of the training users, or "
        "of those that --cohorts and --like name), off, or a number.",
        metavar="auto|off|NUMBER",
    ),
]
Inactive = Annotated[
    str,
    typer.Option(
        help="Users without any activity or, of counts, with fewer events or days than the training users had at "
        "least (--min-events, --min-days of habitus profile): redraw or keep.",
    ),
]


Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Users with this value of an attribute only; repeatable. For runs of a rhythm, fitted to profiles "
        "that have it.",
        metavar="ATTRIBUTE=VALUE",
        show_default=False,
    ),
]
Days = Annotated[
    int | None,
    typer.Option(
        help="Length of the window; a rhythm draws any.", show_default="as many as it was fitted to"
    ),
]
Holidays = Annotated[
    Path | None,
    typer.Option(
        help="Dates of holidays, a CSV or Parquet file with a column date: in place of those that the run was told "
        "of. For runs of a rhythm, fitted to profiles with holidays.",
        metavar="FILE",
        show_default=False,
    ),
]


@app.command(
    epilog="Example: habitus generate demo/runs/vae --users 5000 --seed 1 --out demo/generated"
)
def generate(
    run: RunFolder,
    out_: Out,
    users: Users = None,
    seed: Seed = 0,
    prior: Prior = None,
    cohorts: Mix = None,
    cohorts_from: From = None,
    like: Like = None,
    threshold: Threshold = "auto",
    inactive: Inactive = "redraw",
    as_: As = PROFILES,
    format: Format = None,
    start: Start = None,
    shard: Shard = None,
    where: Where = None,
    days: Days = None,
    holidays: Holidays = None,
    series: Count = None,
    steps: Steps = None,
) -> None:
    """Draw users, or series, that never existed from a fitted model.

    Users are like all that it was fitted to, or like some of them (--cohorts, --like). They come as profiles or as
    a log of events (--as events), and for the same seed are the same however many shards they are made in.
    """
    _check_one_source(prior, cohorts, like)
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
    of = values_of(where or [])
    dates = None if holidays is None else dates_file(holidays)
    config = GenerateConfig(
        wanted, seed, prior or "mixture", limit, inactive, date_of(start), part, of, days, dates
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
    say(out_, f"{out_}: {what}, {_told(source, config)}, {_left_out(about)}")


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


def values_of(pairs: list[str]) -> dict[str, str]:
    """Attributes and their values.

    Raises:
        ValueError: for what is not so written, or an attribute that comes twice.

    >>> values_of(["country=France", "plan=a=b"])
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


def _check_one_source(prior: str | None, cohorts: str | None, like: Path | None) -> None:
    if sum(each is not None for each in (prior, cohorts, like)) > 1:
        raise ValueError("--prior, --cohorts and --like exclude each other; give one")


def _source(
    fitted: Run, cohorts: str | None, folder: Path | None, like: Path | None, seed: int
) -> Source | None:
    """What latents are drawn from, where it is not a prior with a name."""
    if cohorts is not None:
        found = remembered(fitted) if folder is None else load_cohorts(folder)
        return mix(fitted, found, weights_of(cohorts))
    if like is None:
        return None
    profiles = open_profiles(like)
    with bar("Encoding", "profiles") as advance:
        source = around(fitted, profiles, seed, advance)
    return Source(source.parts, {**source.told, "like": str(like)})


def _kind(as_: str, path: Path, wanted: str | None) -> str | None:
    """The format of a log, or None where profiles are wanted."""
    if as_ not in (PROFILES, EVENTS):
        raise ValueError(f"--as must be {PROFILES} or {EVENTS}, got {as_!r}")
    if as_ == EVENTS:
        return log_format_of(path, wanted)
    if wanted is not None or is_stdout(path):
        raise ValueError("--format and --out - are for a log; add --as events")
    return None


def _left_out(about: dict[str, Any]) -> str:
    """What was set to zero, and who was drawn again."""
    applied = about["zero_threshold"]
    zeros = f"values up to {applied:.3g} are zero" if applied else "no zero threshold"
    return f"{zeros}, {about['redrawn']:,} drawn again" if about.get("redrawn") else zeros


def _told(source: Source | None, config: GenerateConfig) -> str:
    """Whom they are like."""
    if source is None:
        return f"prior {config.prior}"
    if "cohorts" not in source.told:
        return f"around those of {source.told['like']}"
    mixed = zip(source.told["cohorts"], source.shares, strict=True)
    return ", ".join(
        f"{share:.0%} of cohort {each['number']} ({each['name']})" for each, share in mixed
    )
