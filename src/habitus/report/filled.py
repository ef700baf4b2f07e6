"""Completed cells in a report: verdict in words, table of methods, figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from habitus.evaluation import Figures
from habitus.report import figures
from habitus.report.meaning import METHODS, REGION, SHARE
from habitus.report.page import Easel, Plate
from habitus.report.wording import baseline_name, number, ratio
from habitus.schema import Axes

if TYPE_CHECKING:
    from habitus.evaluation.evaluate_completion import CompletionEvaluation

OURS = "completed"
SHORTENED = ("arima", "ets")
LEVEL = 0.01  # scores closer than this are called level
RIGHT = (0.85, 0.95)  # coverage of the 90 % interval that is called right


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        name: Name of the method.
        words: Description of how the method fills cells.
        texts: Formatted figures of the method, in the order of REGION.
        profiles: Number of profiles that the method was run on.
        over: CRPS of the method divided by that of the completed set on the same profiles; None
            for the completed set.
    """

    name: str
    words: str
    texts: tuple[str, ...]
    profiles: int
    over: float | None = None


@dataclass(frozen=True)
class FilledPart:
    """The part of the page on filled cells."""

    intro: str
    verdict: Sequence[str]
    methods: Sequence[Method]
    plates: Sequence[Plate]


def filled_part(easel: Easel, axes: Axes, found: CompletionEvaluation) -> FilledPart:
    """Everything that the page shows of filled cells."""
    plates = (
        [_pictures(easel, axes, found), _intervals(easel, axes, found)] if found.examples else []
    )
    intro = (
        f"On average {found.cells:,.0f} of a profile's {axes.cells:,} cells were hidden and are "
        f"evaluated here. Each was drawn {found.samples:,} times from what is known of the same "
        "user; the other methods knew the same."
    )
    return FilledPart(intro, verdict(found), methods(found), [_calibration(easel, found), *plates])


def methods(found: CompletionEvaluation) -> list[Method]:
    """The completed set, then each baseline."""
    rows = [_method(OURS, "the draws of this set", found.figures, None)]
    for name, scores in found.baselines.items():
        rows.append(_method(_called(name), METHODS.get(name, ""), scores, _over(scores, "crps")))
    return rows


def _method(name: str, words: str, scores: Figures, over: float | None) -> Method:
    texts = tuple(_text(key, _at(scores, key)) for key in REGION)
    return Method(name, words, texts, scores["profiles"], over)


def _at(scores: Figures, key: str) -> float | None:
    """A figure by its dotted key."""
    value: Any = scores
    for part in key.split("."):
        value = value[part]
    return value


def _text(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if REGION[key].unit == SHARE:
        return percent(value)
    return f"{value:#.4g}" if 1e-3 <= abs(value) < 1000 else number(value)


def _over(scores: Figures, figure: str) -> float | None:
    """A baseline's score over that of the completed set on the same profiles."""
    return ratio(scores[figure], scores[OURS][figure])


def verdict(found: CompletionEvaluation) -> list[str]:
    """The findings in a few sentences."""
    return [
        *_against(found, "crps", "By CRPS, how far the draws are from what happened"),
        *_against(found, "squared_error", "By squared error of the expected value"),
        *_against(found, "log_likelihood", "By log-likelihood of the truth under the draws"),
        *_coverage(found),
        f"{found.note[:1].upper()}{found.note[1:]}.",
    ]


def beaten(found: CompletionEvaluation, figure: str = "crps") -> tuple[int, int]:
    """Number of baselines with a worse score than the completed set, and of baselines in all."""
    known = _ratios(found, figure)
    return sum(value > 1 + LEVEL for value in known.values()), len(known)


def _ratios(found: CompletionEvaluation, figure: str) -> dict[str, float]:
    over = {name: _over(scores, figure) for name, scores in found.baselines.items()}
    return {name: value for name, value in over.items() if value is not None}


def _against(found: CompletionEvaluation, figure: str, measure: str) -> Iterator[str]:
    """On which baselines the completed set improves, and by how much on the best of them.

    A log-likelihood is negative, so that a larger multiple is worse for it too.
    """
    known = dict(sorted(_ratios(found, figure).items(), key=lambda pair: pair[1]))
    if not known:
        return
    better, count = beaten(found, figure)
    ahead = [name for name, value in known.items() if value < 1 - LEVEL]
    level = [name for name, value in known.items() if abs(value - 1) <= LEVEL]
    best, least = next(iter(known.items()))
    parts = [
        f"better than {'each' if better == count else better} of {count} methods without learning"
    ]
    parts += [f"level with {_listed(level)}"] if level else []
    parts += [f"worse than {_listed(ahead)}"] if ahead else []
    apart = best not in level and figure != "log_likelihood"
    scores = f"the best of them, {_called(best)}, scores {multiple(least)} as much" if apart else ""
    yield f"{measure}: {'; '.join(part for part in (*parts, scores) if part)}."


def _listed(names: Sequence[str]) -> str:
    *most, last = map(_called, names)
    return f"{', '.join(most)} and {last}" if most else last


def _called(baseline: str) -> str:
    """A baseline's key as words."""
    return baseline.upper() if baseline in SHORTENED else baseline_name(baseline)


def _coverage(found: CompletionEvaluation) -> Iterator[str]:
    """Sentence on the coverage of the intervals against their nominal one."""
    share = found.figures["coverage_90"]
    if share is None:
        return
    held = f"The 90 % interval of a day's total holds the truth in {percent(share)} of cases"
    yield f"{held}: {_width(found, share)}."


def _width(found: CompletionEvaluation, share: float) -> str:
    """Rate a coverage of the 90 % interval; say so where zeros alone reach a right one too."""
    low, high = RIGHT
    if share < low:
        return "too few, so the intervals are too narrow"
    if share > high:
        return "too many, so the intervals are wider than need be"
    empty = found.baselines.get("zeros", {}).get("coverage_90")
    if empty is not None and low <= empty <= high:
        return f"right, but so rarely does anything happen that zeros come to {percent(empty)} too"
    return f"right (from {100 * low:g} to {100 * high:g} %)"


def multiple(value: float | None) -> str:
    """A ratio as the table writes it; baselines may be close to each other."""
    return "–" if value is None else f"{value:.2f} ×"


def percent(value: float | None) -> str:
    """A share as the table writes it."""
    return "–" if value is None else f"{100 * value:.1f} %"


def _calibration(easel: Easel, found: CompletionEvaluation) -> Plate:
    caption = (
        "Left: how many true values lie in the middle interval of the draws, for every width of "
        "it. On the diagonal an interval is as wide as it claims; below, it is too narrow. Right: "
        "where the true total of a day falls among the draws. Even bars are right; high ends mean "
        "too narrow, a high middle too wide, and a slope too low or too high. Ties, such as an "
        "empty day among empty draws, are broken at random."
    )
    day = found.calibration.day
    alt = f"Within 50 %: {percent(float(day[9]))}; within 90 %: {percent(float(day[17]))}."
    return easel.plate(
        "Can the intervals be trusted?",
        caption,
        figures.calibration(found.calibration),
        alt=alt,
        wide=True,
    )


def _pictures(easel: Easel, axes: Axes, found: CompletionEvaluation) -> Plate:
    caption = (
        "Users at fixed places in the order of known activity, not picked by hand. Days downward, "
        "hours across; colours follow the square root. What was missing is hatched in the first "
        "picture and outlined in the others. A draw is one thing that might have happened: it "
        "should be like the truth in kind, not cell by cell. The expected value is the average "
        "over all that might have happened, and so is pale."
    )
    figure = figures.completion_pictures(axes, found.examples)
    return easel.plate(
        "What was filled in, and what was there", caption, figure, alt=_active(found), wide=True
    )


def _active(found: CompletionEvaluation) -> str:
    """The pictures in words."""
    parts = []
    for each in found.examples:
        drawn, true = (
            int((picture[each.missing] != 0).sum()) for picture in (each.draws[0], each.truth)
        )
        parts.append(f"{each.name}: {drawn} missing cells drawn as active, {true} were")
    return "; ".join(parts) + "."


def _intervals(easel: Easel, axes: Axes, found: CompletionEvaluation) -> Plate:
    caption = (
        "The same users day by day. Grey is what is known of a day; orange is the range of the "
        "draws of its whole total, and the blue points are what was there. Nine points in ten "
        "should lie within the light bands, five in ten within the dark ones."
    )
    figure = figures.daily_intervals(axes, found.examples)
    return easel.plate(
        "The days of single users", caption, figure, alt="One panel per user.", wide=True
    )
