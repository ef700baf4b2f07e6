"""Synthetic populations and series from any fitted model; populations also as an event log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, overload

import numpy as np
import torch
from torch import Generator

from habitus.events.writing import write_log
from habitus.files import check_outputs
from habitus.memory import check_memory
from habitus.models.base import SeriesModel
from habitus.models.parts.priors import Prior
from habitus.profiles.logs import check_events, event_tables, format_of, log_schema
from habitus.profiles.sparse import Profiles, concat
from habitus.profiles.store import StoredProfiles, save
from habitus.run import Run
from habitus.schema import Progress, no_progress
from habitus.series import Series
from habitus.synthesis.capabilities import generative_model, series_model
from habitus.synthesis.population import Drawing, GenerateConfig, Part, Source

TOGETHER = 2048  # series drawn at once


@overload
def generate(
    run: Run,
    users: int,
    seed: int = 0,
    *,
    prior: str | Prior | Source = "mixture",
    threshold: float | None = None,
    inactive: Literal["redraw", "keep"] = "redraw",
    on_progress: Progress = no_progress,
) -> Profiles: ...
@overload
def generate(
    run: Run,
    *,
    series: int,
    steps: int | None = None,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Series: ...
def generate(
    run: Run,
    users: int | None = None,
    seed: int = 0,
    *,
    series: int | None = None,
    steps: int | None = None,
    prior: str | Prior | Source = "mixture",
    threshold: float | None = None,
    inactive: Literal["redraw", "keep"] = "redraw",
    on_progress: Progress = no_progress,
) -> Profiles | Series:
    """Generate a population in memory, or series from a run of a model of series.

    Args:
        run: The fitted model.
        users: Users of a population.
        seed: Seed of all randomness.
        series: Number of series, from a run of a model of series; given instead of ``users``.
        steps: Steps of each series; None for a window of the model.
        prior: mixture or normal, a distribution of latents, or a :class:`Source`: users of some
            cohorts (:func:`habitus.synthesis.latents.cohorts.mix`), or around given ones
            (:func:`habitus.synthesis.latents.cohorts.around`).
        threshold: See :class:`GenerateConfig`.
        inactive: See :class:`GenerateConfig`.
        on_progress: Called with users or series drawn, and all of them.

    Raises:
        ValueError: for a prior that the run does not have, a setting out of range, or a model of
            the other kind.
    """
    if series is not None or steps is not None:
        return _generate_series(run, 1 if series is None else series, steps, seed, on_progress)
    if users is None:
        what = "series=..." if isinstance(run.model, SeriesModel) else "users"
        raise ValueError(f"expected how many to generate, got none; give {what}")
    if isinstance(run.model, SeriesModel):
        raise ValueError(
            f"a {type(run.model).__name__} draws series, not users; give series=... and steps=..."
        )
    config = GenerateConfig(users, seed, threshold=threshold, inactive=inactive)
    drawing = Drawing(run, config, _source(run, prior))
    return replace(concat(list(drawing.chunks(on_progress))), about=drawing.about)


def _generate_series(
    run: Run, series: int, steps: int | None, seed: int, on_progress: Progress
) -> Series:
    """Draw series from the model's own start."""
    model = series_model(run.model)
    length = model.window if steps is None else steps
    if series < 1 or length < 1:
        raise ValueError(f"expected at least 1 series of 1 step, got {series} of {length}")
    check_memory(
        16 * series * length * len(model.axes.variables),
        f"{series:,} series of {length:,} steps",
        "series or steps",
    )
    generator = Generator().manual_seed(seed)
    drawn = list[np.ndarray]()
    with torch.inference_mode():
        for first in range(0, series, TOGETHER):
            drawn.append(model.generate(min(TOGETHER, series - first), length, generator).numpy())
            on_progress(min(first + TOGETHER, series), series, "generating")
    return Series.from_arrays(np.concatenate(drawn), **vars(model.axes))


def generate_to(
    path: Path | str,
    run: Run,
    config: GenerateConfig,
    on_progress: Progress = no_progress,
    source: Source | None = None,
    *,
    overwrite: bool = False,
) -> StoredProfiles:
    """Generate a population, or a shard of it, into a folder, in bounded memory.

    Args:
        path: The folder.
        run: The fitted model.
        config: Number of users, and settings of their draws.
        on_progress: Called with users drawn so far, and users in all.
        source: Distribution of the users, in place of the prior that the config names.
        overwrite: Replace whatever folder stands there, not only an earlier generated population.

    Raises:
        ValueError: as :func:`generate`; or if the run lies at ``path``, or something else stands
            there and ``overwrite`` is not given.
    """
    check_outputs("generate", {"profiles": path}, [run.path], overwrite=overwrite)
    drawing = Drawing(run, config, source or _source(run, config.prior))
    return save(
        path, drawing.chunks(on_progress), drawing.axes, drawing.about,
        command="generate", overwrite=overwrite,
    )  # fmt: skip


def generate_log_to(
    sink: Path | BinaryIO,
    kind: str,
    run: Run,
    config: GenerateConfig,
    on_progress: Progress = no_progress,
    source: Source | None = None,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Generate a population, or a shard of it, as a log like that of the run's profiles.

    The events are those of :func:`habitus.profiles.to_events` from the profiles that
    :func:`generate_to` would write with the same config; counting them gives these profiles.

    Args:
        sink: A file, or a stream such as ``sys.stdout.buffer``.
        kind: parquet or csv.
        run: The fitted model, of counts.
        config: As for :func:`generate_to`.
        on_progress: As for :func:`generate_to`.
        source: As for :func:`generate_to`.
        overwrite: Replace whatever file stands there, not only an earlier generated log in Parquet.

    Returns:
        Provenance of the population, and how many ``events`` and ``users`` there are.

    Raises:
        ValueError: as :func:`generate`, or for a model that draws no counts; or as
            :func:`generate_to` for what stands there.
    """
    if isinstance(sink, Path):
        check_outputs("generate", {"log": sink}, [run.path], overwrite=overwrite)
    drawing = Drawing(run, config, source or _source(run, config.prior))
    users = drawing.empty().users.schema
    check_events(drawing.axes, users)
    form = format_of(run.about, users)
    schema = log_schema(form, drawing.axes, users)
    tables = event_tables(drawing.pieces(on_progress), config.seed, form, schema)
    events = write_log(sink, kind, form, schema, tables, command="generate", overwrite=overwrite)
    return {"events": events, "users": drawing.users, **drawing.about}


def zero_threshold(run: Run, config: GenerateConfig) -> float:
    """Threshold that a population would be drawn with; 0 where the model's zeros are exact."""
    return Drawing(run, config, _source(run, config.prior)).zero_threshold


def _source(run: Run, prior: str | Prior | Source) -> Source:
    """Source of the users' latents: as given, a distribution, or the run's own of that name."""
    generative_model(run.model)
    if isinstance(prior, Source):
        return prior
    if isinstance(prior, Prior):
        return Source((Part(prior),), {"prior": type(prior).__name__})
    return Source((Part(run.prior(prior)),), {"prior": prior})
