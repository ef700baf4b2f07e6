"""Variational context encoder, VCE ("Time pictures" 5.2.3, Fig 5.5).

    x_C, x_R                                   the known cells (the context) and the missing ones (the region)
    q(z|x_C) = N(mu(x_C), diag sigma(x_C)^2)   encoder of Table 5.1; it sees the context only
    p(x_R|z)                                   decoder of Table 5.2, of the region's size; it emits the region only
    loss     = E_q[-log p(x_R|z)] + beta KL(q(z|x_C) || N(0, I)) [+ adversarial]

summed over the region's cells, averaged over users. The optional adversarial term (the paper's future work, after
the Context Encoder) is that of a discriminator that tells true regions from decoded ones; the decoder gets its
gradient reversed and weighted, so one optimiser serves both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent
from torch.nn import functional

from habitus.models.base import CompletingModel, Completion, Loss
from habitus.models.parts.completion import (
    check_same_mask,
    completed_from_posterior,
    drawn_mask,
    last_days,
)
from habitus.models.parts.masks import parse_mask
from habitus.models.parts.objectives import (
    diagonal_normal,
    kl_from_standard_normal,
    reparameterised,
)
from habitus.models.pictures.beta_vae import BetaVAEConfig
from habitus.models.pictures.likelihoods import LIKELIHOODS
from habitus.models.pictures.nets import ARCHITECTURES, ConvDecoder, ConvEncoder
from habitus.schema import Axes, BoolArray
from habitus.settings import NotNegative, configuration


@configuration
class ContextVAEConfig(BetaVAEConfig):
    """Settings: those of :class:`BetaVAEConfig`, the hole, and an adversarial term.

    Attributes:
        mask: What is missing while it learns, as in :mod:`habitus.models.parts.masks`; the run can then fill that mask.
            With one that is drawn anew for each profile, such as any, it can fill whatever is missing.
        adversarial: Weight of the discriminator's reversed gradient; 0 is the paper's model.
    """

    mask: str = "centre"
    adversarial: NotNegative = 0.0


class ContextVAE(CompletingModel):
    """The model; see the module for its equations and :class:`ContextVAEConfig` for its settings.

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
        regularisers = (self.config.batch_norm, self.config.dropout)
        # Where the hole is not always the same the encoder must be told which empty cells are missing.
        channels = len(axes.channels) * (1 if self.mask.fixed is not None else 2)
        seen = (axes.days, axes.slots, channels)
        self.q_z_given_context = ConvEncoder(
            architecture, seen, 2 * self.config.latents, *regularisers
        )
        self.region_given_z = ConvDecoder(architecture, size, self.config.latents, *regularisers)
        self.p_region_given_z = LIKELIHOODS[self.config.likelihood]
        if self.config.adversarial:
            self.discriminator = ConvEncoder(architecture, size, 1, *regularisers)

    @property
    def unit(self) -> str:
        """The normalisation."""
        return self.config.normalisation

    @property
    def exact_zeros(self) -> bool:
        """The likelihood's."""
        return self.p_region_given_z.exact_zeros

    @property
    def forecast_days(self) -> int:
        """Days missing at the end in its mask; half of the window where any may be missing."""
        return last_days(self.mask)

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """See :func:`check_same_mask`."""
        check_same_mask(self.mask, missing, text)

    def encode_context(self, x: Tensor, missing: Tensor) -> Independent:
        """q(z|x_C), [B, Z], for profiles and their missing cells, both [B, D, S, C]."""
        known = torch.where(missing, 0.0, x)
        seen = (
            known if self.mask.fixed is not None else torch.cat([known, (~missing).to(x.dtype)], -1)
        )
        return diagonal_normal(self.q_z_given_context(seen.movedim(-1, 1)))

    def decode(self, z: Tensor) -> Distribution:
        """p(x_R|z) over the smallest box that holds the region, [B, d, s, c]."""
        return self.p_region_given_z(self.region_given_z(z).float().movedim(1, -1))

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Reconstruction of the missing cells + beta x KL, per user; the hole is that of the settings."""
        missing = drawn_mask(self.mask, x, generator)
        q = self.encode_context(x, missing)
        p = self.decode(reparameterised(q, generator))
        truth = x[:, *self.box]
        hole = missing[:, *self.box]
        reconstruction = -torch.where(hole, p.log_prob(truth), 0.0).flatten(1).sum(1).mean()
        kl = kl_from_standard_normal(q).sum(-1).mean()
        terms = {"reconstruction": reconstruction, "kl": kl}
        if self.config.adversarial:
            terms["discriminator"] = self._told_apart(truth, torch.where(hole, p.mean, truth))
        total = reconstruction + self.config.beta * kl + terms.get("discriminator", 0.0)
        return Loss(total, terms)

    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Draw z from q(z|x_C), then the missing cells from p(x_R|z)."""
        q = self.encode_context(x, missing)
        hole = missing[:, *self.box]
        return completed_from_posterior(
            q, self.decode, self.p_region_given_z, hole, samples, generator
        )

    def _told_apart(self, true: Tensor, decoded: Tensor) -> Tensor:
        """Cross-entropy of the discriminator on true regions and decoded ones, whose gradient is turned."""
        made = _Reversed.apply(decoded, self.config.adversarial)
        pairs = ((true, 1.0), (made, 0.0))
        scores = [
            (self.discriminator(picture.movedim(-1, 1)).float(), label) for picture, label in pairs
        ]
        parts = [
            functional.binary_cross_entropy_with_logits(s, torch.full_like(s, label))
            for s, label in scores
        ]
        return torch.stack(parts).mean()


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient comes back with its sign turned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grads[0], None


def bounding_box(missing: BoolArray | None, axes: Axes) -> tuple[slice, slice, slice]:
    """The smallest box of days, slots and channels with every missing cell; all of them where that is not fixed.

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
