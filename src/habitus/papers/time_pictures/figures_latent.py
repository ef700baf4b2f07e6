"""Figures 6.10 to 6.15 and B.1 to B.3 of "Time pictures": latent dimensions, and beta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from habitus.papers.item import Cell, Drawing, Grid, Item, figure, text
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.measures import change, distances, intensity_share
from habitus.papers.time_pictures.paper import BEST_BETA, DISTANCES
from habitus.papers.time_pictures.stages import STAGES, distances_of
from habitus.report import figures
from habitus.synthesis.latents.traversal import Traversal, traverse
from habitus.training.encoding import IN_USE

POINTS = 10
DENSE = 1e-3  # learned variance below which posteriors of users cover hardly any of N(0, I)
MOSTLY = 0.5
ORDER = (
    "Columns are dimensions from the smallest learned variance on, rows values of z evenly spaced "
    "in probability up to three standard deviations; the other dimensions stay at one draw from "
    "N(0, I)."
)


@dataclass(frozen=True)
class Use:
    """Use that a run makes of its dimensions.

    Attributes:
        used: Number of dimensions with a KL of at least IN_USE nats.
        intensity: Share of the change along the used dimensions that rescaling the mean picture
            of each explains; None without change.
        lead: Share of the change of all dimensions that the most changing one accounts for; None
            without change.
        lead_intensity: Share of that dimension's change that rescaling its mean picture explains.
        least: Smallest learned variance.
        made: Traversals of all dimensions.
    """

    used: int
    intensity: float | None
    lead: float | None
    lead_intensity: float | None
    least: float
    made: Traversal

    @property
    def description(self) -> str:
        """Number of dimensions in use and their share of intensity, in words."""
        count = f"{self.used} of {len(self.made.dims)} dimensions are in use"
        if self.intensity is None:
            return f"{count}."
        share = f"{self.intensity:.0%}"
        return (
            f"{count}, and {share} of what changes along them is more or less of the same picture."
        )


def use_of(lab: Lab, beta: float, number: int = 0) -> Use:
    """Traverse each dimension of a beta's run, the others fixed at draw ``number`` of the prior."""
    made = traverse(lab.vae(beta), points=POINTS, seed=lab.settings.seed + number)
    changes = np.array([change(x) for x in made.pictures])
    shares = np.array([intensity_share(x) or 0.0 for x in made.pictures])
    used = made.kl >= IN_USE
    top = int(changes.argmax())
    return Use(
        used=int(used.sum()),
        intensity=float(shares[used] @ changes[used] / changes[used].sum())
        if changes[used].sum() > 0
        else None,
        lead=float(changes[top] / changes.sum()) if changes.sum() > 0 else None,
        lead_intensity=intensity_share(made.pictures[top]),
        least=float(made.variance.min()),
        made=made,
    )


@figure("6.10", "Latent walks, β = 0")
def walks_0(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 0.

    In the paper learned variances are about 1e-9, and nearly every dimension holds a similar spike
    of activity.
    """
    use = use_of(lab, 0.0)
    dense = (
        "users are placed almost exactly" if use.least < DENSE else "users are not placed exactly"
    )
    least = f"the smallest learned variance is {text(use.least)} (in the paper about 10⁻⁹)"
    sentence = f"β = 0: {dense}; {least}. {use.description}"
    return _walks(
        lab,
        0.0,
        use,
        "variances of about 10⁻⁹, and a similar spike in nearly every dimension.",
        sentence,
    )


@figure("6.11", "Latent walks, β = 0.5")
def walks_05(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 0.5.

    In the paper dimensions encode times of day, when users begin and stop, and weekends against
    weekdays.
    """
    use = use_of(lab, 0.5)
    one = use_of(lab, 1.0)
    return _walks(
        lab,
        0.5,
        use,
        "times of day, beginning and end, weekend against weekdays.",
        diversity(use, one),
    )


def diversity(use: Use, one: Use) -> str:
    """State whether overall intensity explains less of the change at beta 0.5 than at beta 1."""
    if use.intensity is None or one.intensity is None:
        return f"β = 0.5: {use.description} At β = 1: {one.description}"
    more = use.intensity < one.intensity
    claim = "more diverse, as in the paper" if more else "no more diverse, unlike in the paper"
    return f"β = 0.5: {use.description} At β = 1 that is {one.intensity:.0%}: {claim}."


@figure("6.12", "Latent walks, β = 1")
def walks_1(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 1.

    In the paper the first dimension is the intensity of an average profile, and the others do next
    to nothing.
    """
    return _constrained(lab, 1.0)


@figure("6.13", "Latent walks, β = 4")
def walks_4(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 4.

    In the paper as at beta 1; the profile's place in the day moves a little too.
    """
    return _constrained(lab, 4.0)


def _constrained(lab: Lab, beta: float) -> Item:
    use = use_of(lab, beta)
    return _walks(
        lab,
        beta,
        use,
        "one dimension of overall intensity, the others idle.",
        constraint(beta, use),
    )


def constraint(beta: float, use: Use) -> str:
    """State whether one dimension, of overall intensity, accounts for most of the change."""
    if use.lead is None or use.lead_intensity is None:
        return (
            f"β = {beta:g}: nothing changes along any dimension; in the paper one is left, "
            "of overall intensity."
        )
    alone = use.lead >= MOSTLY and use.lead_intensity >= MOSTLY
    return (
        f"β = {beta:g}: one dimension makes {use.lead:.0%} of all change, and "
        f"{use.lead_intensity:.0%} of that is more or less of the same picture: "
        f"{'as' if alone else 'unlike'} in the paper, where one of overall intensity is left. "
        f"{use.description}"
    )


@figure("B.1", "Latent walks, β = 0.1, first example")
def walks_b1(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 0.1, at a first draw.

    In the paper such walks show different patterns, such as once against regularly.
    """
    return _example(lab, 0)


@figure("B.2", "Latent walks, β = 0.1, second example")
def walks_b2(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 0.1, at a second draw."""
    return _example(lab, 1)


@figure("B.3", "Latent walks, β = 0.1, third example")
def walks_b3(lab: Lab) -> Item:
    """Expected profiles along each dimension of the run of beta 0.1, at a third draw."""
    return _example(lab, 2)


def _example(lab: Lab, number: int) -> Item:
    use = use_of(lab, BEST_BETA, number)
    sentence = [] if number else [f"β = {BEST_BETA:g}: {use.description}"]
    return _walks(
        lab, BEST_BETA, use, "diverse patterns, such as once against regularly.", *sentence
    )


def _walks(lab: Lab, beta: float, use: Use, paper: str, *findings: str) -> Item:
    channel = lab.shown_channel
    made = use.made
    name = lab.axes.channels[channel]
    columns = zip(made.dims, made.variance, made.kl, strict=True)
    names = [f"z{dim}\nσ² {_short(variance)}\nKL {_short(kl)}" for dim, variance, kl in columns]
    unit = f"expected activity, channel {name}"
    drawn = figures.traversal_grid(made.axes, made.pictures[..., channel], names, made.points, unit)
    caption = f"β = {beta:g}, channel {name}. {ORDER} σ² is the learned variance, KL in nats."
    drawing = Drawing(drawn, caption, wide=True, data=_of_dimensions(made))
    return Item(drawings=[drawing], paper=paper, findings=findings)


def _of_dimensions(made: Traversal) -> Grid:
    """A row per dimension: how much changes along it, and how much of that is overall intensity."""
    rows: list[list[Cell]] = []
    for at, dim in enumerate(made.dims):
        used = "yes" if made.kl[at] >= IN_USE else "no"
        walk = made.pictures[at]
        numbers = (
            float(made.variance[at]),
            float(made.kl[at]),
            change(walk),
            intensity_share(walk),
        )
        rows.append([f"z{dim}", used, *numbers])
    return Grid(
        "",
        ("Dimension", "In use", "Variance", "KL, nats", "Change", "Of it intensity"),
        rows,
        words=2,
    )


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"


@figure("6.14", "KL divergence against β")
def kld_by_beta(lab: Lab) -> Item:
    """KL divergence of daily mean and standard deviation, for every beta of Table 6.1.

    In the paper 4, 5 and 10 are best for the mean, 0.1, 0.5, 0.9 and 1 for the standard deviation.
    """
    paper = "β = 4, 5 and 10 are best for the mean, 0.1 to 1 for the standard deviation."
    return _against_beta(lab, "KLD", "KL divergence, nats", paper)


@figure("6.15", "Mean squared error against β")
def mse_by_beta(lab: Lab) -> Item:
    """Mean squared error of daily mean and standard deviation, for every beta of Table 6.1.

    In the paper 0.1 and 0.5 are closest.
    """
    return _against_beta(lab, "MSE", "mean squared error, peaks²", "β = 0.1 and 0.5 are closest.")


def _against_beta(lab: Lab, kind: str, label: str, paper: str) -> Item:
    """A distance of Table 6.1 against beta, before and after small values are set to zero."""
    betas = lab.settings.betas
    drawings = []
    floor = distances(lab.evaluation(lab.vae(betas[0])).floor)
    places = {CALLED[name]: at for at, name in enumerate(DISTANCES) if name.startswith(kind)}
    for part, stage in STAGES.items():
        table = np.array([distances_of(lab, beta, stage) for beta in betas])
        scores = {name: table[:, at] for name, at in places.items()}
        floors = {name: floor[at] for name, at in places.items()}
        drawn = figures.score_curves(betas, scores, label, floors=floors, xlabel="β")
        best = ", ".join(
            f"{name} at β = {betas[int(np.nanargmin(line))]:g}" for name, line in scores.items()
        )
        drawings.append(Drawing(drawn, f"{stage.description} Smallest: {best}.", part))
    return Item(drawings=drawings, paper=paper)


CALLED = {
    name: "daily mean" if name.endswith("(mean)") else "daily standard deviation"
    for name in DISTANCES
}
