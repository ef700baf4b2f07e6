"""Populations that never existed, from any fitted model: as profiles, or as a log of events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from habitus.events.writing import write_log
from habitus.models.parts.priors import Prior
from habitus.profiles.logs import check_events, event_tables, format_of, log_schema
from habitus.profiles.sparse import Profiles, concat
from habitus.profiles.store import StoredProfiles, save
from habitus.run import Run
from habitus.schema import Progress, no_progress
from habitus.synthesis.population import (
    Drawing,
    GenerateConfig,
    Part,
    Source,
    check_generative,
)


def generate(
    run: Run,
    users: int,
    seed: int = 0,
    *,
    prior: str | Prior | Source = "mixture",
    threshold: float | None = None,
    inactive: str = "redraw",
) -> Profiles:
    """A population in memory; see :class:`GenerateConfig` for the arguments.

    ``prior`` may also be a distribution of latents, or a :class:`Source`, which says more: users of some cohorts
    (:func:`habitus.synthesis.latents.cohorts.mix`), or around given ones (:func:`habitus.synthesis.latents.cohorts.around`).

    Raises:
        ValueError: for a prior that the run does not have, or a setting out of range.
    """
    source = _source(run, prior)
    drawing = Drawing(
        run, GenerateConfig(users, seed, threshold=threshold, inactive=inactive), source
    )
    return replace(concat(list(drawing.chunks())), about=drawing.about)


def generate_to(
    path: Path | str,
    run: Run,
    config: GenerateConfig,
    on_progress: Progress = no_progress,
    source: Source | None = None,
) -> StoredProfiles:
    """A population, or a shard of it, to a folder, in bounded memory.

    Args:
        path: The folder.
        run: The fitted model.
        config: How many users, and how they are drawn.
        on_progress: Called with users drawn so far, and users in all.
        source: Where they come from; it takes the place of the prior that the config names.

    Raises:
        ValueError: as :func:`generate`.
    """
    drawing = Drawing(run, config, source or _source(run, config.prior))
    return save(path, drawing.chunks(on_progress), drawing.axes, drawing.about)


def generate_log_to(
    sink: Path | BinaryIO,
    kind: str,
    run: Run,
    config: GenerateConfig,
    on_progress: Progress = no_progress,
    source: Source | None = None,
) -> dict[str, Any]:
    """A population, or a shard of it, as a log like the one that the run's profiles were made from.

    The events are those of :func:`habitus.profiles.to_events` from the profiles that :func:`generate_to` would
    write with the same config; counting them gives these profiles.

    Args:
        sink: A file, or a stream such as ``sys.stdout.buffer``.
        kind: parquet or csv.
        run: The fitted model, of counts.
        config: As for :func:`generate_to`.
        on_progress: As for :func:`generate_to`.
        source: As for :func:`generate_to`.

    Returns:
        How the population came to be, and how many ``events`` and ``users`` there are.

    Raises:
        ValueError: as :func:`generate`, or for a model that draws no counts.
    """
    drawing = Drawing(run, config, source or _source(run, config.prior))
    users = drawing.nobody().users.schema
    check_events(drawing.axes, users)
    form = format_of(run.about, users)
    schema = log_schema(form, drawing.axes, users)
    tables = event_tables(drawing.pieces(on_progress), config.seed, form, schema)
    events = write_log(sink, kind, form, schema, tables)
    return {"events": events, "users": drawing.users, **drawing.about}


def zero_threshold(run: Run, config: GenerateConfig) -> float:
    """The threshold that a population would be drawn with; 0 where the model's zeros are true ones."""
    return Drawing(run, config, _source(run, config.prior)).zero_threshold


def _source(run: Run, prior: str | Prior | Source) -> Source:
    """Where latents come from, by name or as it is given."""
    check_generative(run)
    if isinstance(prior, Source):
        return prior
    if isinstance(prior, Prior):
        return Source((Part(prior),), {"prior": type(prior).__name__})
    return Source((Part(run.prior(prior)),), {"prior": prior})
