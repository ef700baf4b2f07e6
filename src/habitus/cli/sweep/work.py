"""Work of ``habitus sweep``."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from rich.table import Table

from habitus.cli._console import INTERRUPTED, bar, out, out_table, plain, quiet_libraries, warn
from habitus.cli._shared.fitting import adjusted, fit_settings, resolve_recipe
from habitus.profiles.store import StoredProfiles
from habitus.recipes import RECIPES, SWEEPS, Recipe
from habitus.report.wording import number
from habitus.sweeps import (
    Choice,
    Grid,
    Plan,
    Results,
    Row,
    Search,
    grid_of,
    read_grid,
    read_search,
    run_sweep,
    types_of_settings,
)
from habitus.sweeps.space import text_of

SHOWN = (
    "daily_mean.kld",
    "daily_mean.mse",
    "daily_std.kld",
    "daily_std.mse",
    "held_out_loss",
    "seconds",
)
LONGEST_ERROR = 60


def execute(
    profiles: Path,
    out_: Path,
    against: Path,
    grid: list[str] | None,
    search: list[str] | None,
    trials: int | None,
    users: int | None,
    metric: str | None,
    storage: str | None,
    name: str,
    model: str | None,
    recipe: str | None,
    set_: list[str] | None,
    epochs: int | None,
    batch: int | None,
    optimiser: str | None,
    learning_rate: float | None,
    schedule: str | None,
    seed: int | None,
    held_out: float | None,
    precision: str | None,
    accelerator: str | None,
    devices: int | None,
    chunk: int | None,
) -> None:
    """Fit a model with many settings, and evaluate each."""
    asked = fit_settings(locals())
    begun, named = _begun(model, recipe, set_ or [], asked)
    space = _space(begun, named, grid or [], search or [], trials)
    fixed = {*asked, *(pair.partition("=")[0] for pair in set_ or [])}
    if twice := fixed & space.choices.keys():
        raise ValueError(
            f"{min(twice)} is varied and fixed at once; give it to --grid or --search only"
        )
    train = StoredProfiles.open(profiles)
    real = StoredProfiles.open(against)
    plan = Plan(begun.kind, train, real, space, begun.config, begun.fit, users, metric)
    results = _run(plan, out_, storage, name)
    out_table(_table(results))
    for path in results.files:
        out(f"{path}: written")


def _begun(
    model: str | None, recipe: str | None, pairs: list[str], asked: dict[str, object]
) -> tuple[Recipe, Grid | None]:
    """Settings that all trials begin from, and the grid of a named sweep."""
    if recipe not in SWEEPS or model is not None:
        if recipe is not None and recipe not in {**RECIPES, **SWEEPS}:
            raise ValueError(
                f"unknown recipe {recipe!r}; --recipe must be one of "
                f"{', '.join((*SWEEPS, *RECIPES))}"
            )
        return resolve_recipe(model, recipe, pairs, asked), None
    base, values = SWEEPS[recipe]()
    return adjusted(base, pairs, asked), grid_of(values)


def _space(
    begun: Recipe, named: Grid | None, grid: list[str], search: list[str], trials: int | None
) -> Grid | Search:
    types = types_of_settings(begun.kind)
    if search:
        if grid or named:
            raise ValueError("give a grid or --search, not both")
        if trials is None:
            raise ValueError("--search needs --trials, how many trials to make")
        return read_search(types, search, trials)
    if trials is not None:
        raise ValueError("--trials is for --search; a grid has a trial for every combination")
    if not grid and named is None:
        raise ValueError(
            f"give --grid, --search, or one of the named grids: --recipe {' or '.join(SWEEPS)}"
        )
    choices = read_grid(types, grid).choices if grid else {}
    return _joined(named.choices if named else {}, choices)


def _joined(named: dict[str, Choice], given: dict[str, Choice]) -> Grid:
    if twice := named.keys() & given.keys():
        raise ValueError(
            f"the recipe's grid has {min(twice)} already; give --model and all of --grid instead"
        )
    return Grid({**named, **given})


def _run(plan: Plan, path: Path, storage: str | None, name: str) -> Results:
    quiet_libraries()
    with bar("Sweeping", "trials", len(plan.space.slots())) as advance:
        try:
            return run_sweep(plan, path, storage, name, on_progress=advance)
        except KeyboardInterrupt:
            warn("stopped; the same command goes on")
            raise typer.Exit(INTERRUPTED) from None


def _table(results: Results) -> Table:
    """Table of trials, the best first, and the floor."""
    known = {results.metric}.union(*(row.figures for row in results.rows))
    shown = [name for name in dict.fromkeys((results.metric, *SHOWN)) if name in known]
    floor = [results.floor.get(name) for name in shown]
    table = Table(title=_title(results, floor), title_justify="left")
    table.add_column("trial", justify="right")
    for name in (*results.keys, *shown):
        # Broken names keep the table narrow enough for a terminal.
        table.add_column(re.sub(r"([_.])", r"\1\n", name), justify="right")
    failed = any(row.error for row in results.rows)
    if failed:
        table.add_column("failed")
    for row in results.rows:
        table.add_row(*map(plain, _cells(row, results.keys, shown, failed)))
    if any(value is not None for value in floor):
        table.add_row(
            *map(plain, ["floor", *("" for _ in results.keys), *map(_number, floor)]),
            end_section=True,
        )
    return table


def _title(results: Results, floor: list[float | None]) -> str:
    by = f"By {results.metric}, lower is better"
    if any(value is not None for value in floor):
        return f"{by}; the floor is what another real sample scores"
    if results.floor:
        return f"{by}; trials differ in unit, and each one's metrics.json has a floor of its own"
    return by


def _cells(row: Row, keys: tuple[str, ...], shown: list[str], failed: bool) -> list[str]:
    settings = list[str]()
    for key in keys:
        value = row.params.get(key, "–")
        settings.append(f"{value:.4g}" if isinstance(value, float) else text_of(value))
    error = [(row.error or "")[:LONGEST_ERROR]] if failed else []
    return [str(row.slot), *settings, *(_number(row.figures.get(name)) for name in shown), *error]


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
