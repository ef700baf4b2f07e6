"""Work of ``habitus evaluate``."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.table import Table

from habitus.cli._console import out, out_table, plain, spinner
from habitus.cli.evaluate import MOST
from habitus.cli.evaluate.completed import (
    filled_provenance,
    filled_table,
    score_filled,
    with_filled,
)
from habitus.evaluation import ACTIVITIES, Evaluation, active_users, evaluate_profiles
from habitus.files import write_json
from habitus.history import HISTORY, curves, read_history, versions
from habitus.profiles.completed import open_profiles
from habitus.profiles.store import StoredProfiles
from habitus.report import write_report
from habitus.report.wording import Row, baseline_name, rows_of, times


def execute(
    generated: Path,
    against: Path,
    train: Path | None,
    json: Path | None,
    html: Path | None,
    run: Path | None,
    region: str | None,
    most: int | None,
    seed: int,
    noisy: Path | None,
    train_share: float | None,
    buckets: int | None,
    steps: str | None,
    two_sample: bool,
    privacy: bool,
    column: list[str] | None,
    scale: float | None,
    time: str | None,
    series_id: str | None,
) -> None:
    """Measure how far a generated population is from a real one."""
    columns = {"column": column, "scale": scale, "time": time, "series_id": series_id}
    asked = {"two_sample": two_sample, "privacy": privacy}
    of_series = {"noisy": noisy, "train_share": train_share, "buckets": buckets, "steps": steps}
    common = {"against": against, "train": train, "json": json, "html": html, "seed": seed}
    if generated.is_file():
        _refuse(
            "profiles", "series were", region=region, most=most, run=run, privacy=privacy or None
        )
        _evaluate_series(generated, columns, two_sample=two_sample, **common, **of_series)
    else:
        _refuse("series", "profiles were", **of_series, **columns)
        _evaluate_profiles(generated, run=run, region=region, most=most, asked=asked, **common)


def _refuse(of: str, given: str, **options: Any) -> None:
    """Refuse options of profiles for series, and the other way round."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is for {of}, but {given} given; leave it out"
            )


def _evaluate_series(path: Path, columns: dict[str, Any], **options: Any) -> None:
    """Evaluate a file of series; what does so loads torch, for which profiles need not wait."""
    series = import_module("habitus.cli.evaluate.series")
    names = [f" --column {shlex.quote(name)}" for name in columns["column"] or []]
    flags = [*names, " --two-sample" if options["two_sample"] else ""]
    single = {name: value for name, value in columns.items() if name != "column"}
    given = _command(
        **{name: value for name, value in options.items() if name != "two_sample"}, **single
    )
    command = {
        "Command": f"habitus evaluate {shlex.quote(str(path))}{given}{''.join(flags)}",
        **_versions(),
    }
    series.evaluate_file(path, series.Asked(columns=columns, command=command, **options))


def _evaluate_profiles(
    generated: Path,
    *,
    against: Path,
    train: Path | None,
    json: Path | None,
    html: Path | None,
    run: Path | None,
    region: str | None,
    most: int | None,
    asked: dict[str, bool],
    seed: int,
) -> None:
    """Evaluate a folder of profiles."""
    if asked["privacy"] and train is None:
        raise ValueError(
            "--privacy looks for users that the model was trained on; give them with --train"
        )
    most = MOST if most is None else most
    ours = open_profiles(generated)
    theirs = StoredProfiles.open(against)
    real = StoredProfiles.open(train) if train else None
    history = _history(run, ours.about) if html else None
    filled = score_filled(ours, theirs, real, region, seed, most)
    compared = _compared(ours, theirs, real, asked, seed)
    with spinner("Evaluating"):
        found = evaluate_profiles(ours, theirs, real, seed=seed)
        if json:
            write_json(
                json,
                with_filled(found.to_json(), filled, ours, region)
                | (compared.to_json() if compared else {}),
            )
        if html:
            given = {"most": most} if filled else {}
            command = _command(
                against=against,
                train=train,
                json=json,
                html=html,
                run=run,
                region=region,
                **given,
                seed=seed,
            )
            command += "".join(
                f" --{name.replace('_', '-')}" for name, wanted in asked.items() if wanted
            )
            origins = {
                "Command": f"habitus evaluate {shlex.quote(str(generated))}{command}",
                **_versions(),
            }
            origins |= filled_provenance(filled, ours, region)
            parts = (
                {"two_sample": compared.two_sample, "privacy": compared.privacy} if compared else {}
            )
            write_report(
                html,
                found,
                ours,
                theirs,
                completion=filled,
                history=history,
                provenance=origins,
                **parts,
            )
    if filled:
        out_table(filled_table(filled))
    out_table(_table(found))
    for line in _activity(found):
        out(line)
    if compared:
        compared.report()
    for path in filter(None, (json, html)):
        out(f"{path}: written")


def _compared(
    ours: StoredProfiles,
    reference: StoredProfiles,
    train: StoredProfiles | None,
    asked: dict[str, bool],
    seed: int,
) -> Any:
    """Results of classifiers and of attackers, where asked for; what does so loads torch."""
    if not any(asked.values()):
        return None
    comparisons = import_module("habitus.cli.evaluate.two_sample")
    wanted = {"classify": asked["two_sample"], "leaks": asked["privacy"]}
    return comparisons.run_tests(ours, reference, train, **wanted, seed=seed)


def _history(run: Path | None, about: dict[str, Any]) -> dict[str, list[float]] | None:
    """Loss curves of the named run, or of the one that made the population if it is still there."""
    if run is not None:
        return curves(read_history(run))
    made_by = Path(about.get("run", ""))
    return curves(read_history(made_by)) if (made_by / HISTORY).is_file() else None


def _command(**options: Any) -> str:
    given = {name: value for name, value in options.items() if value is not None}
    return "".join(
        f" --{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in given.items()
    )


def _versions() -> dict[str, str]:
    return {
        "Versions": ", ".join(f"{name} {number}" for name, number in versions()["versions"].items())
    }


def _table(found: Evaluation) -> Table:
    """Figures beside their floor and baselines; a ratio of 1 is as good as another real sample."""
    baselines = list(found.baselines)
    table = Table(
        title="Lower is better; the floor is what another real sample scores", title_justify="left"
    )
    table.add_column("figure")
    for name in ("generated", "floor", "ratio", *map(baseline_name, baselines)):
        table.add_column(name, justify="right")
    for row in rows_of(found.to_json()):
        table.add_row(*map(plain, _cells(row, baselines)))
    return table


def _cells(row: Row, baselines: list[str]) -> list[str]:
    unit = f" ({row.unit.partition(',')[0]})" if row.unit and row.unit not in row.text(1) else ""
    scores = [row.text(value) for value in (row.generated, row.floor)]
    return [
        row.name + unit,
        *scores,
        times(row.ratio),
        *(row.text(row.baselines.get(baseline)) for baseline in baselines),
    ]


def _activity(found: Evaluation) -> list[str]:
    """Empty cells, and active users as a share of all over the days whose window is full."""
    empty = found.figures["empty_cells"]
    lines = [
        f"empty cells: {empty['generated']:.2%} of generated profiles, {empty['reference']:.2%} "
        f"of real ones"
    ]
    for activity in ACTIVITIES:
        error, floor = (
            part[activity.name]["relative_error"] for part in (found.figures, found.floor)
        )
        if error is not None:
            ours, theirs = (
                active_users(each.active, activity.window)[activity.first_day :].mean()
                for each in (found.generated, found.reference)
            )
            lines.append(
                f"{activity.name.upper()}: {ours:.1%} of generated users, {theirs:.1%} of real "
                f"ones; "
                f"relative error {error:.2%}, floor {floor:.2%}"
            )
    return lines
