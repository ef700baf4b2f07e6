"""Tables 1 to 3 of the tDLGM paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from habitus.papers.item import Cell, Grid, Item, Spread, table
from habitus.papers.tdlgm import ahead, findings
from habitus.papers.tdlgm.imputing import (
    CLEANED,
    GIVEN,
    IDENTITY,
    MEAN,
    METHODS,
    READINGS,
    Case,
    Errors,
    all_errors,
)
from habitus.papers.tdlgm.lab import Json, Lab
from habitus.papers.tdlgm.models import DLGM_, SUBJECTS
from habitus.papers.tdlgm.paper import DLGM, RNN, TABLE_1, TABLE_2, TABLE_3, TDLGM, Level, Printed

BY_SEED = "Ours are means over {seeds} ± their standard deviation."
SUFFIX = ", paper"
FIRST = (CLEANED, GIVEN, IDENTITY, MEAN)
"""First columns of Table 3: our tDLGM between no method and the best that a value alone allows."""


@table("1", "Error of the test series, imputed under noise")
def imputation(lab: Lab) -> Item:
    """Mean squared error of each method at five noise levels, under both readings of the noise.

    Reads a tDLGM, and a DLGM and an RNN fitted to noise, for each seed. In the paper the DLGM is at
    0.0006, tDLGM at 0.012, the RNN at 0.077, whatever the noise.
    """
    found = _errors(lab, TABLE_1, clamped=False)
    tables = [
        grid for reading in READINGS for grid in _transposed(lab, found[reading], TABLE_1, reading)
    ]
    paper = "no model's error grows with the noise; the DLGM is nearest, then tDLGM, then the RNN."
    return Item(tables, paper=paper, findings=list(findings.of_noise(found, TABLE_1)))


@table("3", "Error of the test series with every value under noise, clamped")
def robustness(lab: Lab) -> Item:
    """Mean squared error where every value has noise and is clamped to the range of the series.

    Reads the same runs as Table 1. In the paper tDLGM, fitted to clean data, stays at 0.013 up to
    0.0333, and is at 0.019 at 0.1.
    """
    found = _errors(lab, TABLE_3, clamped=True)
    tables = [
        grid for reading in READINGS for grid in _by_level(lab, found[reading], TABLE_3, reading)
    ]
    paper = "tDLGM, fitted to clean data only, does as well as without noise."
    return Item(tables, paper=paper, findings=list(findings.of_noise(found, TABLE_3)))


def _errors(lab: Lab, levels: Iterable[Level], *, clamped: bool) -> dict[str, Errors]:
    limits = lab.limits if clamped else None
    return all_errors(
        lab, [Case(level, reading, limits) for reading in READINGS for level in levels]
    )


def _transposed(
    lab: Lab, found: Errors, printed: Mapping[Level, Mapping[str, Printed]], reading: str
) -> Iterator[Grid]:
    """A row for each method, a column for each level: errors, then their variances."""
    heads = ["", *(f"P {case.level.probability:g}, {case.level.printed:g}" for case in found.mse)]
    theirs = list(next(iter(printed.values())))
    of_what = (
        (
            "mse",
            found.mse,
            f"Mean squared error; the second number of a level is the noise's {reading}.",
        ),
        (
            "variance",
            found.variance,
            f"Variance; the second number of a level is the noise's {reading}. The paper does not "
            "say of what; ours is that of the squared errors over the steps.",
        ),
    )
    for name, values, caption in of_what:
        rows: list[list[Cell]] = [
            [f"{model}{SUFFIX}", *(getattr(printed[case.level][model], name) for case in values)]
            for model in theirs
        ]
        rows += [
            [method, *(_spread(each[method]) for each in values.values())] for method in METHODS
        ]
        yield Grid(f"{caption} {_seeds(lab)}", heads, rows)


def _by_level(
    lab: Lab, found: Errors, printed: Mapping[Level, Mapping[str, Printed]], reading: str
) -> Iterator[Grid]:
    """A row for each level, a column for each method, in two tables."""
    caption = f"Mean squared error; the first number is the noise's {reading}. {_seeds(lab)}"
    for methods in (FIRST, [method for method in METHODS if method not in FIRST]):
        rows: list[list[Cell]] = [
            [
                f"{case.level.printed:g}",
                *([printed[case.level][TDLGM].mse] if methods is FIRST else []),
                *(_spread(each[name]) for name in methods),
            ]
            for case, each in found.mse.items()
        ]
        paper = [f"{TDLGM}{SUFFIX}"] if methods is FIRST else []
        yield Grid(caption, [reading, *paper, *methods], rows)


@table("2", "Multi-step generation: Algorithm 1 by steps ahead")
def steps_ahead(lab: Lab) -> Item:
    """Overlap of generated and true transitions from the last known value to one some steps ahead.

    Reads every model for each seed: tDLGM, DLGM, RNN, VRNN and GRU with buckets, fitted to clean
    data, and the paper's baselines, Gaussian and fitted to noise. In the paper tDLGM is at 63, DLGM
    at 60, the RNN at 58.
    """
    models = {subject.label: [ahead.of_model(lab, name, seed) for seed in _seeds_of(lab)]
              for name, subject in SUBJECTS.items()}  # fmt: skip
    baselines = {label: [ahead.of_baseline(lab, name, seed) for seed in _seeds_of(lab)]
              for name, label in ahead.PLAIN.items()}  # fmt: skip
    each = {**models, **baselines}
    by_step = {
        how: {row: _by_step(scores, how) for row, scores in each.items()}
        for how in ("weighted", "printed")
    }
    whole = ahead.of_training_set(lab)
    tables = [
        _overlaps(lab, "weighted", by_step["weighted"], whole),
        _overlaps(lab, "printed", by_step["printed"], whole),
        _proper(lab, each),
    ]
    paper = "tDLGM generates best, at every step alike, then DLGM, then the RNN."
    crps = {row: _by_step(scores, "crps") for row, scores in each.items()}
    sentences = list(findings.of_steps(by_step["weighted"], TDLGM, list(ahead.PLAIN.values())[:2]))
    plain = ahead.PLAIN["independent"]
    sentences.append(
        findings.of_printed(
            by_step["printed"], {s: row[TDLGM] for s, row in TABLE_2.items()}, plain
        )
    )
    sentences.append(findings.of_crps(crps, TDLGM, plain))
    sentences.append(findings.of_collapse(*_collapsed(lab)))
    return Item(tables, paper=paper, findings=sentences)


def _collapsed(lab: Lab) -> tuple[list[str], int]:
    """Names of collapsed runs, and the number of runs with a state, which alone are looked at."""
    kinds = [name for name, subject in SUBJECTS.items() if subject.kind is not SUBJECTS[DLGM_].kind]
    said = {
        f"{name}-{seed}": lab.run(name, seed).about.get("collapsed")
        for name in kinds
        for seed in _seeds_of(lab)
    }
    return [run for run, collapsed in said.items() if collapsed], sum(
        each is not None for each in said.values()
    )


def _overlaps(lab: Lab, how: str, rows: findings.Scores, whole: Json) -> Grid:
    """A row for each model and baseline, a column for each step ahead."""
    out: list[list[Cell]] = []
    if how == "printed":
        out += [[f"{m}{SUFFIX}", *(TABLE_2[s][m] for s in ahead.STEPS)] for m in (TDLGM, RNN, DLGM)]
    out += [[row, *scores.values()] for row, scores in rows.items()]
    out.append([ahead.TRAINING, *(whole[how][f"{step}"] for step in ahead.STEPS)])
    meaning = {
        "weighted": "Weighted by the true mass of each cell: 100 less the total variation "
        "distance.",
        "printed": "As printed: every cell that occurs counts alike, however rare.",
    }
    caption = (
        f"{meaning[how]} In percent, higher is better; 50 buckets, {len(ahead.origins(lab)):,} "
        f"origins in the test part, {lab.settings.samples} draws of each row. The training set is "
        f"scored as it is, with its own first values. {_seeds(lab)}"
    )
    return Grid(caption, ["Steps ahead", *(f"{step}" for step in ahead.STEPS)], out)


def _proper(lab: Lab, each: Mapping[str, Sequence[Json]]) -> Grid:
    """Proper scores: CRPS by step ahead, and log-likelihood of the next step."""
    rows: list[list[Cell]] = []
    for row, scores in each.items():
        likelihoods = [one["log_likelihood"] for one in scores if one["log_likelihood"] is not None]
        rows.append([row, *_by_step(scores, "crps").values(), _spread(likelihoods)])
    caption = (
        "Proper scores of the same forecasts. CRPS in the unit of the series, lower is better; "
        "log-likelihood of the test part in nats per step, higher is better (windows of "
        f"{lab.settings.window} steps, {lab.settings.latent_samples} weighted draws where there "
        "are latents; none for densities, which do not compare with probabilities, and for the "
        f"bootstrap). {_seeds(lab)}"
    )
    heads = ["", *(f"CRPS at {step}" for step in ahead.CRPS_STEPS), "log-likelihood"]
    return Grid(caption, heads, rows)


def _by_step(scores: Sequence[Json], what: str) -> dict[int, Spread]:
    return {int(step): Spread.of([one[what][step] for one in scores]) for step in scores[0][what]}


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread.of(values) if values else None


def _seeds_of(lab: Lab) -> range:
    return lab.settings.each_seed


def _seeds(lab: Lab) -> str:
    count = lab.settings.seeds
    return (
        BY_SEED.format(seeds="one seed" if count == 1 else f"{count} seeds")
        if count > 1
        else "Ours: one seed."
    )
