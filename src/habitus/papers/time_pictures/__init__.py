"""The tables and figures of "Time pictures", on any data."""

from __future__ import annotations

from habitus.papers.item import Group, Paper
from habitus.papers.time_pictures import (
    architectures,
    figures_data,
    figures_latent,
    figures_population,
    figures_reconstruction,
    figures_training,
    tables,
)
from habitus.papers.time_pictures.facts import facts
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.opening import OPTIONS, open_lab, origin
from habitus.papers.time_pictures.settings import LabSettings

GROUPS = (
    Group(
        "The data",
        "Training and test users are two samples of the same people: what separates them is "
        "chance, and the floor of every comparison below.",
        (
            figures_data.one_user,
            figures_data.samples_and_mean,
            figures_data.statistics,
            figures_data.activity,
        ),
    ),
    Group("The networks", "", (tables.encoder, tables.decoder)),
    Group(
        "How the training went",
        "The loss is reconstruction plus β times KL, so only the shapes of the curves compare "
        "between betas.",
        (figures_training.training_loss, figures_training.test_loss),
    ),
    Group(
        "Generated populations",
        "An interaction count is a share of the user's own busiest cell (a “peak”). Weekends are "
        "shaded where the calendar is known. Small generated values are zero, by a threshold "
        "fitted to daily active users.",
        (
            figures_population.samples,
            figures_population.mean_curves,
            figures_population.std_curves,
            figures_population.totals,
            tables.by_beta,
            figures_population.dau,
            figures_population.wau,
            figures_population.mau,
        ),
    ),
    Group(
        "What the latent dimensions do",
        "A dimension is in use where its KL from N(0, 1) is at least 0.01 nats: below that it "
        "tells nothing about a user.",
        (
            figures_latent.walks_0,
            figures_latent.walks_05,
            figures_latent.walks_1,
            figures_latent.walks_4,
            figures_latent.kld_by_beta,
            figures_latent.mse_by_beta,
        ),
    ),
    Group(
        "Reconstruction",
        "A quarter of each test profile is hidden in its centre, or the bottom half: the later "
        "days. The VAE was fitted to whole profiles and reads the rest with the hidden cells "
        "empty; the VCE was fitted to the hole.",
        (
            figures_reconstruction.sample_centre,
            figures_reconstruction.sample_bottom,
            tables.by_method,
            figures_reconstruction.mean_centre,
            figures_reconstruction.std_centre,
            figures_reconstruction.mean_bottom,
            figures_reconstruction.std_bottom,
            figures_reconstruction.dau_centre,
            figures_reconstruction.wau_centre,
            figures_reconstruction.mau_centre,
            figures_reconstruction.dau_bottom,
            figures_reconstruction.wau_bottom,
            figures_reconstruction.mau_bottom,
        ),
    ),
    Group("Appendix A: the search for an architecture", "", (architectures.search,)),
    Group(
        "Appendix B: more latent walks",
        "One run, walked from three draws.",
        (figures_latent.walks_b1, figures_latent.walks_b2, figures_latent.walks_b3),
    ),
)
PAPER = Paper(
    title="Time pictures, on other data",
    groups=GROUPS,
    facts=facts,
    paths=2,
    takes="two folders, of training and of test profiles",
    options=OPTIONS,
    open_lab=open_lab,
    origin=origin,
    unit="profiles",
)

__all__ = ["GROUPS", "PAPER", "Lab", "LabSettings"]
