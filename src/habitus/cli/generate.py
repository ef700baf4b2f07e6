"""``habitus generate``: users, or series, drawn from a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import habitus
from habitus.cli._console import bar, out
from habitus.cli._options import Overwrite, RunFolder, Seed, command
from habitus.cli._options.logs import Format, Shard, Start
from habitus.cli._options.series import series_option
from habitus.cli._options.types import DAYS, POSITIVE
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.synthesis.population import Source

PROFILES = "profiles"
EVENTS = "events"

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder for the population; of events a .parquet or .csv file, or - for standard "
        "output.",
        show_default=False,
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        help="What to write: profiles, or events, a log with the columns and types of the one "
        "that the model learned from; profiling it gives the same counts. Events need a model of "
        "counts.",
        metavar="profiles|events",
    ),
]
Count = Annotated[
    int | None,
    series_option("Number of series, from a run of series.", "1", "--series", **POSITIVE),
]
Steps = Annotated[
    int | None,
    series_option("Steps of each series.", "the window that the run was fitted to", **POSITIVE),
]
Users = Annotated[
    int | None,
    typer.Option(
        help="Number of users.", show_default="as many as the model was fitted to", **POSITIVE
    ),
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
        help="Users of these cohorts only, by number, with weights where they are not equal: 3 "
        "or 3:0.7,5:0.3. habitus cluster finds cohorts.",
        metavar="N[:WEIGHT],...", show_default=False,
    ),
]  # fmt: skip
From = Annotated[
    Path | None, typer.Option(help="Folder of the cohorts.", show_default="the run's latest")
]
Like = Annotated[
    Path | None,
    typer.Option(help="Users around those of this folder of profiles.", show_default=False),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Generated values up to it become zero: auto (fitted to the daily activity of the "
        "training users, or of those that --cohorts and --like name), off, or a number.",
        metavar="auto|off|NUMBER",
    ),
]
Inactive = Annotated[
    str,
    typer.Option(
        help="Redraw or keep users without activity. For counts, also users with fewer events or "
        "days than --min-events and --min-days of the training profiles allowed.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Users with this value of an attribute only; repeatable. For runs of a rhythm, "
        "fitted to profiles that have it.",
        metavar="ATTRIBUTE=VALUE", show_default=False,
    ),
]  # fmt: skip
Days = Annotated[
    int | None,
    typer.Option(
        help="Length of the window; a rhythm draws any.",
        show_default="as many as it was fitted to",
        **DAYS,
    ),
]
Holidays = Annotated[
    Path | None,
    typer.Option(
        help="Dates of holidays, a CSV or Parquet file with a column date: in place of those "
        "that the run knows. For runs of a rhythm, fitted to profiles with holidays.",
        metavar="FILE", show_default=False,
    ),
]  # fmt: skip


@command("Example: habitus generate demo/runs/vae --users 5000 --seed 1 --out demo/generated")
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
    overwrite: Overwrite = False,
) -> None:
    """Draw users, or series, that never existed from a fitted model.

    Users are like all that it was fitted to, or like some of them (--cohorts, --like). They come
    as profiles or as a log of events (--as events), and for the same seed are the same however
    many shards they are made in.
    """
    from habitus.cli._shared import texts
    from habitus.cli._shared.holidays import warn_of_no_effect
    from habitus.cli._shared.logs import is_stdout, log_format_of, say, sink_of
    from habitus.cli._shared.series import about, is_series_run, window_steps
    from habitus.profiles.calendar import dates_file
    from habitus.profiles.completed import open_profiles
    from habitus.run import load
    from habitus.series import check_table_path, write_series
    from habitus.synthesis import GenerateConfig, generate_log_to, generate_to
    from habitus.synthesis.latents.cohorts import around, load_cohorts, mix, remembered
    from habitus.synthesis.population import WHOLE, Source

    if sum(each is not None for each in (prior, cohorts, like)) > 1:
        raise ValueError("--prior, --cohorts and --like exclude each other; give one")
    if as_ not in (PROFILES, EVENTS):
        raise ValueError(f"--as must be {PROFILES} or {EVENTS}, got {as_!r}")
    kind = log_format_of(out_, format) if as_ == EVENTS else None
    if kind is None and (format is not None or is_stdout(out_)):
        raise ValueError("--format and --out - are for a log; add --as events")
    if cohorts_from is not None and cohorts is None:
        raise ValueError(
            "--cohorts-from says whose cohorts; say which with --cohorts, as in --cohorts 0"
        )
    reads = [run, cohorts_from, like, holidays]
    fitted = load(run)
    of_series = is_series_run(fitted)
    if not is_stdout(out_):
        what = "series" if of_series else "profiles" if kind is None else "log"
        check_outputs("generate", {what: out_}, reads, overwrite=overwrite)
    if of_series:
        check_table_path(out_, "series")
        length = window_steps(fitted) if steps is None else steps
        count = series or 1
        with bar("Generating", "series") as advance:
            drawn = habitus.generate(
                fitted, series=count, steps=length, seed=seed, on_progress=advance
            )
        origin = about(fitted, "generated", seed=seed, steps=length)
        write_series(out_, drawn, origin, command="generate", overwrite=overwrite)
        out(f"{out_}: {count:,} series of {length:,} steps; {', '.join(drawn.axes.variables)}")
        return
    texts.refuse_options_of("series", series=series, steps=steps)
    config = GenerateConfig(
        users=int(fitted.about["profiles"]) if users is None else users,
        seed=seed,
        prior=cast("Any", prior or "mixture"),  # checked by the settings
        shard=WHOLE if shard is None else texts.shard_of(shard),
        threshold=texts.threshold_of(threshold),
        inactive=cast("Any", inactive),
        start=start,
        where=texts.parse_attributes(where or []),
        days=days,
        holidays=None if holidays is None else dates_file(holidays),
    )
    if config.holidays:
        warn_of_no_effect(fitted.model)
    source = None
    if cohorts is not None:
        found = remembered(fitted) if cohorts_from is None else load_cohorts(cohorts_from)
        source = mix(fitted, found, texts.weights_of(cohorts))
    elif like is not None:
        population = open_profiles(like)
        with bar("Encoding", "profiles") as advance:
            source = around(fitted, population, seed, advance)
        source = Source(source.parts, {**source.about, "like": str(like)})
    with bar("Generating", "users") as advance:
        if kind is None:
            made = generate_to(out_, fitted, config, advance, source, overwrite=overwrite)
            what = f"{len(made):,} users"
            origin = made.about
        else:
            origin = generate_log_to(
                sink_of(out_), kind, fitted, config, advance, source, overwrite=overwrite
            )
            what = f"{origin['events']:,} events of {origin['users']:,} users"
    applied = origin["zero_threshold"]
    zeros = f"values up to {applied:.3g} are zero" if applied else "no zero threshold"
    again = f", {origin['redrawn']:,} drawn again" if origin.get("redrawn") else ""
    likeness = f"prior {config.prior}" if source is None else _likeness(source)
    say(out_, f"{out_}: {what}, {likeness}, {zeros}{again}")


def _likeness(source: Source) -> str:
    """Description of the users that others are drawn like."""
    if "cohorts" not in source.about:
        return f"around those of {source.about['like']}"
    mixed = zip(source.about["cohorts"], source.shares, strict=True)
    return ", ".join(
        f"{share:.0%} of cohort {each['number']} ({each['name']})" for each, share in mixed
    )
