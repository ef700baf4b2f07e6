"""Prior of Rhythm's latents of users: a Gaussian mixture that is learnt with the model.

Letters: B users, A features of a user's attributes, K components, Z latents.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from habitus.models.parts.priors import Prior


class LearntMixture(Prior):
    """Mixture with diagonal covariances whose weights may depend on features of a user.

    Args:
        components: K.
        latents: Z.
        features: Number of a user's features that the weights depend on, A.
    """

    def __init__(self, components: int, latents: int, features: int = 0) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, latents))
        self.log_scales = nn.Parameter(torch.zeros(components, latents))
        self.of_attributes = nn.Linear(features, components, bias=False) if features else None

    @property
    def scales(self) -> Tensor:
        """Standard deviations, [K, Z]."""
        return self.log_scales.clamp(-6, 6).exp()

    def component_logits(self, features: Tensor) -> Tensor:
        """Logits of the components, [B, K], for users with features [B, A]."""
        if self.of_attributes is None:
            return self.logits + self.logits.new_zeros(len(features), 1)
        return self.logits + self.of_attributes(features)

    def distribution(self) -> Distribution:
        """Distribution over [Z] for users without known features."""
        normals = Independent(Normal(self.means, self.scales, validate_args=False), 1)
        return MixtureSameFamily(
            Categorical(logits=self.logits, validate_args=False), normals, validate_args=False
        )

    def log_prob(self, u: Tensor, features: Tensor) -> Tensor:
        """Log-density [B] of latents [B, Z] of users with features [B, A]."""
        each = Normal(self.means, self.scales, validate_args=False).log_prob(u[:, None]).sum(-1)
        return torch.logsumexp(each + self.component_logits(features).log_softmax(1), 1)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Draw latents [size, Z] of users without known features."""
        features = 0 if self.of_attributes is None else self.of_attributes.in_features
        return self.sample_given(self.logits.new_zeros(size, features), generator)

    def sample_given(self, features: Tensor, generator: Generator) -> Tensor:
        """Draw latents [B, Z] of users with features [B, A]."""
        chances = self.component_logits(features).softmax(1)
        which = torch.multinomial(chances, 1, generator=generator)[:, 0]
        noise = torch.randn(
            len(features), self.means.shape[1], generator=generator, device=generator.device
        )
        return self.means[which] + self.scales[which] * noise
