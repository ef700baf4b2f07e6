"""Findings on the paper's claims, in sentences that follow from them whichever way they fall."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from habitus.papers.item import Spread, text
from habitus.papers.tdlgm.imputing import (
    CLEANED,
    FILTERED,
    GAUSSIAN,
    GIVEN,
    IDENTITY,
    LATENTS,
    MEAN,
    Case,
    Errors,
)
from habitus.papers.tdlgm.paper import EXCLUDED_ABOVE, TDLGM, Level, Printed

LIMIT = "10⁻⁴"
SMALL = 1e-4  # error below which an error need not be below identity's
NEAR_BEST = 1.5  # times the error of the posterior mean
Table = Mapping[Level, Mapping[str, Printed]]
Scores = Mapping[str, Mapping[int, Spread]]
"""Row -> step -> score."""


def of_noise(by_reading: Mapping[str, Errors], printed: Table) -> Iterator[str]:
    """Findings of Tables 1 and 3.

    Args:
        by_reading: Reading of the noise -> errors.
        printed: The paper's table.
    """
    yield _which_reading(by_reading, printed)
    yield (
        "tDLGM, fitted to clean data and not given the noise, is below identity where identity's "
        f"error is above {LIMIT}, and below {LIMIT} elsewhere, for every seed: "
        f"{_each(by_reading, _against_identity)}."
    )
    yield (
        f"Given the noise, tDLGM is within {NEAR_BEST:g} times the single-value posterior mean, "
        f"for every seed: {_each(by_reading, _against_the_best)}."
    )
    yield (
        "Returning the noisy series as it is has a smaller error than the paper prints for its "
        f"tDLGM: {_each(by_reading, lambda found: _printed_against_identity(found, printed))}."
    )
    yield (
        "RNNs that the t-test keeps, since their errors grow with noise (p-value at most "
        f"{EXCLUDED_ABOVE:g}): {_each(by_reading, _filter)}."
    )
    yield from _without_noise(next(iter(by_reading.values())))


def _each(by_reading: Mapping[str, Errors], describe: Callable[[Errors], str]) -> str:
    """Join the descriptions of the errors under each reading of the noise level."""
    return "; ".join(
        f"read as {_plural(reading)} {describe(found)}" for reading, found in by_reading.items()
    )


def _which_reading(by_reading: Mapping[str, Errors], printed: Table) -> str:
    """Readings under which a method that sees one value at a time can have the paper's errors."""
    impossible = dict[str, list[str]]()
    for reading, found in by_reading.items():
        pairs = [
            (case, printed[case.level][TDLGM].mse, _mean(found, case, MEAN)) for case in found.mse
        ]
        impossible[reading] = [
            f"{case.level.printed:g}" for case, theirs, least in pairs if theirs < least
        ]
    parts = [
        f"read as {_plural(reading)}, the paper's tDLGM is below the best possible single-value "
        f"estimate at {len(levels)} of {len(by_reading[reading].mse)} levels"
        + (f" ({', '.join(levels)})" if levels else "")
        for reading, levels in impossible.items()
    ]
    fewest = min(len(levels) for levels in impossible.values())
    fitting = [reading for reading, levels in impossible.items() if len(levels) == fewest]
    verdict = (
        f"its table fits {_plural(fitting[0])}"
        if len(fitting) == 1
        else "that does not tell the readings apart"
    )
    return f"{_capital('; '.join(parts))}: {verdict}."


def _against_identity(found: Errors) -> str:
    """At how many levels the cleaned series is nearer than the noisy one was."""
    met = 0
    missed = list[str]()
    for case, rows in found.mse.items():
        pairs = zip(rows[CLEANED], rows[IDENTITY], strict=True)
        good = [ours < (plain if plain > SMALL else SMALL) for ours, plain in pairs]
        met += all(good)
        missed += (
            [] if all(good) else [f"{_level(case)} for {good.count(False)} of {len(good)} seeds"]
        )
    exceptions = f" (not at {', '.join(missed)})" if missed else ""
    return f"at {met} of {len(found.mse)} levels{exceptions}"


def _against_the_best(found: Errors) -> str:
    """Levels within reach of the posterior mean's error, and the largest ratio of any seed."""
    ratios = {
        case: max(ours / least for ours, least in zip(rows[GIVEN], rows[MEAN], strict=True))
        for case, rows in found.mse.items()
        if min(rows[MEAN]) > 0
    }
    if not ratios:
        return "there is no noise"
    worst = max(ratios, key=lambda case: ratios[case])
    within, below = (sum(value <= most for value in ratios.values()) for most in (NEAR_BEST, 1.0))
    return (
        f"at {within} of {len(ratios)} levels with noise, and not above it at {below} (the largest "
        f"ratio is {ratios[worst]:.2f}, at {_level(worst)})"
    )


def _printed_against_identity(found: Errors, printed: Table) -> str:
    """At how many levels doing nothing beats the paper's own numbers."""
    beaten = sum(
        _mean(found, case, IDENTITY) < printed[case.level][TDLGM].mse for case in found.mse
    )
    return f"at {beaten} of {len(found.mse)} levels"


def _filter(found: Errors) -> str:
    """Count the RNNs that the t-test keeps."""
    first, rows = next(iter(found.mse.items()))
    kept = f"{len(found.kept)} of {len(rows[IDENTITY])}"
    if not found.kept:
        return f"{kept}, so there is no {FILTERED}"
    return f"{kept}, with an error of {text(Spread.of(rows[FILTERED]))} at {_level(first)}"


def _without_noise(found: Errors) -> Iterator[str]:
    """Error that cleaning adds where there is no noise."""
    for case, rows in found.mse.items():
        if case.noise.sigma == 0:
            worst = max(rows[CLEANED])
            side = "below" if worst < SMALL else "not below"
            yield (
                f"Without noise: the error of tDLGM's cleaned series is {text(worst)} at most, "
                f"{side} {LIMIT} (in the paper 0.0122, and 0.0006 for its DLGM); through its "
                f"latents it is {text(Spread.of(rows[LATENTS]))}, and with the paper's Gaussian "
                f"{text(Spread.of(rows[GAUSSIAN]))}."
            )


def of_steps(weighted: Scores, ours: str, baselines: Sequence[str]) -> Iterator[str]:
    """Margins of a model over its baselines, against the spread over seeds, at every horizon.

    Args:
        weighted: Row -> step -> score; higher is better.
        ours: Row of the model.
        baselines: Rows of the baselines.
    """
    for baseline in baselines:
        margins = {
            step: mean - weighted[baseline][step].mean for step, (mean, _) in weighted[ours].items()
        }
        spread = {
            step: sd + weighted[baseline][step].sd for step, (_, sd) in weighted[ours].items()
        }
        clear = [step for step, margin in margins.items() if margin > spread[step]]
        missed = [f"{step}" for step in margins if step not in clear]
        least = min(margins, key=lambda step: margins[step] - spread[step])
        steps = (
            "at every step"
            if not missed
            else f"at {len(clear)} of {len(margins)} steps (not {', '.join(missed)})"
        )
        yield (
            f"Mass-weighted, {ours} is above {baseline} by more than both spreads together "
            f"{steps}; nearest at step {least}: {margins[least]:+.2f}, spreads {spread[least]:.2f}."
        )


def of_printed(printed: Scores, theirs: Mapping[int, float], plain: str) -> str:
    """Count the steps at which draws without learning reach the printed score."""
    over = [step for step, score in theirs.items() if printed[plain][step].mean >= score]
    return (
        f"As printed, {plain} reach the score that the paper prints for its tDLGM at {len(over)} "
        f"of {len(theirs)} steps ({text(min(each.mean for each in printed[plain].values()))} to "
        f"{text(max(each.mean for each in printed[plain].values()))} against "
        f"{min(theirs.values()):g} to {max(theirs.values()):g}; its bucket count is not given, "
        "here are 50)."
    )


def of_crps(crps: Scores, ours: str, plain: str) -> str:
    """The forecasts' error beside that of draws from the histogram."""
    parts = [
        f"{1 - crps[ours][step].mean / crps[plain][step].mean:.1%} at {step}" for step in crps[ours]
    ]
    shares = ", ".join(parts)
    return f"CRPS of {ours} is below that of {plain} by {shares} (negative where it is above)."


def of_collapse(collapsed: Sequence[str], runs: int) -> str:
    """Runs that learnt nothing, by name."""
    more = (
        "more of held-out steps than one distribution for all steps would "
        "(DLGMs, without a state, not counted)"
    )
    if not collapsed:
        return f"None of {runs} runs collapsed: each explains {more}."
    names = ", ".join(collapsed)
    return f"{len(collapsed)} of {runs} runs collapsed ({names}): these do not explain {more}."


def _mean(found: Errors, case: Case, method: str) -> float:
    return float(np.mean(found.mse[case][method]))


def _level(case: Case) -> str:
    level = case.level
    return (
        f"{level.printed:g}"
        if level.probability == 1
        else f"({level.probability:g}, {level.printed:g})"
    )


def _plural(reading: str) -> str:
    return f"{reading}s"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
