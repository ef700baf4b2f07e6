"""Figures 6.16 to 6.27 of "Time pictures": missing regions reconstructed by VAE and VCE."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from habitus.evaluation import (
    ACTIVITIES,
    active_users,
    daily_mean,
    daily_std,
    kl_divergence,
    mean_squared_error,
    relative_error,
)
from habitus.evaluation.completion.paired import Example, examples, paired
from habitus.models.pictures.beta_vae import BetaVAE
from habitus.papers.item import Drawing, Item, by_day, figure, text
from habitus.papers.time_pictures.figures_population import MEAN, SHARE, STD, cut, full_from
from habitus.papers.time_pictures.lab import METHODS, Lab
from habitus.papers.time_pictures.paper import BEST_BETA
from habitus.report import figures
from habitus.schema import FloatArray

CENTRE = "centre"
BOTTOM = "bottom"
SHOWN = 1  # of the examples: the user who is busier than three in four


@figure("6.16", "One user's hidden centre, reconstructed")
def sample_centre(lab: Lab) -> Item:
    """One test user: truth, the VAE's whole reconstruction, its hidden part, and the VCE's.

    In the paper the VAE's values are far too small, and the VCE's in the right range but blurred.
    """
    return _sample(
        lab, CENTRE, "the VAE's values are far too small, the VCE's in range but blurred."
    )


@figure("6.17", "One user's hidden bottom half, reconstructed")
def sample_bottom(lab: Lab) -> Item:
    """The same for the bottom half.

    In the paper neither shows visible activity there.
    """
    return _sample(lab, BOTTOM, "neither shows visible activity in the bottom half.")


def _sample(lab: Lab, hole: str, paper: str) -> Item:
    vae, vce = (_example(lab, method, hole) for method in METHODS)
    pictures = {
        "real": vae.truth,
        "VAE, whole": _whole(lab, vae),
        "VAE": vae.mean,
        "VCE": vce.mean,
    }
    shown = figures.shown_channels(lab.reference.mean_picture.sum((0, 1)))
    drawn = figures.reconstructions(
        lab.axes, pictures, np.asarray(vae.missing.any(2)), channels=shown
    )
    true = float(vae.truth[vae.missing].sum())
    sums = ", ".join(
        f"{name} {text(float(each.mean[each.missing].sum()))}"
        for name, each in (("VAE", vae), ("VCE", vce))
    )
    caption = (
        "A user busier than three in four; hidden cells are outlined, each row has its own colour "
        f"scale. Sum over the hidden cells: real {text(true)}, {sums}."
    )
    return Item(drawings=[Drawing(drawn, caption, real=True)], paper=paper)


def _example(lab: Lab, method: str, hole: str) -> Example:
    """The same user for every method."""
    completed = lab.completed(method, hole)
    known = np.concatenate([pair.known for pair in paired(completed, lab.test)])
    return examples(completed, lab.test, known)[SHOWN]


def _whole(lab: Lab, example: Example) -> FloatArray:
    """All that the VAE makes of what is known, [D, S, C]."""
    model = lab.vae(BEST_BETA).model
    assert isinstance(model, BetaVAE)
    known = torch.from_numpy(np.where(example.missing, 0, example.truth).astype(np.float32))
    with torch.no_grad():
        return model.decode(model.encode(known[None]).mean).mean[0].float().numpy()


@figure("6.18", "Daily mean, centre reconstructed")
def mean_centre(lab: Lab) -> Item:
    """Daily mean of total interaction counts: the test users, and the two completed sets.

    In the paper the VCE is close, and the VAE neither in shape nor in level.
    """
    return _statistic(lab, CENTRE, daily_mean, MEAN, "the VCE is close, the VAE is not.")


@figure("6.19", "Daily standard deviation, centre reconstructed")
def std_centre(lab: Lab) -> Item:
    """Daily standard deviation of the same sets.

    In the paper the VCE fits in shape and is too low.
    """
    return _statistic(
        lab, CENTRE, daily_std, STD, "the VCE fits in shape, and is too low; the VAE does not fit."
    )


@figure("6.20", "Daily mean, bottom half reconstructed")
def mean_bottom(lab: Lab) -> Item:
    """Daily mean, with the bottom half, the later days, reconstructed.

    In the paper the VCE is right, and the VAE falls towards zero.
    """
    return _statistic(
        lab, BOTTOM, daily_mean, MEAN, "the VCE is right, the VAE falls towards zero."
    )


@figure("6.21", "Daily standard deviation, bottom half reconstructed")
def std_bottom(lab: Lab) -> Item:
    """Daily standard deviation of the same sets.

    In the paper the VCE fits in shape.
    """
    return _statistic(
        lab, BOTTOM, daily_std, STD, "the VCE fits in shape, the VAE falls towards zero."
    )


@figure("6.22", "Daily active users, centre reconstructed")
def dau_centre(lab: Lab) -> Item:
    """Daily active users of the test set and the completed sets; in the paper the VCE is close."""
    return _activity(lab, CENTRE, "dau", "the VCE is close.")


@figure("6.23", "Weekly active users, centre reconstructed")
def wau_centre(lab: Lab) -> Item:
    """Weekly active users of the same sets. In the paper both are far off."""
    return _activity(lab, CENTRE, "wau", "both are far off.")


@figure("6.24", "Monthly active users, centre reconstructed")
def mau_centre(lab: Lab) -> Item:
    """Monthly active users of the same sets. In the paper both are better again."""
    return _activity(lab, CENTRE, "mau", "both are better again.")


@figure("6.25", "Daily active users, bottom half reconstructed")
def dau_bottom(lab: Lab) -> Item:
    """Daily active users with the later days reconstructed. In the paper the VCE is close."""
    return _activity(lab, BOTTOM, "dau", "the VCE is close.")


@figure("6.26", "Weekly active users, bottom half reconstructed")
def wau_bottom(lab: Lab) -> Item:
    """Weekly active users of the same sets. In the paper both are far off."""
    return _activity(lab, BOTTOM, "wau", "both are far off.")


@figure("6.27", "Monthly active users, bottom half reconstructed")
def mau_bottom(lab: Lab) -> Item:
    """Monthly active users of the same sets. In the paper both are better again."""
    return _activity(lab, BOTTOM, "mau", "both are better again.")


def _statistic(
    lab: Lab, hole: str, curve: Callable[[FloatArray], FloatArray], label: str, paper: str
) -> Item:
    """Draw a daily curve of profiles whose missing region holds expected values."""
    totals = {"reference": lab.reference.daily_totals}
    totals |= {method: lab.expected_totals(method, hole) for method in METHODS}
    curves = {name: curve(each) for name, each in totals.items()}
    real = curves["reference"]
    errors = {method: mean_squared_error(real, curves[method]) for method in METHODS}
    sentence = "; ".join(
        f"{method}: KLD {text(kl_divergence(real, curves[method]))}, MSE {text(errors[method])}"
        for method in METHODS
    )
    drawn = figures.day_curves(lab.axes, curves, label, styles=figures.setting_styles(curves))
    drawing = Drawing(
        drawn,
        f"Whole profiles with the expected values in the hidden {hole}. {sentence}.",
        data=by_day(curves),
    )
    found = nearer(f"daily {label.split(',')[0]}, mean squared error", errors)
    return Item(drawings=[drawing], paper=paper, findings=[found])


def nearer(what: str, errors: Mapping[str, float]) -> str:
    """Compare VAE and VCE: which is nearer to the real users than the VAE."""
    vae = errors["VAE"]
    vce = errors["VCE"]
    claim = "nearer, as in the paper" if vce < vae else "not nearer, unlike in the paper"
    return f"{what[:1].upper()}{what[1:]}: VCE {text(vce)}, VAE {text(vae)}: {claim}."


def _activity(lab: Lab, hole: str, name: str, paper: str) -> Item:
    """Active users with draws where cells are missing; the paper finds the VCE nearer."""
    activity = next(each for each in ACTIVITIES if each.name == name)
    sets = {"reference": lab.reference}
    sets |= {method: lab.completed_summary(method, hole) for method in METHODS}
    curves = {name: active_users(each.active, activity.window) for name, each in sets.items()}
    first = activity.first_day
    real = curves["reference"]
    errors = {method: relative_error(curves[method], real, first) for method in METHODS}
    drawn = figures.share_curves(
        lab.axes,
        curves,
        SHARE,
        full_from=full_from(activity, lab),
        styles=figures.setting_styles(curves),
    )
    caption = (
        f"Whole profiles with one draw in the hidden {hole}, small values set to zero. Relative "
        "error: "
        + ", ".join(f"{method} {text(error)}" for method, error in errors.items())
        + f".{cut(activity.window)}"
    )
    known = {method: error for method, error in errors.items() if error is not None}
    sentence = [nearer("relative error of daily active users", known)] if name == "dau" else []
    return Item(
        drawings=[Drawing(drawn, caption, data=by_day(curves))], paper=paper, findings=sentence
    )
