"""``habitus sweep``: fits of a model with many settings, each evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._console import bar, fail_stopped, out, out_table, quiet_libraries
from habitus.cli._options import Stored, command, fitting
from habitus.cli._options.names import RECIPES, SWEEP_NAME, SWEEPS
from habitus.cli._options.types import POSITIVE
from habitus.files import check_outputs

VARIED = "What varies"
REFERENCE = "Against what"
SHARED = "Who takes part"
MANY_TRIALS = 1000

Out = Annotated[
    Path, typer.Option("--out", help="Folder for runs and results.", show_default=False)
]
Against = Annotated[
    Path,
    typer.Option(
        help="Real profiles, best ones that no model has seen.", rich_help_panel=REFERENCE,
        show_default=False,
    ),
]  # fmt: skip
Users = Annotated[
    int | None,
    typer.Option(
        help="How many to generate in each trial.", rich_help_panel=REFERENCE,
        show_default="as many as in --against", **POSITIVE,
    ),
]  # fmt: skip
Metric = Annotated[
    str | None,
    typer.Option(
        help="Figure to sort by, and that a search makes small, by its key in metrics.json; or "
        "held_out_loss, seconds, parameters.",
        rich_help_panel=REFERENCE,
        show_default="daily_mean.kld, or held_out_loss of models that draw no whole users",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help=f"A named grid: {', '.join(SWEEPS)}; or named settings to begin from: "
        f"{', '.join(RECIPES)}.",
        rich_help_panel=fitting.MODEL, show_default=False,
    ),
]  # fmt: skip
GridTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Values of a setting of the model or the fit; repeatable, every combination is a "
        "trial. With | between them, values may hold commas.",
        metavar="KEY=VALUE,...", rich_help_panel=VARIED,
    ),
]  # fmt: skip
SearchTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        help="Where to look for the best value of a setting: LOW:HIGH, LOW:HIGH:log, or "
        "VALUE|VALUE; repeatable.",
        metavar="KEY=RANGE", rich_help_panel=VARIED,
    ),
]  # fmt: skip
TrialCount = Annotated[
    int | None,
    typer.Option(
        "--trials", help="How many trials a search has.", rich_help_panel=VARIED, **POSITIVE
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        help=f"Make more than {MANY_TRIALS:,} trials without being asked.",
        rich_help_panel=VARIED,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="URL of the database that processes share, such as sqlite:///sweep.db or "
        "'postgresql://me:${PASSWORD}@host/sweeps' with a variable of the environment.",
        rich_help_panel=SHARED, show_default="SQLite in --out",
    ),
]  # fmt: skip
Name = Annotated[
    str, typer.Option(help="Tells sweeps in one database apart.", rich_help_panel=SHARED)
]


@command(
    "Example: habitus sweep demo/train --against demo/test --model beta-vae --grid beta=0,0.1,1,10 "
    "--epochs 10 --out demo/sweep"
)
def sweep(
    profiles: Stored,
    out_: Out,
    against: Against,
    grid: GridTexts = None,
    search: SearchTexts = None,
    trials: TrialCount = None,
    yes: Yes = False,
    users: Users = None,
    metric: Metric = None,
    storage: Storage = None,
    name: Name = SWEEP_NAME,
    model: fitting.ModelName = None,
    recipe: RecipeName = None,
    set_: fitting.Set = None,
    epochs: fitting.Epochs = None,
    batch: fitting.Batch = None,
    optimiser: fitting.OptimiserName = None,
    learning_rate: fitting.Rate = None,
    schedule: fitting.ScheduleName = None,
    seed: fitting.Seed = None,
    held_out: fitting.HeldOut = None,
    precision: fitting.PrecisionName = None,
    accelerator: fitting.Accelerator = None,
    devices: fitting.Devices = None,
    chunk: fitting.Chunk = None,
) -> None:
    """Fit a model with many settings, and evaluate each.

    The same command in another terminal, or on another machine that sees --out and --storage,
    shares the trials. Given again after Ctrl-C or a kill, it goes on; once all trials are done, it
    sorts them anew.
    """
    from habitus.cli._shared.fitting import fit_settings
    from habitus.cli.sweep.space import first_settings, space_of
    from habitus.cli.sweep.table import table_of
    from habitus.profiles.store import StoredProfiles
    from habitus.sweeps import Plan, run_sweep

    asked = fit_settings(locals())
    begun, named = first_settings(model, recipe, set_ or [], asked)
    space = space_of(begun.kind, named, grid or [], search or [], trials)
    if space.trials > MANY_TRIALS and not yes:
        raise ValueError(
            f"the sweep has {space.trials:,} trials, each of them a fit; give fewer values, or "
            "--yes if all are wanted"
        )
    fixed = {*asked, *(pair.partition("=")[0] for pair in set_ or [])}
    if twice := fixed & space.choices.keys():
        raise ValueError(
            f"{min(twice)} is varied and fixed at once; give it to --grid or --search only"
        )
    check_outputs("sweep", {"sweep": out_}, [profiles, against], continued=True)
    train = StoredProfiles.open(profiles)
    real = StoredProfiles.open(against)
    plan = Plan(begun.kind, train, real, space, begun.config, begun.fit, users, metric)
    quiet_libraries()
    with bar("Sweeping", "trials", len(space.slots())) as advance:
        try:
            results = run_sweep(plan, out_, storage, name, on_progress=advance)
        except KeyboardInterrupt as interruption:
            fail_stopped(interruption, "; the same command goes on")
    out_table(table_of(results))
    for path in results.files:
        out(f"{path}: written")
