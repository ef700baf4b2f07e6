"""Evaluation of files of series by ``habitus evaluate``: generated, cleaned or forecast ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from habitus.cli._console import out, out_table, plain, spinner
from habitus.cli.evaluate.files import (
    Asked,
    Json,
    check_known,
    check_same_rows,
    described,
    panel,
    read_evaluated,
    read_real,
    read_train,
    steps_of,
)
from habitus.cli.evaluate.forecast import evaluate_forecasts
from habitus.cli.evaluate.series_two_sample import add_two_sample
from habitus.evaluation.evaluate_series import evaluate_cleaned, evaluate_generated
from habitus.evaluation.metrics.transitions import DEFAULT_BUCKETS
from habitus.files import write_json
from habitus.report.figures import baseline_label
from habitus.report.series import direction, write_cleaned, write_generated
from habitus.report.series_wording import series_rows
from habitus.schema import SeriesAxes
from habitus.series import Series, read_about

TO_GENERATED = "generated"
TO_CLEANED = "cleaned"
TO_FORECAST = "forecast"


def evaluate_file(path: Path, asked: Asked) -> None:
    """Evaluate a file of series by the kind that it declares.

    Raises:
        ValueError: for options that do not go with it, and series that cannot be compared.
    """
    about, kind = _what(path, asked)
    if asked.train and asked.train_share is not None:
        raise ValueError("give --train or --train-share, not both")
    if kind != TO_GENERATED and asked.two_sample:
        raise ValueError(f"--two-sample is for generated series, which {path} is not; leave it out")
    evaluate = {TO_GENERATED: _generated, TO_CLEANED: _cleaned, TO_FORECAST: evaluate_forecasts}[
        kind
    ]
    metrics = evaluate(path, asked, _origin(path, about, asked))
    if asked.json:
        write_json(asked.json, metrics)
    out_table(_table(metrics, kind))
    out(f"{metrics['unit']['meaning'].capitalize()}. {metrics['baselines_learn_from']}")
    for written in filter(None, (asked.json, asked.html)):
        out(f"{written}: written")


def _what(path: Path, asked: Asked) -> tuple[Json, str]:
    """Read a file's origin and kind, and check the options that go with them."""
    about, kind = _stored(path)
    if kind == TO_FORECAST and asked.noisy:
        raise ValueError(f"--noisy is for cleaned series, but {path} is a forecast; leave it out")
    if about.get("how") == "completed" and not asked.noisy:
        source = about.get("source", "FILE")
        raise ValueError(
            f"{path} was cleaned or filled; say what it was made from: --noisy {source}"
        )
    if about.get("how") == "generated" and asked.noisy:
        raise ValueError(f"--noisy is for cleaned series, but {path} was generated; leave it out")
    return about, TO_CLEANED if asked.noisy else kind


def _stored(path: Path) -> tuple[Json, str]:
    try:
        return read_about(path), TO_GENERATED
    except ValueError as error:
        try:
            return read_about(path, "forecast"), TO_FORECAST
        except ValueError:
            raise error from None


def _generated(path: Path, asked: Asked, about: Mapping[str, str]) -> Json:
    ours = read_evaluated(path, asked)
    real, train = _real(asked, ours.axes)
    steps = steps_of(asked.steps) or (1,)
    longest = int(min(ours.lengths.max(), real.lengths.max()))
    if max(steps) >= longest:
        raise ValueError(
            f"series of at most {longest} steps are too short for transitions over {max(steps)} "
            f"(--steps)"
        )
    made = panel(ours)
    theirs = panel(real)
    learnt = panel(train) if train else None
    buckets = asked.buckets or DEFAULT_BUCKETS
    with spinner("Evaluating generated series and baselines"):
        metrics = evaluate_generated(
            made, theirs, learnt, buckets=buckets, steps=steps, seed=asked.seed
        )
    if asked.two_sample:
        with spinner("Training networks to separate generated from real"):
            add_two_sample(metrics, ours, real, train, asked.seed)
    learnt_from = "the training series" if train else "the reference series"
    metrics |= (
        described(ours.axes, asked.seed, learnt_from) | _counted(ours, real) | {"buckets": buckets}
    )
    floor = "the training series" if train else "one half of these series against the other"
    metrics["baselines_learn_from"] += f" The floor is what {floor} would score."
    if asked.html:
        with spinner("Drawing"):
            write_generated(asked.html, metrics, made, theirs, learnt or theirs, about)
    return metrics


def _cleaned(path: Path, asked: Asked, about: Mapping[str, str]) -> Json:
    if asked.buckets or asked.steps:
        raise ValueError(
            "--buckets and --steps are for generated series and forecasts; leave them out"
        )
    assert asked.noisy is not None
    cleaned = read_evaluated(path, asked)
    noisy, clean = (read_real(cleaned.axes, each, asked) for each in (asked.noisy, asked.against))
    check_same_rows(cleaned, noisy, f"{asked.noisy}, the noisy one,")
    check_same_rows(cleaned, clean, f"{asked.against}, the clean one,")
    train = read_train(cleaned.axes, asked)
    if asked.train_share is not None:
        train = clean.split(asked.train_share)[0]
        cleaned, clean, noisy = (
            each.split(asked.train_share)[1] for each in (cleaned, clean, noisy)
        )
    check_known(cleaned, clean, path, asked.against)
    ours, theirs, given = (panel(each) for each in (cleaned, clean, noisy))
    with spinner("Evaluating cleaned series and baselines"):
        metrics = evaluate_cleaned(ours, theirs, given, panel(train) if train else None)
    learnt_from = "the training series" if train else "the clean series itself"
    metrics |= described(cleaned.axes, asked.seed, learnt_from) | _counted(cleaned, clean)
    metrics["baselines_learn_from"] = (
        f"The posterior mean knows the noise, and the histogram of {learnt_from}."
    )
    if asked.html:
        names = [name for name, rows in zip(cleaned.ids, cleaned.lengths, strict=True) if rows]
        write_cleaned(asked.html, {**metrics, "names": names}, ours, theirs, given, about)
    return metrics


def _real(asked: Asked, axes: SeriesAxes) -> tuple[Series, Series | None]:
    """Read the reference series, and the training series of the baselines where they differ."""
    real = read_real(axes, asked.against, asked)
    train = read_train(axes, asked)
    if asked.train_share is not None:
        train, real = real.split(asked.train_share)
    return real, train


def _counted(ours: Series, real: Series) -> Json:
    theirs = {"series": int((real.lengths > 0).sum()), "rows": len(real.values)}
    return {"series": len(ours), "steps": int(ours.lengths.max()), "real": theirs}


def _origin(path: Path, about: Json, asked: Asked) -> dict[str, str]:
    """Provenance of the scores, for the page."""
    made = {"Model": about.get("model"), "Run": about.get("run")}
    known = {name: str(value) for name, value in made.items() if value}
    return {**asked.command, "Evaluated": str(path), **known, "Seed": str(asked.seed)}


def _table(metrics: Json, kind: str) -> Table:
    """Table of every score beside its floor and the baselines."""
    baselines = list(metrics["baselines"])
    table = Table(title=direction(metrics), title_justify="left")
    floor = ["floor"] if "floor" in metrics else []
    table.add_column("score")
    for name in (kind, *floor, *map(baseline_label, baselines)):
        table.add_column(name, justify="right")
    for row in series_rows(metrics):
        values: Sequence[float | None] = (
            row.ours,
            *([row.floor] if floor else []),
            *map(row.baselines.get, baselines),
        )
        table.add_row(*map(plain, (row.score.name, *map(row.score.text, values))))
    return table
