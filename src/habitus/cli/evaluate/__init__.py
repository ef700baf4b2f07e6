"""``habitus evaluate``: how far a generated population is from a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._console import out, spinner
from habitus.cli._options import Overwrite, Seed, command
from habitus.cli._options.names import MASKS
from habitus.cli._options.series import SeriesId, Time, series_option
from habitus.cli._options.types import FACTOR, OPEN_SHARE, POSITIVE, WHOLE
from habitus.files import Mark, check_outputs, write_json
from habitus.memory import check_memory

REFERENCE = "Against what"
WRITTEN = "What is written"
MOST = 4000
MATRICES = 24  # bytes of three matrices of transitions, for each pair of buckets
REFERENCES = 1

Generated = Annotated[
    Path,
    typer.Argument(
        help="Folder of generated or completed profiles, or file of generated, cleaned or "
        "forecast series.",
        show_default=False,
    ),
]
Against = Annotated[
    Path,
    typer.Option(
        help="Real profiles or series, ideally ones that no model has seen. For cleaned series: "
            "the clean ones; for forecasts: series that continue beyond the origins.",
        rich_help_panel=REFERENCE, show_default=False,
    ),
]  # fmt: skip
Train = Annotated[
    Path | None,
    typer.Option(
        help="Real profiles or series for the floor and the baselines; without it the reference "
        "is split for the floor.",
        rich_help_panel=REFERENCE,
    ),
]
FIXED = ", ".join(text for text in MASKS if "SHARE" not in text and text != "any")
Region = Annotated[
    str | None,
    typer.Option(
        help=f"Which filled cells of completed profiles to score: {FIXED}.",
        rich_help_panel=REFERENCE, show_default="all missing cells",
    ),
]  # fmt: skip
Most = Annotated[
    int | None,
    typer.Option(
        help="The most completed profiles that baselines fill too, drawn at random.",
        rich_help_panel=REFERENCE, show_default=str(MOST), **POSITIVE,
    ),
]  # fmt: skip
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
        help="Run whose loss curves go into the report, and whose likelihood --privacy attacks.",
        rich_help_panel=WRITTEN,
        show_default="the one that generated the profiles, if it is still there",
    ),
]  # fmt: skip


Noisy = Annotated[
    Path | None, series_option("What a cleaned or filled series was made from.", False)
]
TrainShare = Annotated[
    float | None,
    series_option(
        "Share at the start of each series of --against to make baselines and floor from. The rest "
        "is the reference (for forecasts: everything after their origins).",
        False,
        **OPEN_SHARE,
    ),
]
Buckets = Annotated[
    int | None,
    series_option("Intervals of values whose transitions are compared.", "50", **POSITIVE),
]
Steps = Annotated[
    str | None,
    series_option(
        "Steps of the transitions, or steps ahead, separated by commas.", "1; of forecasts 1,6,24"
    ),
]
TwoSample = Annotated[
    bool,
    typer.Option(
        "--two-sample",
        help="Also train classifiers of generated against real, and report what they use (for "
        "series: the scores of the TimeGAN paper). Takes a minute or two.",
        rich_help_panel=REFERENCE,
    ),
]
Privacy = Annotated[
    bool,
    typer.Option(
        "--privacy",
        help="Attack the training users (--train): who was one (by the nearest generated profile, "
        "and by the likelihood of the run) and what their attributes are; each with its floor. "
        "Takes a minute, and the reference fits.",
        rich_help_panel=REFERENCE,
    ),
]
References = Annotated[
    int | None,
    typer.Option(
        help="Pairs of reference fits, each on half of up to 4,000 users, that the attack by the "
        "likelihood of the run is calibrated by; 0 for none.",
        rich_help_panel=REFERENCE,
        show_default=str(REFERENCES),
        **WHOLE,
    ),
]
Column = Annotated[
    list[str] | None,
    series_option(
        "A variable; repeatable. This and the next three options are only "
        "for files that habitus did not write.",
        False,
    ),
]
Scale = Annotated[float | None, series_option("What values are multiplied by.", "1", **FACTOR)]


@command(
    "Example: habitus evaluate demo/generated --against demo/test --train demo/train "
    "--json demo/metrics.json --html demo/report.html"
)
def evaluate(
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
    references: References = None,
    column: Column = None,
    scale: Scale = None,
    time: Time = None,
    series_id: SeriesId = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how far a generated population is from a real one.

    Every figure of profiles is lower-is-better and stands beside its floor, what another real
    sample scores (the median of up to ten), and beside what a method without learning scores. Of
    completed profiles, the filled cells are measured against what was there, beside baselines that
    fill the same ones. A file of series says itself whether it was generated, cleaned or forecast,
    and is measured accordingly.
    """
    from habitus.cli._shared.provenance import command_line, versions_line
    from habitus.cli._shared.texts import refuse_options_of

    reads = [generated, against, train, run, noisy]
    check_outputs("evaluate", {"metrics": json, "report": html}, reads, overwrite=overwrite)
    columns = {"column": column, "scale": scale, "time": time, "series_id": series_id}
    of_series = {"noisy": noisy, "train_share": train_share, "buckets": buckets, "steps": steps}
    if generated.is_file():
        refuse_options_of(
            "profiles", region=region, most=most, run=run, privacy=privacy,
            references=references,
        )  # fmt: skip
        from habitus.cli.evaluate.series import SeriesFiles, evaluate_series

        if buckets is not None:
            check_memory(
                MATRICES * buckets**2,
                f"transitions between {buckets:,} buckets",
                f"--buckets ({buckets:,})",
            )
        files = SeriesFiles(generated, against, train, train_share, noisy, columns)
        found = evaluate_series(files, buckets, steps, two_sample=two_sample, seed=seed)
    else:
        refuse_options_of("series", **of_series, **columns)
        if privacy and train is None:
            raise ValueError(
                "--privacy looks for users that the model was trained on; give them with --train"
            )
        if references is not None and not privacy:
            raise ValueError("--references is for the attacks of --privacy; add it")
        from habitus.cli.evaluate import profiles
        from habitus.evaluation import evaluate_profiles

        sets = profiles.ProfileSets.open(generated, against, train)
        history = profiles.read_curves(run, sets.generated) if html else None
        filled = profiles.score_filled(sets, region, most or MOST, seed)
        most = (most or MOST) if filled else None
        classified = profiles.run_two_sample(sets, seed) if two_sample else None
        attacked = None
        if privacy:
            pairs = REFERENCES if references is None else references
            attacked = profiles.run_privacy(sets, run, pairs, seed)
        with spinner("Evaluating"):
            scores = evaluate_profiles(*sets, seed=seed)
        found = profiles.EvaluatedProfiles(
            sets, scores, filled, region, classified, attacked, history
        )
    if json:
        write_json(json, found.to_json(), Mark("evaluate", "metrics"), overwrite=overwrite)
    if html:
        typed = command_line(
            "evaluate", generated, against=against, train=train, json=json, html=html, run=run,
            region=region, most=most, seed=seed, **of_series, scale=scale, time=time,
            series_id=series_id, column=column, two_sample=two_sample, privacy=privacy,
            references=references, overwrite=overwrite,
        )  # fmt: skip
        with spinner("Drawing"):
            origin = {"Command": typed, "Versions": versions_line()}
            found.write_page(html, origin, overwrite=overwrite)
    found.show()
    for path in filter(None, (json, html)):
        out(f"{path}: written")
