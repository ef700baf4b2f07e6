"""Scores of series in words: their meaning, which way is better, and the summary on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from habitus.report.figures import baseline_label
from habitus.report.wording import number

PERCENT = "percent"
OF_ONE = "share"
PLAIN = ""
COVERED = 0.9
TIES = 1e-9
OF_CLEANED = {
    "identity": "the series as given",
    "posterior_mean": "the posterior mean of each value alone",
}
ALL = {1: "the one score", 2: "both scores"}


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        name: What it is called.
        best: The value that nothing can be better than: a score is the better the nearer it is.
        form: How it is written: PERCENT for 0 to 100, OF_ONE for 0 to 1 as a percentage, PLAIN for
            a number.
        meaning: For a reader who has not read the paper.
    """

    name: str
    best: float
    form: str
    meaning: str

    @property
    def short(self) -> str:
        """Name of a score within a sentence."""
        return self.name.partition(",")[0]

    def text(self, value: float | None) -> str:
        """A value as tables write it."""
        if value is None:
            return "–"
        if self.form == PLAIN:
            return number(value)
        return f"{value if self.form == PERCENT else 100 * value:.1f} %"

    def miss(self, value: float) -> float:
        """Distance of a value from the best one."""
        return abs(value - self.best)


@dataclass(frozen=True)
class SeriesRow:
    """A score of the evaluated series, of another real sample, and of the baselines."""

    key: str
    score: Score
    ours: float | None
    floor: float | None
    baselines: Mapping[str, float | None]

    @property
    def over_floor(self) -> float | None:
        """Distance from the best value in multiples of another real sample's."""
        if self.ours is None or self.floor is None or not self.score.miss(self.floor):
            return None
        return self.score.miss(self.ours) / self.score.miss(self.floor)

    def beats(self, baseline: str) -> bool | None:
        """True where ours is better than a baseline's; None where one of them is missing."""
        theirs = self.baselines.get(baseline)
        if self.ours is None or theirs is None:
            return None
        return self.score.miss(self.ours) < self.score.miss(theirs) * (1 - TIES)


MOVES = "how often values of one interval follow those of another, ours against real"
SCORES = {
    "transitions.weighted": Score(
        "transitions, weighted",
        100,
        PERCENT,
        f"Overlap of {MOVES}; intervals by how often they come.",
    ),
    "transitions.printed": Score(
        "transitions, as printed",
        100,
        PERCENT,
        "The same as the tDLGM paper prints it: a transition seen once counts as much as a "
        "frequent one.",
    ),
    "marginal.ks": Score(
        "values, KS distance", 0, PLAIN, "Largest gap between the two distributions of values."
    ),
    "marginal.wasserstein": Score(
        "values, Wasserstein distance",
        0,
        PLAIN,
        "How far values have to be moved, in standard deviations.",
    ),
    "autocorrelation.mse": Score(
        "autocorrelation, squared error",
        0,
        PLAIN,
        "Mean over lags of 1 to 24 steps: memory of what was.",
    ),
    "cross_correlation.mse": Score(
        "correlation of variables, squared error",
        0,
        PLAIN,
        "Mean over pairs of variables, at the same step.",
    ),
    "cross_correlation.mse_lag_1": Score(
        "correlation one step later, squared error",
        0,
        PLAIN,
        "Each variable with each other one step later.",
    ),
    "two_sample.discriminative": Score(
        "discriminative score",
        0,
        PLAIN,
        "How much better than chance a small network tells generated windows from real ones; 0.5 "
        "at most.",
    ),
    "two_sample.predictive": Score(
        "predictive score",
        0,
        PLAIN,
        "Error on real windows, in shares of their range, of a network that learned to predict "
        "from ours.",
    ),
    "reconstruction.mse": Score(
        "squared error", 0, PLAIN, "Mean over all values whose truth is known."
    ),
    "reconstruction.mse_gaps": Score(
        "squared error in gaps", 0, PLAIN, "Of values that were missing."
    ),
}
AHEAD = {
    "crps": (
        "CRPS",
        0.0,
        PLAIN,
        "Distance of the draws from what came: an absolute error, but of a distribution.",
    ),
    "coverage_90": (
        "truths within the 90 % interval",
        COVERED,
        OF_ONE,
        "90 % is right; fewer is too sure, more too unsure.",
    ),
    "mae": (
        "absolute error of the median",
        0.0,
        PLAIN,
        "For comparison with forecasts of a single value.",
    ),
}
LEADING = (
    "transitions.weighted",
    "marginal.ks",
    "autocorrelation.mse",
    "cross_correlation.mse",
    "two_sample.discriminative",
    "two_sample.predictive",
    "reconstruction.mse",
    "reconstruction.mse_gaps",
)


def series_rows(metrics: Mapping[str, Any]) -> list[SeriesRow]:
    """Rows of the table of scores, in its order; scores that all lack are left out."""
    baselines = metrics.get("baselines", {})
    rows = []
    for key, score in _scores(metrics):
        theirs = {name: _at(part, key) for name, part in baselines.items()}
        row = SeriesRow(key, score, _at(metrics, key), _at(metrics.get("floor", {}), key), theirs)
        if row.ours is not None or any(value is not None for value in theirs.values()):
            rows.append(row)
    return rows


def _scores(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Score]]:
    for name, (title, best, form, meaning) in AHEAD.items():
        for step in metrics.get("horizon", {}):
            yield (
                f"horizon.{step}.{name}",
                Score(f"{title} {_steps(step)} ahead", best, form, meaning),
            )
    by_step = metrics.get("transitions", {}).get("by_step", {})
    for key, score in SCORES.items():
        yield key, score
        if key == "transitions.weighted" and len(by_step) > 1:
            for step in by_step:
                name = f"{score.name}, {_steps(step)} on"
                yield (
                    f"transitions.by_step.{step}.weighted",
                    Score(name, score.best, score.form, score.meaning),
                )


def _steps(step: str) -> str:
    return "1 step" if step == "1" else f"{step} steps"


def _at(part: Any, key: str) -> float | None:
    """The value at a dotted key, or None."""
    for name in key.split("."):
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def leading(rows: Sequence[SeriesRow]) -> list[SeriesRow]:
    """The rows that the summary counts: one for each thing that is scored."""
    return [row for row in rows if row.key in LEADING or row.key.endswith(".crps")]


def against_floor(rows: Sequence[SeriesRow]) -> list[str]:
    """Distance from the best value, beside that of another real sample, in words."""
    known = [
        (row.score.short, ratio) for row in leading(rows) if (ratio := row.over_floor) is not None
    ]
    if not known:
        return []
    parts = ", ".join(f"{name} {ratio:.2g}" for name, ratio in known)
    within = [name for name, ratio in known if ratio <= 1]
    return [
        "Distance from a perfect score, as a multiple of another real sample's (the floor): "
        f"{parts}.",
        f"As good as another real sample: {_listed(within) or 'no score'}.",
    ]


def against_baselines(rows: Sequence[SeriesRow]) -> list[str]:
    """Baselines that are beaten, and on which scores, in words."""
    counted = [row for row in leading(rows) if row.ours is not None]
    outcomes: dict[tuple[str, ...], list[str]] = {}
    for baseline in dict.fromkeys(name for row in counted for name in row.baselines):
        lost = tuple(row.score.short for row in counted if row.beats(baseline) is False)
        outcomes.setdefault(lost, []).append(baseline_label(baseline))
    total = len(counted)
    ordered = sorted(outcomes.items(), key=lambda each: len(each[0]))
    return [_outcome(_listed(names), lost, total) for lost, names in ordered]


def _outcome(whom: str, lost: Sequence[str], total: int) -> str:
    if not lost:
        return f"Better than {whom} on {ALL.get(total, f'all {total} scores')}."
    if len(lost) == total:
        return f"No better than {whom} on {'any score' if total > 1 else 'the one score'}."
    return (
        f"Better than {whom} on {total - len(lost)} of {total} scores, but not on {_listed(lost)}."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def on_forecast(metrics: Mapping[str, Any]) -> list[str]:
    """CRPS beside the best baseline's at every horizon, and coverage, in words."""
    parts = []
    for step, ours in metrics["horizon"].items():
        baselines = {
            name: part["horizon"][step]["crps"] for name, part in metrics["baselines"].items()
        }
        known = {name: value for name, value in baselines.items() if value is not None}
        if ours["crps"] is not None and known:
            best = min(known, key=lambda name: known[name])
            parts.append(
                f"{_steps(step)} ahead {number(ours['crps'])} ({baseline_label(best)} "
                f"{number(known[best])})"
            )
    held = [
        part["coverage_90"]
        for part in metrics["horizon"].values()
        if part["coverage_90"] is not None
    ]
    sentences = [f"CRPS, in brackets the best baseline's: {', '.join(parts)}."] if parts else []
    if held:
        low = f"{min(held):.0%}"[:-1]
        high = f"{max(held):.0%}"[:-1]
        span = f"{low} %" if low == high else f"{low} % to {high} %"
        sentences.append(f"The 90 % interval holds {span} of what came.")
    return sentences


def on_cleaned(metrics: Mapping[str, Any]) -> list[str]:
    """The error beside that of the series as given, and of each value's posterior mean."""
    ours = metrics["reconstruction"]["mse"]
    parts = []
    for name, part in metrics["baselines"].items():
        theirs = part["reconstruction"]["mse"]
        if ours and theirs:
            side = (
                f"{theirs / ours:.2g} times smaller"
                if theirs > ours
                else f"{ours / theirs:.2g} times larger"
            )
            parts.append(f"{side} than {OF_CLEANED[name]} has")
    return [f"Mean squared error {number(ours)}: {', '.join(parts)}."] if parts else []
