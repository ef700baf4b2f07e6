"""A model whose latents are known: what each dimension does is written down here, not learned."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Independent, Normal, Poisson

from habitus.models.base import LatentModel, Loss
from habitus.profiles.sparse import Profiles
from habitus.run import Run
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 5), 14, 60, ("web", "phone"))  # from a Monday
WEEKEND = torch.tensor([day % 7 >= 5 for day in range(14)])
HOURS = torch.arange(24) + 0.5
TOTAL, HOUR, NOTHING, WEEK = range(4)


@dataclass(frozen=True)
class KnownConfig:
    """No settings."""


class Known(LatentModel):
    """z0: how much; z1: from nine in the morning to seven in the evening; z2: nothing; z3: weekdays or weekends."""

    Config = KnownConfig

    def __init__(self, axes: Axes = AXES, config: KnownConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config = config or KnownConfig()

    @property
    def unit(self):
        return "count"

    @property
    def exact_zeros(self):
        return True

    @property
    def latents(self):
        return 4

    def encode(self, x):
        total = x.sum((1, 2, 3))
        hour = (x.sum((1, 3)) * HOURS).sum(-1) / total
        weekend = x[:, WEEKEND].sum((1, 2, 3)) / total
        mean = torch.stack(
            [(total / 60).log(), (hour - 14.5) / 2, 0 * total, 6 * (weekend - 0.5)], -1
        )
        deviation = torch.tensor([0.1, 0.2, 1.0, 0.3]).expand_as(mean)
        return Independent(Normal(mean, deviation), 1)

    def decode(self, z):
        middle = (14.5 + 2 * z[:, HOUR]).clamp(9.5, 19.5)
        hours = torch.softmax(-((HOURS - middle[:, None]) ** 2) / 2, -1)
        share = torch.sigmoid(z[:, WEEK])[:, None]
        days = torch.where(WEEKEND, share / 4, (1 - share) / 10)
        level = 60 * z[:, TOTAL].exp()
        rate = level[:, None, None] * days[:, :, None] * hours[:, None]
        return Independent(Poisson(torch.stack([rate, rate], -1) / 2, validate_args=False), 3)

    def draw(self, z, generator):
        return torch.poisson(self.decode(z).mean, generator=generator)

    def loss(self, x, generator):
        zero = torch.zeros(())
        return Loss(zero, {})


def known_run(variance=(0.01, 0.04, 1.0, 0.09), kl=(2.0, 1.0, 0.0, 1.5)):
    about = {
        "latents": {"variance": list(variance), "kl": list(kl)},
        "profiles": 10,
        "active_share": [0.5] * 14,
    }
    return Run(Known(), None, {}, {}, about)


def known_profiles(users=400, seed=0):
    """Users drawn from the model, and their latents."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(users, 4, generator=generator)
    x = Known().draw(z, generator).numpy()
    x[:, 0, 12, 0] += 1  # nobody is empty
    return Profiles.from_dense(AXES, x.astype(np.uint32)), z.numpy()
