"""Scores of a file of series, generated, cleaned or forecast, and what is written and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from habitus.cli._console import out, out_table, plain, spinner
from habitus.cli.evaluate.files import (
    SeriesFiles,
    check_known,
    check_same_rows,
    described,
    steps_of,
)
from habitus.cli.evaluate.forecast import evaluate_forecasts
from habitus.evaluation.evaluate import evaluate, panel_of
from habitus.evaluation.metrics.transitions import DEFAULT_BUCKETS
from habitus.evaluation.panels import complete_windows
from habitus.evaluation.two_sample.series import (
    Discriminator,
    Predictor,
    discriminate,
    predictive_score,
)
from habitus.report.figures import baseline_label
from habitus.report.series import direction, write_cleaned, write_generated
from habitus.report.series_wording import series_rows
from habitus.series import Series, read_about

Json = dict[str, Any]
Page = Callable[[Path, Mapping[str, str], bool], None]

GENERATED = "generated"
CLEANED = "cleaned"
FORECAST = "forecast"
DISCRIMINATOR = Discriminator()
PREDICTOR = Predictor()
WINDOW = 24  # steps of the windows that networks compare
MOST_WINDOWS = 10_000


@dataclass(frozen=True)
class EvaluatedSeries:
    """Scores of series.

    Attributes:
        kind: What the series are: generated, cleaned or forecast.
        metrics: Content of ``metrics.json``.
        page: Writer of the page, given its path, provenance, and whether to overwrite.
        origin: Provenance that the file itself has.
    """

    kind: str
    metrics: Json
    page: Page
    origin: Mapping[str, str]

    def to_json(self) -> Json:
        """Return the content of ``metrics.json``."""
        return self.metrics

    def write_page(
        self, path: Path, provenance: Mapping[str, str], *, overwrite: bool = False
    ) -> None:
        """Write the page of these scores."""
        self.page(path, {**provenance, **self.origin}, overwrite)

    def show(self) -> None:
        """Print every score beside its floor and the baselines, and what they mean."""
        metrics = self.metrics
        baselines = list(metrics["baselines"])
        has_floor = "floor" in metrics
        table = Table(title=direction(metrics), title_justify="left")
        table.add_column("score")
        names = [self.kind, *(["floor"] if has_floor else []), *map(baseline_label, baselines)]
        for name in names:
            table.add_column(name, justify="right")
        for row in series_rows(metrics):
            floor = [row.floor] if has_floor else []
            values = [row.ours, *floor, *map(row.baselines.get, baselines)]
            table.add_row(*map(plain, (row.score.name, *map(row.score.text, values))))
        out_table(table)
        out(f"{metrics['unit']['meaning'].capitalize()}. {metrics['baselines_learn_from']}")


def evaluate_series(
    files: SeriesFiles, buckets: int | None, steps: str | None, *, two_sample: bool, seed: int
) -> EvaluatedSeries:
    """Evaluate a file of series by the kind that it declares.

    Raises:
        ValueError: for options that do not go with it, and series that cannot be compared.
    """
    about, kind = _kind_of(files)
    if files.train and files.train_share is not None:
        raise ValueError("give --train or --train-share, not both")
    if kind != GENERATED and two_sample:
        raise ValueError(
            f"--two-sample is for generated series, which {files.path} is not; leave it out"
        )
    if kind == CLEANED:
        if buckets or steps:
            raise ValueError(
                "--buckets and --steps are for generated series and forecasts; leave them out"
            )
        metrics, page = _cleaned(files, seed)
    else:
        options = {"buckets": buckets or DEFAULT_BUCKETS, "seed": seed}
        if kind == FORECAST:
            metrics, page = evaluate_forecasts(files, steps_of(steps), **options)
        else:
            metrics, page = _generated(files, steps_of(steps) or (1,), two_sample, **options)
    made = {"Model": about.get("model"), "Run": about.get("run")}
    known = {name: str(value) for name, value in made.items() if value}
    origin = {"Evaluated": str(files.path), **known, "Seed": str(seed)}
    return EvaluatedSeries(kind, metrics, page, origin)


def _kind_of(files: SeriesFiles) -> tuple[Json, str]:
    """Read a file's origin and kind, and check the options that go with them."""
    path = files.path
    kind = GENERATED
    try:
        about = read_about(path)
    except ValueError as error:
        try:
            about = read_about(path, "forecast")
        except ValueError:
            raise error from None
        kind = FORECAST
    if kind == FORECAST and files.noisy:
        raise ValueError(f"--noisy is for cleaned series, but {path} is a forecast; leave it out")
    if about.get("how") == "completed" and not files.noisy:
        source = about.get("source", "FILE")
        raise ValueError(
            f"{path} was cleaned or filled; say what it was made from: --noisy {source}"
        )
    if about.get("how") == "generated" and files.noisy:
        raise ValueError(f"--noisy is for cleaned series, but {path} was generated; leave it out")
    return about, CLEANED if files.noisy else kind


def _generated(
    files: SeriesFiles, steps: tuple[int, ...], two_sample: bool, *, buckets: int, seed: int
) -> tuple[Json, Page]:
    """Score generated series, and give the writer of their page."""
    ours = files.read_evaluated()
    real = files.read_real(ours.axes, files.against)
    train = files.read_train(ours.axes)
    if files.train_share is not None:
        train, real = real.split(files.train_share)
    longest = int(min(ours.lengths.max(), real.lengths.max()))
    if max(steps) >= longest:
        raise ValueError(
            f"series of at most {longest} steps are too short for transitions over {max(steps)} "
            "(--steps)"
        )
    with spinner("Evaluating generated series and baselines"):
        metrics = evaluate(ours, real, train, buckets=buckets, steps=steps, seed=seed)
    if two_sample:
        with spinner("Training networks to separate generated from real"):
            _add_two_sample(metrics, ours, real, train, seed)
    learnt_from = "the training series" if train else "the reference series"
    metrics |= described(ours.axes, seed, learnt_from) | _counts(ours, real) | {"buckets": buckets}
    floor = "the training series" if train else "one half of these series against the other"
    metrics["baselines_learn_from"] += f" The floor is what {floor} would score."

    def page(path: Path, about: Mapping[str, str], overwrite: bool) -> None:
        learnt = real if train is None else train
        panels = (panel_of(ours), panel_of(real), panel_of(learnt))
        write_generated(path, metrics, *panels, about, overwrite=overwrite)

    return metrics, page


def _cleaned(files: SeriesFiles, seed: int) -> tuple[Json, Page]:
    """Score cleaned series, and give the writer of their page."""
    assert files.noisy is not None, "what makes series cleaned ones"
    cleaned = files.read_evaluated()
    noisy = files.read_real(cleaned.axes, files.noisy)
    clean = files.read_real(cleaned.axes, files.against)
    check_same_rows(cleaned, noisy, f"{files.noisy}, the noisy one,")
    check_same_rows(cleaned, clean, f"{files.against}, the clean one,")
    train = files.read_train(cleaned.axes)
    if files.train_share is not None:
        train = clean.split(files.train_share)[0]
        cleaned, clean, noisy = (
            each.split(files.train_share)[1] for each in (cleaned, clean, noisy)
        )
    check_known(cleaned, clean, files.path, files.against)
    with spinner("Evaluating cleaned series and baselines"):
        metrics = evaluate(cleaned, clean, train, noisy=noisy)
    learnt_from = "the training series" if train else "the clean series itself"
    metrics |= described(cleaned.axes, seed, learnt_from) | _counts(cleaned, clean)
    metrics["baselines_learn_from"] = (
        f"The posterior mean knows the noise, and the histogram of {learnt_from}."
    )

    def page(path: Path, about: Mapping[str, str], overwrite: bool) -> None:
        names = [name for name, rows in zip(cleaned.ids, cleaned.lengths, strict=True) if rows]
        named = {**metrics, "names": names}
        panels = (panel_of(cleaned), panel_of(clean), panel_of(noisy))
        write_cleaned(path, named, *panels, about, overwrite=overwrite)

    return metrics, page


def _counts(ours: Series, real: Series) -> Json:
    """Numbers of series and of steps."""
    theirs = {"series": int((real.lengths > 0).sum()), "rows": len(real.values)}
    return {"series": len(ours), "steps": int(ours.lengths.max()), "real": theirs}


def _add_two_sample(
    metrics: Json, ours: Series, real: Series, train: Series | None, seed: int
) -> None:
    """Add the scores of TimeGAN's paper, of the generated series and of another real sample.

    The other sample is the training series, or every second of the real ones, of a single series
    its first half.

    Raises:
        ValueError: for fewer than 10 windows, or where none is complete.
    """
    length = int(min(WINDOW, ours.lengths.max(), real.lengths.max()))

    def scores(generated: Series, reference: Series) -> Json:
        fake, true = (
            complete_windows(panel_of(each), length, MOST_WINDOWS, seed)
            for each in (generated, reference)
        )
        return {
            "discriminative": discriminate(fake, true, DISCRIMINATOR, seed=seed).score,
            "predictive": predictive_score(fake, true, PREDICTOR, seed=seed),
        }

    metrics["two_sample"] = scores(ours, real)
    if train is not None:
        floor = scores(train, real)
    elif len(real) == 1:
        floor = scores(*real.split(0.5))
    else:
        even = np.arange(len(real)) % 2 == 0
        floor = scores(real.take(even), real.take(~even))
    metrics["floor"]["two_sample"] = floor
