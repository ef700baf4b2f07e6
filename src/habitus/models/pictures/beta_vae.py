"""Convolutional beta-VAE ("Time pictures" 5.2, Eqs 3.6 and 3.7).

    q(z|x) = N(mu(x), diag sigma(x)^2)                    encoder, Table 5.1
    p(x|z) = product over cells of Bernoulli(x(z))        decoder, Table 5.2, or a Gaussian
    loss   = E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, I))

summed over cells and latent dimensions, averaged over users: beta 1 is the VAE, beta 0 the
auto-encoder.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent

from habitus.models.base import CompletingModel, Completion, LatentModel, Loss
from habitus.models.parts.gaussians import (
    diagonal_normal,
    kl_from_standard_normal,
    reparameterise,
)
from habitus.models.pictures.completion import complete_from_posterior
from habitus.models.pictures.likelihoods import LIKELIHOODS
from habitus.models.pictures.nets import ARCHITECTURES, ConvDecoder, ConvEncoder
from habitus.schema import Axes, BoolArray
from habitus.settings import NotNegative, Positive, Share, configuration

ArchitectureName = Literal[
    "conv", "transposed", "wide-conv", "wide-transposed", "deep-conv", "deep-transposed", "strided",
    "deep-strided",
]  # fmt: skip


@configuration
class BetaVAEConfig:
    """Settings of a beta-VAE; the defaults are those of the paper's reported results.

    Attributes:
        beta: Weight of the KL term, 0 or more; 0.1 gave the paper's best population (Table 6.1).
        latents: Latent dimensions; 2, 5 and 7 were worse, 100 no better (5.2.2).
        architecture: A row of Table A.1: conv, transposed, wide-conv, wide-transposed, deep-conv,
            deep-transposed, strided or deep-strided; conv is that of Tables 5.1 and 5.2.
        likelihood: cross-entropy (better in the paper, 5.2.3), squared-error, or poisson for raw
            counts.
        normalisation: Unit of the profiles: peak (each by its own largest cell), binary, or count.
        batch_norm: Normalise each convolution's output over the batch; did not help the paper.
        dropout: Share of activations dropped after each layer; did not help the paper.
    """

    beta: NotNegative = 0.1
    latents: Positive = 10
    architecture: ArchitectureName = "conv"
    likelihood: Literal["cross-entropy", "squared-error", "poisson"] = "cross-entropy"
    normalisation: Literal["peak", "binary", "count"] = "peak"
    batch_norm: bool = False
    dropout: Share = 0.0

    def __post_init__(self) -> None:
        units = LIKELIHOODS[self.likelihood].units
        if self.normalisation not in units:
            raise ValueError(
                f"normalisation with {self.likelihood} must be one of {', '.join(units)}; "
                f"got {self.normalisation!r}"
            )


class BetaVAE(LatentModel, CompletingModel):
    """Convolutional beta-VAE; equations in the module, settings in :class:`BetaVAEConfig`."""

    Config = BetaVAEConfig

    def __init__(self, axes: Axes, config: BetaVAEConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: BetaVAEConfig = config or BetaVAEConfig()
        architecture = ARCHITECTURES[self.config.architecture]
        latents = self.config.latents
        regularisers = (self.config.batch_norm, self.config.dropout)
        self.q_z_given_x = ConvEncoder(architecture, axes.shape, 2 * latents, *regularisers)
        self.x_given_z = ConvDecoder(architecture, axes.shape, latents, *regularisers)
        self.p_x_given_z = LIKELIHOODS[self.config.likelihood]

    @property
    def unit(self) -> str:
        return self.config.normalisation

    @property
    def exact_zeros(self) -> bool:
        return self.p_x_given_z.exact_zeros

    @property
    def latents(self) -> int:
        return self.config.latents

    def encode(self, x: Tensor) -> Independent:
        return diagonal_normal(self.q_z_given_x(x.movedim(-1, 1)))

    def decode(self, z: Tensor) -> Distribution:
        return self.p_x_given_z(self.x_given_z(z).float().movedim(1, -1))

    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Draw profiles [B, D, S, C] from p(x|z); the likelihood says what a draw is."""
        return self.p_x_given_z.draw(self.decode(z), generator)

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute reconstruction + beta KL (Eq 3.7), per user."""
        q = self.encode(x)
        p = self.decode(reparameterise(q, generator))
        reconstruction = -p.log_prob(x).flatten(1).sum(1).mean()
        kl = kl_from_standard_normal(q).sum(-1).mean()
        total = reconstruction + self.config.beta * kl
        return Loss(total, {"reconstruction": reconstruction, "kl": kl})

    @property
    def forecast_days(self) -> int:
        """Half of the window: with less known there is little to encode."""
        return self.axes.days // 2

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Accept any mask: the model knows whole pictures."""

    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Encode the picture with missing cells empty, and decode them (the VAE of Table 6.2)."""
        q = self.encode(torch.where(missing, 0.0, x))
        return complete_from_posterior(
            q, self.decode, self.p_x_given_z, missing, samples, generator
        )
