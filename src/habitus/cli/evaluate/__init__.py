"""Options of ``habitus evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from habitus.cli._options import Seed, command
from habitus.cli._options.names import MASKS

REFERENCE = "Against what"
WRITTEN = "What is written"
SERIES = "Series (a file instead of a folder)"
MOST = 4000

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
        help="Real profiles or series, best ones that no model has seen; of cleaned series the "
        "clean ones, of "
        "forecast ones those that go on.",
        rich_help_panel=REFERENCE,
        show_default=False,
    ),
]
Train = Annotated[
    Path | None,
    typer.Option(
        help="Real profiles or series for the floor and the baselines; without it the reference "
        "is split for the "
        "floor.",
        rich_help_panel=REFERENCE,
    ),
]
FIXED = ", ".join(text for text in MASKS if "SHARE" not in text and text != "any")
Region = Annotated[
    str | None,
    typer.Option(
        help=f"Which filled cells of completed profiles to score: {FIXED}.",
        rich_help_panel=REFERENCE,
        show_default="all missing cells",
    ),
]
Most = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The most completed profiles that baselines fill too, drawn at random.",
        rich_help_panel=REFERENCE,
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
    """Option of series only; None where it is not given."""
    return typer.Option(help=help, rich_help_panel=SERIES, show_default=shown, **rest)


Noisy = Annotated[Path | None, _of_series("What a cleaned or filled series was made from.")]
TrainShare = Annotated[
    float | None,
    _of_series(
        "First share of each series of --against that baselines, and the floor, are made from; "
        "the rest is compared "
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
        help="Train classifiers to separate generated from real too (of series as TimeGAN's "
        "paper does), and "
        "say by what they do; takes a minute or two.",
        rich_help_panel=REFERENCE,
    ),
]
Privacy = Annotated[
    bool,
    typer.Option(
        "--privacy",
        help="Look for copies of the training users (--train) among generated profiles; takes a "
        "minute or less.",
        rich_help_panel=REFERENCE,
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
    column: Column = None,
    scale: Scale = None,
    time: Time = None,
    series_id: SeriesId = None,
) -> None:
    """Measure how far a generated population is from a real one.

    Every figure of profiles is lower-is-better and stands beside its floor, what another real
    sample scores (the median of up to ten), and beside what a method without learning scores. Of
    completed profiles, the filled cells are measured against what was there, beside baselines that
    fill the same ones. A file of series says itself whether it was generated, cleaned or forecast,
    and is measured accordingly.
    """
