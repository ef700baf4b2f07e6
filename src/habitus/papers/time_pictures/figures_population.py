"""Figures 6.3 to 6.9 of "Time pictures": what the models generate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from habitus.evaluation import (
    ACTIVITIES,
    active_users,
    daily_mean,
    daily_std,
    kl_divergence,
    kolmogorov_distance,
    relative_error,
)
from habitus.evaluation.metrics.active_users import Activity
from habitus.papers.item import Drawing, Item, by_day, figure, text
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.paper import BEST_BETA, DISTANCES, DRAWN_BETAS, TABLE_6_1
from habitus.papers.time_pictures.stages import STAGES, Stage, totals_of
from habitus.report import figures
from habitus.report.samples import random_pictures
from habitus.schema import FloatArray

PICTURES = 3
MEAN = "mean, in peaks"
STD = "standard deviation, in peaks"
TOTAL = "total interactions of a user on a day, in peaks"
SHARE = "share of users"
CUT = " Left of the dotted line fewer days are there to look at than the {window} that count."


@figure("6.3", "Generated profiles")
def samples(lab: Lab) -> Item:
    """Three users drawn at random from the population of beta 0.1.

    In the paper: weekly rhythms and days without activity are there, and edges are blurred.
    """
    population = lab.generated(lab.vae(BEST_BETA))
    pictures = random_pictures(population, count=PICTURES, seed=lab.settings.seed)
    shown = figures.shown_channels(lab.reference.mean_picture.sum((0, 1)))
    made = figures.sample_pictures(population.axes, pictures, channels=shown)
    cells = ", ".join(f"{np.count_nonzero(picture):,}" for picture in pictures)
    caption = f"Drawn at random, not picked, from β = {BEST_BETA:g}. Non-empty cells: {cells}."
    return Item(
        drawings=[Drawing(made, caption)],
        paper="rhythms of days and weeks are there; edges are blurred.",
    )


@figure("6.4", "Daily mean, by beta")
def mean_curves(lab: Lab) -> Item:
    """Daily mean of total counts: test users, and populations of betas 0, 0.1, 1 and 4.

    In the paper: 0.1 is right in shape and level, 1 and 4 in shape, 0 in level.
    """
    return _statistic(
        lab,
        daily_mean,
        "KLD(mean)",
        MEAN,
        "β = 0.1 fits in shape and level, 1 and 4 in shape only.",
    )


@figure("6.5", "Daily standard deviation, by beta")
def std_curves(lab: Lab) -> Item:
    """Daily standard deviation of total interaction counts of the same populations.

    In the paper: the shape can be met, best by 0.1, and the level is too low for every beta.
    """
    return _statistic(
        lab, daily_std, "KLD(std)", STD, "the shape can be met, the level is too low."
    )


@figure("6.6", "Distribution of totals, by beta")
def totals(lab: Lab) -> Item:
    """Cumulative distribution of the total interaction counts of the same populations.

    In the paper: beta 0 is nearest, then 0.1; 1 and 4 generate too few zeros.
    """
    drawings = []
    for part, stage in STAGES.items():
        made = _totals(lab, stage)
        drawn = figures.total_cdf(made, TOTAL, styles=figures.setting_styles(made))
        gaps = {name: kolmogorov_distance(made["reference"], each) for name, each in made.items()}
        drawings.append(
            Drawing(
                drawn, f"{stage.description} Largest gap to the real one: {_listed(gaps)}", part
            )
        )
    return Item(drawings=drawings, paper="β = 0 is nearest, then 0.1; 1 and 4 have too few zeros.")


@figure("6.7", "Daily active users, by beta")
def dau(lab: Lab) -> Item:
    """Daily active users of the same populations; zeros by a threshold fitted to this very number.

    In the paper: 0.1 and 4 are nearest.
    """
    return _activity(lab, "dau", "β = 0.1 and 4 are nearest.")


@figure("6.8", "Weekly active users, by beta")
def wau(lab: Lab) -> Item:
    """Weekly active users of the same populations.

    In the paper: 1 and 4 are far off, and 0.1 is off too.
    """
    return _activity(lab, "wau", "1 and 4 are far off, and 0.1 is off too; 0 shows the trend.")


@figure("6.9", "Monthly active users, by beta")
def mau(lab: Lab) -> Item:
    """Monthly active users of the same populations.

    In the paper: 1 and 4 are far off, 0.1 is a little low.
    """
    return _activity(lab, "mau", "1 and 4 are far off, 0.1 is a little low; 0 shows the trend.")


def _statistic(
    lab: Lab, curve: Callable[[FloatArray], FloatArray], column: str, label: str, paper: str
) -> Item:
    """A curve over days before and after small values are set to zero."""
    place = list(DISTANCES).index(column)
    drawings = []
    printed = {_called(beta): TABLE_6_1[beta][place] for beta in DRAWN_BETAS}
    for part, stage in STAGES.items():
        curves = {name: curve(each) for name, each in _totals(lab, stage).items()}
        drawn = figures.day_curves(lab.axes, curves, label, styles=figures.setting_styles(curves))
        distances = {
            name: kl_divergence(curves["reference"], each) for name, each in curves.items()
        }
        sentence = (
            f"{stage.description} KLD to the real one (in the paper): {_listed(distances, printed)}"
        )
        drawings.append(Drawing(drawn, sentence, part, data=by_day(curves)))
    return Item(drawings=drawings, paper=paper)


def _totals(lab: Lab, stage: Stage) -> dict[str, FloatArray]:
    """Daily totals of the real users and of each population that is drawn."""
    made = {_called(beta): totals_of(lab, beta, stage) for beta in DRAWN_BETAS}
    return {"reference": lab.reference.daily_totals, **made, "floor": lab.floor.sample.daily_totals}


def _activity(lab: Lab, name: str, paper: str) -> Item:
    activity = next(each for each in ACTIVITIES if each.name == name)
    made = {_called(beta): lab.evaluation(lab.vae(beta)).generated for beta in DRAWN_BETAS}
    sets = {"reference": lab.reference, **made, "floor": lab.floor.sample}
    curves = {name: active_users(each.active, activity.window) for name, each in sets.items()}
    drawn = figures.share_curves(
        lab.axes,
        curves,
        SHARE,
        full_from=full_from(activity, lab),
        styles=figures.setting_styles(curves),
    )
    errors = {
        name: relative_error(each, curves["reference"], activity.first_day)
        for name, each in curves.items()
    }
    caption = f"Relative error: {_listed(errors)}{cut(activity.window)}"
    sentence = _nearest(name.upper(), {each: errors[each] for each in made}, errors["floor"], paper)
    return Item(
        drawings=[Drawing(drawn, caption, data=by_day(curves))], paper=paper, findings=sentence
    )


def _nearest(
    name: str, errors: Mapping[str, float | None], floor: float | None, paper: str
) -> list[str]:
    """Name the beta that is nearest; nothing where no day of the window counts."""
    known = {beta: error for beta, error in errors.items() if error is not None}
    if not known or floor is None:
        return []
    best = min(known, key=lambda beta: known[beta])
    off = f"{best} is nearest, off by {known[best]:.1%} (another real sample {floor:.1%})"
    return [f"{name}: of the betas drawn {off}. In the paper: {paper}"]


def _called(beta: float) -> str:
    return f"β = {beta:g}"


def _listed(values: Mapping[str, float | None], printed: Mapping[str, float] | None = None) -> str:
    """Numbers by name, with the paper's in brackets; the real users' own is left out."""
    parts = [
        f"{figures.LABELS.get(name, name)}: {text(value)}"
        + (f" ({text(printed[name])})" if printed and name in printed else "")
        for name, value in values.items()
        if name != "reference"
    ]
    return "; ".join(parts) + "."


def full_from(activity: Activity, lab: Lab) -> int:
    """The first day whose window is full; 0 where there is none."""
    return activity.first_day if activity.first_day < lab.axes.days else 0


def cut(window: int) -> str:
    """Sentence on days before the first full window."""
    return "" if window == 1 else CUT.format(window=window)
