"""Findings on the paper's claims, in sentences that follow from them whichever way they fall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scipy.stats import spearmanr

from habitus.evaluation import daily_mean, daily_std, kl_divergence
from habitus.papers.item import text
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.measures import Distances, distances
from habitus.papers.time_pictures.paper import BEST_BETA, DISTANCES, TABLE_6_1, TABLE_6_2
from habitus.papers.time_pictures.stages import AFTER, BEFORE, Stage, distances_of, totals_of
from habitus.report.wording import ratio, times

FEWEST_TO_RANK = 4
APART = 2.0  # times: two divergences that differ by less are called alike


def of_betas(lab: Lab) -> Iterator[str]:
    """Findings of Table 6.1."""
    betas = lab.settings.betas
    found = {
        stage: {beta: distances_of(lab, beta, stage) for beta in betas} for stage in (BEFORE, AFTER)
    }
    shared = [beta for beta in betas if beta in TABLE_6_1]
    if len(betas) > 1:
        yield _best(found)
    if len(shared) >= FEWEST_TO_RANK:
        yield _order(found[BEFORE], shared)
    if BEST_BETA in betas:
        yield from (_of_the_papers_best(lab, stage, found[stage][BEST_BETA]) for stage in found)
    yield _spread(lab)
    if 0.0 in betas:
        yield _generative_power(lab)


def _best(found: Mapping[Stage, Mapping[float, Distances]]) -> str:
    """The beta with the smallest distance, column by column."""
    parts = []
    winners = {stage: set[float]() for stage in found}
    for column, name in enumerate(DISTANCES):
        best = {
            stage: min(table, key=lambda beta: table[beta][column])
            for stage, table in found.items()
        }
        theirs = min(TABLE_6_1, key=lambda beta: TABLE_6_1[beta][column])
        parts.append(f"{name} {best[BEFORE]:g} and {best[AFTER]:g} ({theirs:g})")
        for stage, beta in best.items():
            winners[stage].add(beta)
    alone = [stage.name for stage, betas in winners.items() if len(betas) == 1]
    sentence = (
        f"one β is best in every column {' and '.join(alone)}"
        if alone
        else "no β is best in every column"
    )
    return (
        "The best β of each column, before and after small values are set to zero (in the paper): "
        f"{', '.join(parts)}; {sentence}."
    )


def _order(found: Mapping[float, Distances], shared: Sequence[float]) -> str:
    """Rank correlation of our columns with the paper's, in words."""
    parts = []
    for column, name in enumerate(DISTANCES):
        ours, theirs = ([table[beta][column] for beta in shared] for table in (found, TABLE_6_1))
        constant = len(set(ours)) == 1
        parts.append(f"{name} {'–' if constant else f'{spearmanr(ours, theirs)[0]:.2f}'}")
    return (
        f"Rank correlation of the columns with the paper's over {len(shared)} betas, before small "
        f"values are set to zero: {', '.join(parts)}."
    )


def _of_the_papers_best(lab: Lab, stage: Stage, ours: Distances) -> str:
    floor = distances(lab.evaluation(lab.vae(BEST_BETA)).floor)
    parts = [
        f"{name} {text(value)} ({times(ratio(value, least))})"
        for name, value, least in zip(DISTANCES, ours, floor, strict=True)
    ]
    return (
        f"β = {BEST_BETA:g}, the paper's choice, {stage.name} small values are set to zero, and as "
        f"a multiple of another real sample: {', '.join(parts)}."
    )


def _spread(lab: Lab) -> str:
    """Find the betas at which generated users differ too little from each other."""
    real = daily_std(lab.reference.daily_totals).mean()
    betas = lab.settings.betas
    sizes = {beta: daily_std(totals_of(lab, beta, BEFORE)).mean() / real for beta in betas}
    ends = (pick(sizes, key=lambda beta: sizes[beta]) for pick in (min, max))
    parts = [f"{sizes[beta]:.0%} of the real one at β = {beta:g}" for beta in ends]
    low = sum(share < 1 for share in sizes.values())
    return (
        f"The daily standard deviation, averaged over days, is too small for {low} of {len(sizes)} "
        f"betas (from {' to '.join(dict.fromkeys(parts))}); in the paper none of those drawn "
        "reaches the real one."
    )


def _generative_power(lab: Lab) -> str:
    """Find out if beta 0 fails for lack of a prior, or altogether."""
    run = lab.vae(0.0)
    if run.mixture is None:
        return "β = 0: there are too few profiles to fit a mixture to its latents."
    real = daily_mean(lab.reference.daily_totals)
    plain, own = (
        kl_divergence(real, daily_mean(lab.totals_before_zeroing(run, prior)))
        for prior in ("normal", "mixture")
    )
    both = (
        f"KLD(mean) is {text(plain)} with N(0, I) and {text(own)} with a mixture fitted to its own "
        "latents"
    )
    if plain > APART * own:
        return (
            f"β = 0: {both}, so the decoder generates, and N(0, I) is the wrong place to draw from."
        )
    if own > APART * plain:
        return f"β = 0: {both}, so its own latents are no better a place to draw from."
    return f"β = 0: {both}, so where latents are drawn from makes little difference."


def of_methods(errors: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Findings of Table 6.2.

    Args:
        errors: Hole -> method or baseline -> squared error.
    """
    for hole, found in errors.items():
        vae = found["VAE"]
        vce = found["VCE"]
        printed = TABLE_6_2[hole]
        there = 1 - printed["VCE"] / printed["VAE"]
        side = "below" if vce < vae else "not below"
        change = f" by {abs(1 - vce / vae):.0%}" if vae else ""
        baselines = {name: error for name, error in found.items() if name not in printed}
        best = min(baselines, key=lambda name: baselines[name])
        against = "below" if vce < baselines[best] else "not below"
        yield (
            f"Hidden {hole}: the VCE's error, {text(vce)}, is {side} the VAE's, "
            f"{text(vae)}{change} (in the paper below by {there:.0%}), and {against} that of the "
            f"best baseline without a model ({best.replace('_', ' ')}, {text(baselines[best])})."
        )
    harder = [
        method for method in ("VAE", "VCE") if errors["bottom"][method] > errors["centre"][method]
    ]
    sentence = {
        2: "for both methods, as in the paper",
        1: f"for the {''.join(harder)} only",
        0: "for neither method",
    }
    side = sentence[len(harder)]
    yield f"The bottom half has a larger error than the centre {side}; it has twice the cells."
