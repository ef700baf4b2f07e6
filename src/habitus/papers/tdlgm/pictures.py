"""Figures 2 to 10 of the tDLGM paper: slices of the test series, and what a model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from habitus.papers.item import Cell, Drawing, Grid, Item, figure, text
from habitus.papers.tdlgm.imputing import (
    CLEANED,
    DEVIATION,
    DLGM,
    ESTIMATES,
    GAUSSIAN,
    READINGS,
    RNN,
    Case,
    noisy_test,
)
from habitus.papers.tdlgm.lab import Lab
from habitus.papers.tdlgm.paper import Level
from habitus.report import figures
from habitus.report.figures import Slice
from habitus.schema import FloatArray

SHOWN = 120  # steps of a slice
NONE = Level(0.0, 0.0)
WEAK = Level(0.2, 0.001)
MIDDLE = Level(0.6, 0.005)
STRONG = Level(0.4, 0.01)
OURS = (CLEANED, GAUSSIAN)
Rows = dict[str, NDArray[np.float64]]
"""Name -> values, [T, 1]."""


@figure("2", "The RNN with the smallest error")
def best_rnn(lab: Lab) -> Item:
    """A slice of the test series, predicted by the RNN whose mean squared error is the smallest.

    In the paper it hardly follows the series, though its error is the best.
    """
    errors_of = _rnn_errors(lab)
    best = min(errors_of, key=lambda seed: errors_of[seed])
    return _one(
        lab,
        NONE,
        (RNN,),
        best,
        f"Smallest error over {_fits(errors_of)}.",
        "it does not follow the series.",
    )


@figure("3", "An RNN with a larger error")
def worst_rnn(lab: Lab) -> Item:
    """The same for the RNN whose error is the largest.

    In the paper it follows the pattern, though its error is worse.
    """
    errors_of = _rnn_errors(lab)
    worst = max(errors_of, key=lambda seed: errors_of[seed])
    return _one(
        lab,
        NONE,
        (RNN,),
        worst,
        f"Largest error over {_fits(errors_of)}.",
        "it follows the pattern.",
    )


@figure("4", "RNN under noise")
def rnn_noisy(lab: Lab) -> Item:
    """The RNN at (0.6, 0.005) and (0.4, 0.01).

    In the paper it reconstructs badly.
    """
    return _parts(lab, (MIDDLE, STRONG), (RNN,), "the RNN reconstructs badly under noise.")


@figure("5", "tDLGM under noise")
def tdlgm_noisy(lab: Lab) -> Item:
    """The tDLGM at (0.2, 0.001) and (0.4, 0.01).

    In the paper it follows the series under both.
    """
    return _parts(lab, (WEAK, STRONG), OURS, "tDLGM follows the series under both.")


@figure("6", "DLGM under noise")
def dlgm_noisy(lab: Lab) -> Item:
    """The DLGM at (0.2, 0.001) and (0.4, 0.01).

    In the paper it is nearly perfect under both.
    """
    return _parts(lab, (WEAK, STRONG), (DLGM,), "the DLGM is nearly perfect under both.")


@figure("7", "tDLGM without noise")
def tdlgm_clean(lab: Lab) -> Item:
    """The tDLGM on the test series as it is.

    In the paper it reconstructs the series, not exactly.
    """
    return _one(lab, NONE, OURS, lab.settings.seed, "", "tDLGM can reconstruct the data.")


@figure("8", "DLGM without noise")
def dlgm_clean(lab: Lab) -> Item:
    """The DLGM on the test series as it is.

    In the paper it is exact in many places.
    """
    return _one(lab, NONE, (DLGM,), lab.settings.seed, "", "the DLGM is exact in many places.")


@figure("9", "RNN without noise")
def rnn_clean(lab: Lab) -> Item:
    """The RNN on the test series as it is.

    In the paper it is much worse than the other two.
    """
    return _one(
        lab, NONE, (RNN,), lab.settings.seed, "", "the RNN is much worse than the other two."
    )


@figure("10", "tDLGM with every value under noise, clamped")
def robust(lab: Lab) -> Item:
    """The tDLGM, fitted to clean data, at 0.1 and 0.0333, clamped.

    In the paper it still follows the series.
    """
    levels = (Level(1.0, 0.1), Level(1.0, 0.0333))
    return _parts(lab, levels, OURS, "tDLGM still follows the series.", clamped=True)


def _rnn_errors(lab: Lab) -> dict[int, float]:
    """Seed -> error of its RNN without noise."""
    truth = lab.test.values
    case = Case(NONE, DEVIATION)
    return {
        seed: float(np.square(ESTIMATES[RNN](lab, [case], seed, [truth])[0] - truth).mean())
        for seed in lab.settings.each_seed
    }


def _fits(each: Mapping[int, float]) -> str:
    return "one fit" if len(each) == 1 else f"{len(each)} fits"


def _one(lab: Lab, level: Level, methods: Sequence[str], seed: int, note: str, paper: str) -> Item:
    """A figure of one level without noise, where the readings are the same."""
    return Item(
        drawings=[_drawing(lab, [Case(level, DEVIATION)], methods, seed, note, "")], paper=paper
    )


def _parts(
    lab: Lab, levels: Sequence[Level], methods: Sequence[str], paper: str, *, clamped: bool = False
) -> Item:
    """A part for each level, with a panel for each reading of the noise."""
    limits = lab.limits if clamped else None
    drawings = [
        _drawing(
            lab,
            [Case(level, reading, limits) for reading in READINGS],
            methods,
            lab.settings.seed,
            "",
            part,
        )
        for level, part in zip(levels, "ab", strict=True)
    ]
    return Item(drawings=drawings, paper=paper)


def _drawing(
    lab: Lab, cases: Sequence[Case], methods: Sequence[str], seed: int, note: str, part: str
) -> Drawing:
    estimates = _estimates(lab, cases, methods, seed)
    rows = _shown(lab)
    slices = [_slice(lab, case, each, rows) for case, each in estimates.items()]
    drawn = figures.series_slices(slices, rows.start, _label(lab))
    truth = lab.test.values
    errors = [
        f"{name} {text(float(np.square(values - truth).mean()))}{_under(case)}"
        for case, each in estimates.items()
        for name, values in each.items()
        if name in methods
    ]
    caption = f"{note} Error over the whole test part, seed {seed}: {', '.join(errors)}."
    return Drawing(drawn, caption.strip(), part=part, wide=True, data=_data(estimates, truth, rows))


def _estimates(
    lab: Lab, cases: Sequence[Case], methods: Sequence[str], seed: int
) -> dict[Case, Rows]:
    """Noisy values, where there is noise, and each method's estimate of them, [T, 1] each."""
    ys = [noisy_test(lab, case, seed) for case in cases]
    found = {
        case: {} if case.noise.sigma == 0 else {"given": y}
        for case, y in zip(cases, ys, strict=True)
    }
    for method in methods:
        for case, made in zip(cases, ESTIMATES[method](lab, cases, seed, ys), strict=True):
            found[case][method] = made
    return found


def _slice(lab: Lab, case: Case, each: Rows, rows: slice) -> Slice:
    made = {name: values[rows, 0] for name, values in each.items() if name != "given"}
    given = each["given"][rows, 0] if "given" in each else None
    title = (
        ""
        if case.noise.sigma == 0
        else f"{_percent(case)}, {case.level.printed:g} as a {case.reading}"
    )
    return Slice(title, lab.test.values[rows, 0], made, given)


def _shown(lab: Lab) -> slice:
    """The middle of the test part."""
    first = max(0, (len(lab.test.values) - SHOWN) // 2)
    return slice(first, first + SHOWN)


def _label(lab: Lab) -> str:
    column = lab.settings.column
    scale = lab.settings.scale
    return column if scale == 1 else f"{column} × {scale:g}"


def _percent(case: Case) -> str:
    return f"{case.level.probability:.0%} of values under noise"


def _under(case: Case) -> str:
    return "" if case.noise.sigma == 0 else f" (read as a {case.reading})"


def _data(estimates: Mapping[Case, Rows], truth: FloatArray, rows: slice) -> Grid:
    """The numbers behind a drawing."""
    columns = [truth[rows, 0]]
    heads = ["step", "real"]
    for case, each in estimates.items():
        for name, values in each.items():
            heads.append(f"{name}{_under(case)}")
            columns.append(values[rows, 0])
    numbers: list[list[float]] = np.stack(columns, 1).tolist()
    cells: list[list[Cell]] = [[f"{rows.start + at}", *row] for at, row in enumerate(numbers)]
    return Grid("", heads, cells)
