"""Figures 5.1 to 5.3 and 5.6 of "Time pictures": the data, training beside test users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from habitus.evaluation import (
    ACTIVITIES,
    Summary,
    active_users,
    daily_mean,
    daily_std,
    kl_divergence,
    kolmogorov_distance,
)
from habitus.papers.item import Drawing, Item, by_day, figure, text
from habitus.papers.time_pictures.figures_population import MEAN, STD, TOTAL
from habitus.papers.time_pictures.lab import Lab
from habitus.report import figures
from habitus.report.figures import LABELS
from habitus.report.figures.style import line_styles
from habitus.report.samples import random_pictures

LOOKED_AT = 200  # users among whom the one of Figure 5.1 is chosen
BUSIER_THAN = 0.75
PICTURES = 3
PEAKS = "share of the user's busiest cell"
TRAIN = "training"


@figure("5.1", "One user's profile")
def one_user(lab: Lab) -> Item:
    """One test user's profile: one channel, and all of them.

    It is the user who is busier than three in four of 200 drawn at random. The paper shows 46 days,
    five channels.
    """
    pictures = random_pictures(lab.test, count=LOOKED_AT, seed=lab.settings.seed)
    filled = np.count_nonzero(pictures.reshape(len(pictures), -1), axis=1)
    picture = pictures[np.argsort(filled, kind="stable")[int(BUSIER_THAN * (len(pictures) - 1))]]
    full = np.ones(len(lab.axes.channels))
    shown = {
        "a": [lab.shown_channel],
        "b": figures.shown_channels(lab.reference.mean_picture.sum((0, 1))),
    }
    what = {
        "a": f"The channel {lab.axes.channels[lab.shown_channel]}.",
        "b": "All channels, or the busiest six.",
    }
    drawings = [
        Drawing(
            figures.mean_pictures(lab.axes, picture, channels=channels, peaks=full, unit=PEAKS),
            f"{what[part]} Black is no activity, brightest the user's busiest cell.",
            part,
            real=True,
        )
        for part, channels in shown.items()
    ]
    return Item(
        drawings=drawings, paper="the same for a user over 46 days, on one and on five channels."
    )


@figure("5.2", "Sample profiles, and the mean profile")
def samples_and_mean(lab: Lab) -> Item:
    """Three test users drawn at random, and the mean over all test users.

    In the paper the mean shows rhythms of days and weeks, and two of the five channels are nearly
    empty.
    """
    mean = lab.reference.mean_picture
    shown = figures.shown_channels(mean.sum((0, 1)))
    pictures = random_pictures(lab.test, count=PICTURES, seed=lab.settings.seed)
    samples = figures.sample_pictures(lab.axes, pictures, channels=shown)
    whole = figures.mean_pictures(lab.axes, mean, channels=shown, unit=f"mean {PEAKS}")
    share = mean.sum((0, 1)) / max(float(mean.sum()), np.finfo(float).tiny)
    order = np.argsort(-share)[: len(shown)]
    sentence = ", ".join(f"{lab.axes.channels[at]} {share[at]:.1%}" for at in order)
    drawings = [
        Drawing(samples, f"{len(pictures)} test users, drawn at random.", "a", real=True),
        Drawing(whole, f"Mean of {len(lab.test):,} test users. Of all activity: {sentence}.", "b"),
    ]
    return Item(
        drawings=drawings,
        paper="the mean shows the day and the week; two channels are nearly empty.",
    )


@figure("5.3", "Training and test users")
def statistics(lab: Lab) -> Item:
    """Daily mean, standard deviation and totals of both sets, with KL divergences.

    In the paper the two lie on each other; its figure prints the divergences in the legend.
    """
    drawings = []
    found = {}
    for part, (name, curve, label) in zip("ab", CURVES, strict=True):
        pair = {who: curve(each.daily_totals) for who, each in _sets(lab).items()}
        found[name] = kl_divergence(pair["reference"], pair[TRAIN])
        sentence = f"Daily {name}. KLD: {text(found[name])}."
        drawings.append(
            Drawing(figures.day_curves(lab.axes, pair, label), sentence, part, data=by_day(pair))
        )
    totals = {who: each.daily_totals for who, each in _sets(lab).items()}
    gap = kolmogorov_distance(totals["reference"], totals[TRAIN])
    drawings.append(
        Drawing(figures.total_cdf(totals, TOTAL), f"Totals. Largest gap: {text(gap)}.", "c")
    )
    sentence = (
        f"Training against test users: KLD(mean) {text(found['mean'])}, KLD(std) "
        f"{text(found['standard deviation'])}, largest gap of the totals {text(gap)}; chance "
        "aside, no model does better than that."
    )
    return Item(drawings=drawings, paper="the two sets are alike.", findings=[sentence])


CURVES = (("mean", daily_mean, MEAN), ("standard deviation", daily_std, STD))


@figure("5.6", "Active users, training and test")
def activity(lab: Lab) -> Item:
    """Daily, weekly and monthly active users of both sets, also scaled to the test set's size.

    In the paper the scaled curves lie on each other.
    """
    shares = {
        (who, each.name.upper()): active_users(summary.active, each.window)
        for each in ACTIVITIES
        for who, summary in _sets(lab).items()
    }
    users = {"reference": len(lab.test), TRAIN: len(lab.train)}
    klds = "; ".join(
        f"{name} {text(kl_divergence(shares['reference', name], shares[TRAIN, name]))}"
        for name in dict.fromkeys(name for _, name in shares)
    )
    drawings = []
    for part, sizes, what in (
        ("a", users, "users"),
        ("b", dict.fromkeys(users, len(lab.test)), "users, scaled"),
    ):
        curves = {
            f"{LABELS.get(who, who)}, {name}": share * sizes[who]
            for (who, name), share in shares.items()
        }
        sentence = f"Each pair from below: daily, weekly, monthly active users. KLD: {klds}."
        drawn = figures.day_curves(lab.axes, curves, what, styles=_styles(curves))
        drawings.append(Drawing(drawn, sentence, part, data=by_day(curves)))
    return Item(drawings=drawings, paper="the scaled curves lie on each other.")


def _styles(curves: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The three curves of a set look alike, and stand in the legend once."""
    both = line_styles(("reference", TRAIN))
    styles: dict[str, dict[str, Any]] = {}
    for name in curves:
        who = TRAIN if name.startswith(TRAIN) else "reference"
        first = not any(each["color"] == both[who]["color"] for each in styles.values())
        styles[name] = both[who] | ({} if first else {"label": None})
    return styles


def _sets(lab: Lab) -> dict[str, Summary]:
    return {"reference": lab.reference, TRAIN: lab.trained_on}
