"""Sweeps: the same fit with other settings, shared by as many processes and machines as see one storage.

    plan ──enqueue──▶ queue ──claim──▶ trial (fit, generate, evaluate) ──▶ results

A sweep is a folder of runs and an Optuna study. Every process that is given the same plan, folder and storage takes
trials until none is left, and ends with the results of all. A process that dies loses nothing: another one, or the
same command again, goes on with its runs.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from torch import OutOfMemoryError

from habitus.files import MARKER, check_replaceable
from habitus.models.base import Model
from habitus.profiles.batches import Population
from habitus.profiles.store import read_header
from habitus.records import write_header
from habitus.report.wording import figures_of
from habitus.schema import Progress, no_progress
from habitus.sweeps.drawing import draw
from habitus.sweeps.plan import Plan, another, score, types_of_settings
from habitus.sweeps.queue import POLL, Claim, Queue
from habitus.sweeps.results import Results, Row, results_of
from habitus.sweeps.space import Choice, Grid, Range, Search, grid_of, read_grid, read_search
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
    """Fit a model with many settings, and judge each.

    Args:
        kind: The class of the model, such as BetaVAE.
        train: The profiles to learn from.
        against: Real profiles to judge against, best ones that no model has seen.
        space: What varies: ``grid_of({"beta": (0, 0.1, 1)})``, or a Search.
        config: The model's other settings; None takes its defaults.
        fit: How to fit; None takes what suits the model.
        out: Folder for runs and results.
        storage: URL of the database that processes share; None for SQLite in ``out``.
        name: Tells sweeps in one database apart.
        users: How many to generate; None for as many as there are in ``against``.
        metric: The figure that a search makes small and that results are sorted by, by its dotted key; None for
            ``daily_mean.kld``, or ``held_out_loss`` where the model draws no whole users.

    Returns:
        The results, which are also written to ``out``.

    Raises:
        ValueError: if the settings cannot be, or storage or folder hold another sweep.
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
        storage: URL of the database that processes share; None for SQLite in ``out``.
        name: Tells sweeps in one database apart.
        patience: When a process that works on a trial counts as dead.
        on_progress: Called with trials settled, trials in all, and what is under way.

    Raises:
        ValueError: if storage or folder hold another sweep, or cannot be used.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    out = Path(out)
    patience = patience or Patience()
    definition = plan.definition()
    _check_folder(out, definition)
    if storage is None:
        _claim_folder(out, definition)
    url = storage or sqlite_url(out / DATABASE)
    storage_url(url)
    with quiet_optuna(), opened(url, patience) as database:
        queue = Queue(database, name, plan.space, patience, plan.fit.seed)
        queue.join(definition)
        _claim_folder(out, definition)
        _work(plan, queue, Trials(plan, out), on_progress)
        results = results_of(plan, queue.slots(), out)
    return replace(results, files=(*results.write(), *draw(plan, results)))


def _check_folder(out: Path, definition: dict[str, Any]) -> None:
    """Refuse a folder that holds something else.

    Raises:
        ValueError: if habitus did not write it, or it is another sweep's.
    """
    check_replaceable(out)
    if not (out / MARKER).is_file():
        return
    header = read_header(out, KIND, VERSION)
    if what := another(header.get("definition") or {}, definition):
        raise ValueError(f"{out} holds another sweep ({what}); choose another --out")


def _claim_folder(out: Path, definition: dict[str, Any]) -> None:
    """Make the folder, with its marker from the start, so that two processes that begin at once both find it so."""
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    if not (out / MARKER).is_file():
        part.mkdir(parents=True)
        write_header(part, KIND, VERSION, definition=definition)
        try:
            part.rename(out)  # onto nothing or an empty folder only
        except OSError:
            (part / MARKER).unlink()
            part.rmdir()
    _check_folder(out, definition)


def _work(plan: Plan, queue: Queue, trials: Trials, on_progress: Progress) -> None:
    """Take trials until every one is settled, by this process or another."""
    while True:
        queue.revive()
        settled = [slot.settled for slot in queue.slots()]
        if all(settled):
            return
        done = sum(settled)
        total = len(settled)
        if (claim := queue.claim()) is None:
            on_progress(done, total, f"{total - done} under way in other processes")
            time.sleep(POLL)
            continue
        _try(
            plan,
            queue,
            trials,
            claim,
            lambda _done, _total, stage, done=done, total=total: on_progress(done, total, stage),
        )


class _TakenOver(Exception):  # noqa: N818
    """Another process thought this one dead and has its trial."""


def _try(plan: Plan, queue: Queue, trials: Trials, claim: Claim, on_progress: Progress) -> None:
    """One trial, with every way in which it can end."""
    with queue.signs_of_life(claim) as taken:
        try:
            metrics = trials.run(
                claim.slot, claim.params, claim.spent, _unless_taken(on_progress, taken)
            )
        except _TakenOver:
            return
        except (ValueError, MemoryError, OutOfMemoryError) as error:
            queue.fail(claim, " ".join(str(error).split()) or type(error).__name__)
            return
        except BaseException:
            queue.release(claim)
            raise
    queue.complete(claim, score(figures_of(metrics), plan.objective))


def _unless_taken(on_progress: Progress, taken: Event) -> Progress:
    def checked(done: int, total: int, stage: str) -> None:
        if taken.is_set():
            raise _TakenOver
        on_progress(done, total, stage)

    return checked
