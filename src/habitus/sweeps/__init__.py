"""Sweeps: one fit with many settings, by any number of processes that share a storage.

    plan ──enqueue──▶ study ──optimize──▶ trial (fit, generate, evaluate) ──▶ results

A sweep is a folder of runs and an Optuna study. Every process that is given the same plan, folder
and storage takes trials until none is left, and ends with the results of all. A process that dies
loses nothing: another one, or the same command again, goes on with its runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from habitus.databases import resolved
from habitus.files import MARKER, check_outputs, claiming
from habitus.models.base import Model
from habitus.profiles.batches import Population
from habitus.records import Header, read_header, write_header
from habitus.report.wording import figures_of
from habitus.schema import Progress, no_progress
from habitus.sweeps.drawing import draw
from habitus.sweeps.plan import Plan, another, score, types_of_settings
from habitus.sweeps.results import Results, Row, results_of
from habitus.sweeps.shared_study import POLL, SharedStudy
from habitus.sweeps.space import (
    Choice,
    Grid,
    Params,
    Range,
    Search,
    grid_of,
    read_grid,
    read_search,
)
from habitus.sweeps.storage import Patience, opened, quiet_optuna, sqlite_url, storage_url
from habitus.sweeps.trial import Trials
from habitus.training.config import FitConfig

__all__ = [
    "Choice",
    "Grid",
    "Patience",
    "Plan",
    "Range",
    "Results",
    "Row",
    "Search",
    "grid_of",
    "read_grid",
    "read_search",
    "run_sweep",
    "sweep",
    "types_of_settings",
]

KIND = "sweep"
VERSION = 1
DATABASE = "sweep.db"
NAME = "sweep"


def sweep(
    kind: type[Model],
    train: Population,
    against: Population,
    space: Grid | Search,
    config: Any = None,
    *,
    fit: FitConfig | None = None,
    out: Path | str,
    storage: str | None = None,
    name: str = NAME,
    users: int | None = None,
    metric: str | None = None,
) -> Results:
    """Fit a model with many settings, and evaluate each.

    Args:
        kind: The class of the model, such as BetaVAE.
        train: The profiles to learn from.
        against: Real profiles to evaluate against, best ones that no model has seen.
        space: What varies: ``grid_of({"beta": (0, 0.1, 1)})``, or a Search.
        config: The model's other settings; None takes its defaults.
        fit: How to fit; None takes what suits the model.
        out: Folder for runs and results.
        storage: URL of the database that processes share, in which ``${NAME}`` is the environment's
            value; None for SQLite in ``out``.
        name: Tells sweeps in one database apart.
        users: How many to generate; None for as many as there are in ``against``.
        metric: The figure that a search makes small and that results are sorted by, by its dotted
            key; None for ``daily_mean.kld``, or ``held_out_loss`` where the model draws no whole
            users.

    Returns:
        The results, which are also written to ``out``.

    Raises:
        ValueError: if the settings are invalid, or storage or folder hold another sweep.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    config = config or kind.Config()
    fit = fit or FitConfig(**kind.fit_defaults)
    return run_sweep(
        Plan(kind, train, against, space, config, fit, users, metric), out, storage, name
    )


def run_sweep(
    plan: Plan,
    out: Path | str,
    storage: str | None = None,
    name: str = NAME,
    *,
    patience: Patience | None = None,
    on_progress: Progress = no_progress,
) -> Results:
    """Run a plan, or what is left of it; see :func:`sweep`.

    Args:
        plan: What to do.
        out: Folder for runs and results.
        storage: URL of the database that processes share, in which ``${NAME}`` is the environment's
            value; None for SQLite in ``out``.
        name: Tells sweeps in one database apart.
        patience: When a process that works on a trial counts as dead.
        on_progress: Called with trials settled, trials in all, and what is under way.

    Raises:
        ValueError: if storage or folder hold another sweep, or cannot be used.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    out = Path(out)
    patience = patience or Patience()
    url = sqlite_url(out / DATABASE) if storage is None else resolved(storage)
    storage_url(url)
    definition = plan.definition()
    reads = [getattr(each, "path", None) for each in (plan.train, plan.against)]
    check_outputs("sweep", {KIND: out}, reads, continued=True)
    _check_folder(out, definition)
    if storage is None:
        _claim_folder(out, definition)
    with quiet_optuna(), opened(url, patience) as database:
        study = SharedStudy(database, name, plan.space, patience, plan.fit.seed)
        study.join(definition)
        _claim_folder(out, definition)
        _work(plan, study, Trials(plan, out), on_progress)
        results = results_of(plan, study.slots(), out)
    return replace(results, files=(*results.write(), *draw(plan, results)))


class SweepHeader(Header):
    """The ``habitus.json`` of a sweep."""

    definition: dict[str, Any] = Field(default_factory=dict)


def _check_folder(out: Path, definition: dict[str, Any]) -> None:
    """Refuse a folder that holds something else.

    Raises:
        ValueError: if it is another sweep's, or another folder of habitus.
    """
    if not (out / MARKER).is_file():
        return
    header = read_header(out, KIND, VERSION, SweepHeader)
    if what := another(header.definition, definition):
        raise ValueError(f"{out} holds another sweep ({what}); choose another --out")


def _claim_folder(out: Path, definition: dict[str, Any]) -> None:
    """Make the folder with its marker in it, so that two processes that begin at once find it."""
    if not (out / MARKER).is_file():
        with claiming(out) as part:
            part.mkdir()
            write_header(part, KIND, VERSION, definition=definition)
    _check_folder(out, definition)


def _work(plan: Plan, study: SharedStudy, trials: Trials, on_progress: Progress) -> None:
    """Run trials until every one is settled, by this process or another."""
    while True:
        study.revive()
        settled = [slot.settled for slot in study.slots()]
        done = sum(settled)
        total = len(settled)
        if done == total:
            return
        report = partial(on_progress, done, total)
        if not study.run_one(partial(_run_trial, plan, trials, report)):
            report(f"{total - done} under way in other processes")
            time.sleep(POLL)


def _run_trial(
    plan: Plan,
    trials: Trials,
    report: Callable[[str], None],
    slot: int,
    params: Params,
    spent: float,
    alive: Callable[[], None],
) -> float:
    def on_progress(done: int, total: int, stage: str) -> None:
        alive()
        report(stage)

    metrics = trials.run(slot, params, spent, on_progress)
    return score(figures_of(metrics), plan.objective)
