"""habitus evaluate."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from habitus.cli.console import out, out_table, plain, spinner
from habitus.cli.evaluate.filled import filled_table, judge, origin, with_filled
from habitus.cli.options import Seed, command_app
from habitus.evaluation import ACTIVITIES, Evaluation, active_users, evaluate_profiles
from habitus.files import write_json
from habitus.models.parts.masks import USAGE
from habitus.profiles.completed import open_profiles
from habitus.profiles.store import StoredProfiles
from habitus.report import write_report
from habitus.report.wording import Row, baseline_name, rows_of, times
from habitus.run import HISTORY, curves, read_history, versions

app = command_app()
JUDGED = "Against what"
WRITTEN = "What is written"
SERIES = "Series (a file instead of a folder)"
MOST = 4000

Generated = Annotated[
    Path,
    typer.Argument(
        help="Folder of generated or completed profiles, or file of generated, cleaned or forecast series.",
        show_default=False,
    ),
]
Against = Annotated[
    Path,
    typer.Option(
        help="Real profiles or series, best ones that no model has seen; of cleaned series the clean ones, of "
        "forecast ones those that go on.",
        rich_help_panel=JUDGED,
        show_default=False,
    ),
]
Train = Annotated[
    Path | None,
    typer.Option(
        help="Real profiles or series for the floor and the baselines; without it the reference is split for the "
        "floor.",
        rich_help_panel=JUDGED,
    ),
]
FIXED = ", ".join(text for text in USAGE if "SHARE" not in text and text != "any")
Region = Annotated[
    str | None,
    typer.Option(
        help=f"Which filled cells of completed profiles to judge: {FIXED}.",
        rich_help_panel=JUDGED,
        show_default="all missing cells",
    ),
]
Most = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The most completed profiles that baselines fill too, drawn at random.",
        rich_help_panel=JUDGED,
        show_default=str(MOST),
    ),
]
Json = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.", rich_help_panel=WRITTEN)
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write the report here.", rich_help_panel=WRITTEN)
]
RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Run whose loss curves go into the report.",
        rich_help_panel=WRITTEN,
        show_default="the one that generated the profiles, if it is still there",
    ),
]


def _of_series(help: str, shown: str | bool = False, **rest: Any) -> Any:
    """An option that profiles have not; None where it is not given."""
    return typer.Option(help=help, rich_help_panel=SERIES, show_default=shown, **rest)


Noisy = Annotated[Path | None, _of_series("What a cleaned or filled series was made from.")]
TrainShare = Annotated[
    float | None,
    _of_series(
        "First share of each series of --against that baselines, and the floor, are made from; the rest is judged "
        "against (forecasts: all of it, from their origins on)."
    ),
]
Buckets = Annotated[
    int | None, _of_series("Intervals of values whose transitions are compared.", "50", min=1)
]
Steps = Annotated[
    str | None,
    _of_series(
        "Steps of the transitions, or steps ahead, separated by commas.", "1; of forecasts 1,6,24"
    ),
]
TwoSample = Annotated[
    bool,
    typer.Option(
        "--two-sample",
        help="Train classifiers to tell generated from real too (of series as TimeGAN's paper does), and say what "
        "gave it away; takes a minute or two.",
        rich_help_panel=JUDGED,
    ),
]
Privacy = Annotated[
    bool,
    typer.Option(
        "--privacy",
        help="Look for copies of the training users (--train) among generated profiles; takes a minute or less.",
        rich_help_panel=JUDGED,
    ),
]
Column = Annotated[
    list[str] | None,
    _of_series("A variable; repeatable. This and the next three only for files from elsewhere."),
]
Scale = Annotated[float | None, _of_series("What values are multiplied by.", "1")]
Time = Annotated[str | None, _of_series("Column of times.", "the order of the rows")]
SeriesId = Annotated[
    str | None, _of_series("Column that says which series a row is of.", "one series")
]


@app.command(
    epilog="Example: habitus evaluate demo/generated --against demo/test --train demo/train "
    "--json demo/metrics.json --html demo/report.html"
)
def _evaluate(
    generated: Generated,
    against: Against,
    train: Train = None,
    json: Json = None,
    html: Html = None,
    run: RunFolder = None,
    region: Region = None,
    most: Most = None,
    seed: Seed = 0,
    noisy: Noisy = None,
    train_share: TrainShare = None,
    buckets: Buckets = None,
    steps: Steps = None,
    two_sample: TwoSample = False,
    privacy: Privacy = False,
    column: Column = None,
    scale: Scale = None,
    time: Time = None,
    series_id: SeriesId = None,
) -> None:
    """Measure how far a generated population is from a real one.

    Every figure of profiles is lower-is-better and stands beside its floor, what another real sample scores (the
    median of up to ten), and beside what a method without learning scores. Of completed profiles, the filled cells
    are measured against what was there, beside baselines that fill the same ones. A file of series says itself whether
    it was generated, cleaned or forecast, and is judged accordingly.
    """
    columns = {"column": column, "scale": scale, "time": time, "series_id": series_id}
    asked = {"two_sample": two_sample, "privacy": privacy}
    of_series = {"noisy": noisy, "train_share": train_share, "buckets": buckets, "steps": steps}
    common = {"against": against, "train": train, "json": json, "html": html, "seed": seed}
    if generated.is_file():
        _refuse(
            "profiles", "series were", region=region, most=most, run=run, privacy=privacy or None
        )
        _judge_series(generated, columns, two_sample=two_sample, **common, **of_series)
    else:
        _refuse("series", "profiles were", **of_series, **columns)
        _judge_profiles(generated, run=run, region=region, most=most, asked=asked, **common)


def _refuse(of: str, given: str, **options: Any) -> None:
    """Refuse options of profiles for series, and the other way round."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is for {of}, but {given} given; leave it out"
            )


def _judge_series(path: Path, columns: dict[str, Any], **options: Any) -> None:
    """Judge a file. What does so takes seconds to load (torch), which profiles need not wait for."""
    judged = import_module("habitus.cli.evaluate.judged_series")
    names = [f" --column {shlex.quote(name)}" for name in columns["column"] or []]
    flags = [*names, " --two-sample" if options["two_sample"] else ""]
    single = {name: value for name, value in columns.items() if name != "column"}
    given = _command(
        **{name: value for name, value in options.items() if name != "two_sample"}, **single
    )
    told = {
        "Command": f"habitus evaluate {shlex.quote(str(path))}{given}{''.join(flags)}",
        **_versions(),
    }
    judged.judge_series(path, judged.Asked(columns=columns, command=told, **options))


def _judge_profiles(
    generated: Path,
    *,
    against: Path,
    train: Path | None,
    json: Path | None,
    html: Path | None,
    run: Path | None,
    region: str | None,
    most: int | None,
    asked: dict[str, bool],
    seed: int,
) -> None:
    """Judge a folder."""
    if asked["privacy"] and train is None:
        raise ValueError(
            "--privacy looks for users that the model was trained on; give them with --train"
        )
    most = MOST if most is None else most
    ours = open_profiles(generated)
    theirs = StoredProfiles.open(against)
    real = StoredProfiles.open(train) if train else None
    history = _history(run, ours.about) if html else None
    filled = judge(ours, theirs, real, region, seed, most)
    told = _told_apart(ours, theirs, real, asked, seed)
    with spinner("Evaluating"):
        found = evaluate_profiles(ours, theirs, real, seed=seed)
        if json:
            write_json(
                json,
                with_filled(found.to_json(), filled, ours, region)
                | (told.to_json() if told else {}),
            )
        if html:
            given = {"most": most} if filled else {}
            command = _command(
                against=against,
                train=train,
                json=json,
                html=html,
                run=run,
                region=region,
                **given,
                seed=seed,
            )
            command += "".join(
                f" --{name.replace('_', '-')}" for name, wanted in asked.items() if wanted
            )
            origins = {
                "Command": f"habitus evaluate {shlex.quote(str(generated))}{command}",
                **_versions(),
            }
            origins |= origin(filled, ours, region)
            parts = {"two_sample": told.two_sample, "privacy": told.privacy} if told else {}
            write_report(
                html,
                found,
                ours,
                theirs,
                completion=filled,
                history=history,
                provenance=origins,
                **parts,
            )
    if filled:
        out_table(filled_table(filled))
    out_table(_table(found))
    for line in _activity(found):
        out(line)
    if told:
        told.tell()
    for path in filter(None, (json, html)):
        out(f"{path}: written")


def _told_apart(
    ours: StoredProfiles,
    reference: StoredProfiles,
    train: StoredProfiles | None,
    asked: dict[str, bool],
    seed: int,
) -> Any:
    """What classifiers and attackers find, where that is asked for; what does so takes seconds to load (torch)."""
    if not any(asked.values()):
        return None
    told_apart = import_module("habitus.cli.evaluate.told_apart")
    wanted = {"tell_apart": asked["two_sample"], "leaks": asked["privacy"]}
    return told_apart.judge(ours, reference, train, **wanted, seed=seed)


def _history(run: Path | None, about: dict[str, Any]) -> dict[str, list[float]] | None:
    """Loss curves of the run that is named, or of the one that made the population where it is still there."""
    if run is not None:
        return curves(read_history(run))
    made_by = Path(about.get("run", ""))
    return curves(read_history(made_by)) if (made_by / HISTORY).is_file() else None


def _command(**options: Any) -> str:
    given = {name: value for name, value in options.items() if value is not None}
    return "".join(
        f" --{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in given.items()
    )


def _versions() -> dict[str, str]:
    return {
        "Versions": ", ".join(f"{name} {number}" for name, number in versions()["versions"].items())
    }


def _table(found: Evaluation) -> Table:
    """Every figure beside its floor and the baselines; a ratio of 1 is as good as another real sample."""
    baselines = list(found.baselines)
    table = Table(
        title="Lower is better; the floor is what another real sample scores", title_justify="left"
    )
    table.add_column("figure")
    for name in ("generated", "floor", "ratio", *map(baseline_name, baselines)):
        table.add_column(name, justify="right")
    for row in rows_of(found.to_json()):
        table.add_row(*map(plain, _cells(row, baselines)))
    return table


def _cells(row: Row, baselines: list[str]) -> list[str]:
    unit = f" ({row.unit.partition(',')[0]})" if row.unit and row.unit not in row.text(1) else ""
    scores = [row.text(value) for value in (row.generated, row.floor)]
    return [
        row.name + unit,
        *scores,
        times(row.ratio),
        *(row.text(row.baselines.get(baseline)) for baseline in baselines),
    ]


def _activity(found: Evaluation) -> list[str]:
    """Empty cells, and active users as a share of all, averaged over the days whose window is full."""
    empty = found.figures["empty_cells"]
    lines = [
        f"empty cells: {empty['generated']:.2%} of generated profiles, {empty['reference']:.2%} of real ones"
    ]
    for activity in ACTIVITIES:
        error, floor = (
            part[activity.name]["relative_error"] for part in (found.figures, found.floor)
        )
        if error is not None:
            ours, theirs = (
                active_users(each.active, activity.window)[activity.first_day :].mean()
                for each in (found.generated, found.reference)
            )
            lines.append(
                f"{activity.name.upper()}: {ours:.1%} of generated users, {theirs:.1%} of real ones; "
                f"relative error {error:.2%}, floor {floor:.2%}"
            )
    return lines
