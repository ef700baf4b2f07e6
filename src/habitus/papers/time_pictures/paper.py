"""The numbers that "Time pictures" prints, to stand beside ours."""

from __future__ import annotations

BETAS = (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0, 2.0, 4.0, 5.0, 10.0, 100.0)
"""The values of beta that were compared (5.2.3)."""

DRAWN_BETAS = (0.0, 0.1, 1.0, 4.0)
"""Those whose curves are drawn (Figures 6.1, 6.2 and 6.4 to 6.9)."""

BEST_BETA = 0.1
LATENTS = 10
SEARCHED_LATENTS = (2, 5, 7, 10, 100)
"""Latent dimensions of the grid search (5.2.2, Table A.1)."""

DISTANCES = {
    "KLD(mean)": ("daily_mean", "kld"),
    "KLD(std)": ("daily_std", "kld"),
    "MSE(mean)": ("daily_mean", "mse"),
    "MSE(std)": ("daily_std", "mse"),
}
"""The columns of Table 6.1, and where an evaluation has them."""

TABLE_6_1 = {
    0.0: (0.016223, 0.009101, 0.008296, 0.020134),
    0.001: (0.037877, 0.023347, 0.119711, 0.28913),
    0.01: (0.037753, 0.028212, 0.061954, 0.211822),
    0.1: (0.001215, 0.001295, 0.000597, 0.184723),
    0.5: (0.001131, 0.001198, 0.036227, 0.129091),
    0.9: (0.001242, 0.001229, 0.071483, 0.140871),
    1.0: (0.001237, 0.001689, 0.075205, 0.142465),
    2.0: (0.001042, 0.003625, 0.089164, 0.199404),
    4.0: (0.000576, 0.004682, 0.112808, 0.271963),
    5.0: (0.000629, 0.005578, 0.101913, 0.292166),
    10.0: (0.000468, 0.006268, 0.074043, 0.587513),
    100.0: (0.001199, 0.472687, 0.046849, 1.014323),
}
"""Beta -> KLD(mean), KLD(std), MSE(mean), MSE(std)."""

TABLE_6_2 = {"centre": {"VAE": 2.26, "VCE": 2.04}, "bottom": {"VAE": 3.56, "VCE": 3.09}}
"""Hole -> method -> squared error summed over the hole, averaged over test users."""
