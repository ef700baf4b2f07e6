"""Variational context encoder, VCE ("Time pictures" 5.2.3, Fig 5.5).

    x_C, x_R                                   known cells (the context), missing ones (the region)
    q(z|x_C) = N(mu(x_C), diag sigma(x_C)^2)   encoder of Table 5.1; it reads the context only
    p(x_R|z)                                   decoder of Table 5.2; it emits the region only
    loss     = E_q[-log p(x_R|z)] + beta KL(q(z|x_C) || N(0, I)) [+ adversarial]

summed over the region's cells, averaged over users. The optional adversarial term (the paper's
future work, after the Context Encoder) is the loss of a discriminator between true regions and
decoded ones. The decoder gets its gradient reversed and weighted, so one optimiser serves both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent
from torch.nn import functional

from habitus.models.base import Completion, Loss
from habitus.models.parts.completion import MaskedModel
from habitus.models.parts.gaussians import (
    diagonal_normal,
    kl_from_standard_normal,
    reparameterise,
)
from habitus.models.parts.masks import parse_mask
from habitus.models.pictures.beta_vae import BetaVAEConfig
from habitus.models.pictures.completion import complete_from_posterior
from habitus.models.pictures.likelihoods import LIKELIHOODS
from habitus.models.pictures.nets import ARCHITECTURES, ConvDecoder, ConvEncoder
from habitus.schema import Axes, BoolArray
from habitus.settings import NotNegative, configuration


@configuration
class ContextVAEConfig(BetaVAEConfig):
    """Settings of a context VAE: those of a beta-VAE, the mask, and an adversarial term.

    Attributes:
        mask: Cells that are missing in the fit, as in :mod:`habitus.models.parts.masks`, which the
            run can then fill. With a mask that is drawn anew for each profile, such as any, it can
            fill whatever is missing.
        adversarial: Weight of the discriminator's reversed gradient; 0 is the paper's model.
    """

    mask: str = "centre"
    adversarial: NotNegative = 0.0


class ContextVAE(MaskedModel):
    """Context VAE; equations in the module, settings in :class:`ContextVAEConfig`.

    Raises:
        ValueError: for a mask that these axes cannot have.
    """

    Config = ContextVAEConfig

    def __init__(self, axes: Axes, config: ContextVAEConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: ContextVAEConfig = config or ContextVAEConfig()
        self.mask = parse_mask(self.config.mask, axes)
        self.box = bounding_box(self.mask.fixed, axes)
        size = tuple(span.stop - span.start for span in self.box)
        architecture = ARCHITECTURES[self.config.architecture]
        latents = self.config.latents
        regularisers = (self.config.batch_norm, self.config.dropout)
        # Unless the mask is fixed, the encoder needs to see which of the empty cells are missing.
        channels = len(axes.channels) * (1 if self.mask.fixed is not None else 2)
        seen = (axes.days, axes.slots, channels)
        self.q_z_given_context = ConvEncoder(architecture, seen, 2 * latents, *regularisers)
        self.region_given_z = ConvDecoder(architecture, size, latents, *regularisers)
        self.p_region_given_z = LIKELIHOODS[self.config.likelihood]
        if self.config.adversarial:
            self.discriminator = ConvEncoder(architecture, size, 1, *regularisers)

    @property
    def unit(self) -> str:
        return self.config.normalisation

    @property
    def exact_zeros(self) -> bool:
        return self.p_region_given_z.exact_zeros

    def encode_context(self, x: Tensor, missing: Tensor) -> Independent:
        """Posterior q(z|x_C), [B, Z], for profiles and their missing cells, both [B, D, S, C]."""
        seen = torch.where(missing, 0.0, x)
        if self.mask.fixed is None:
            seen = torch.cat([seen, (~missing).to(x.dtype)], -1)
        return diagonal_normal(self.q_z_given_context(seen.movedim(-1, 1)))

    def decode(self, z: Tensor) -> Distribution:
        """Distribution p(x_R|z) over the smallest box that holds the region, [B, d, s, c]."""
        return self.p_region_given_z(self.region_given_z(z).float().movedim(1, -1))

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute reconstruction of the missing cells + beta KL (+ adversarial term), per user."""
        missing = self.draw_mask(x, generator)
        q = self.encode_context(x, missing)
        p = self.decode(reparameterise(q, generator))
        truth = x[:, *self.box]
        region = missing[:, *self.box]
        reconstruction = -torch.where(region, p.log_prob(truth), 0.0).flatten(1).sum(1).mean()
        kl = kl_from_standard_normal(q).sum(-1).mean()
        terms = {"reconstruction": reconstruction, "kl": kl}
        if self.config.adversarial:
            decoded = torch.where(region, p.mean, truth)
            terms["discriminator"] = self._discriminator_loss(truth, decoded)
        total = reconstruction + self.config.beta * kl + terms.get("discriminator", 0.0)
        return Loss(total, terms)

    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Draw z from q(z|x_C), then the missing cells from p(x_R|z)."""
        q = self.encode_context(x, missing)
        region = missing[:, *self.box]
        return complete_from_posterior(
            q, self.decode, self.p_region_given_z, region, samples, generator
        )

    def _discriminator_loss(self, true: Tensor, decoded: Tensor) -> Tensor:
        """Cross-entropy of the discriminator, with a reversed gradient for the decoder."""
        reversed_gradient = _ReverseGradient.apply(decoded, self.config.adversarial)
        losses = list[Tensor]()
        for picture, label in ((true, 1.0), (reversed_gradient, 0.0)):
            logits = self.discriminator(picture.movedim(-1, 1)).float()
            target = torch.full_like(logits, label)
            losses.append(functional.binary_cross_entropy_with_logits(logits, target))
        return torch.stack(losses).mean()


class _ReverseGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by a negative weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grads[0], None


def bounding_box(missing: BoolArray | None, axes: Axes) -> tuple[slice, slice, slice]:
    """Find the smallest box of days, slots and channels that holds every missing cell.

    Where the mask is not fixed (None) that is the whole picture.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "phone"))
    >>> bounding_box(parse_mask("centre", axes).fixed, axes)
    (slice(8, 24, None), slice(6, 18, None), slice(0, 2, None))
    """
    if missing is None:
        missing = np.ones(axes.shape, bool)
    where = [np.flatnonzero(missing.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    days, slots, channels = (slice(int(index[0]), int(index[-1]) + 1) for index in where)
    return days, slots, channels
