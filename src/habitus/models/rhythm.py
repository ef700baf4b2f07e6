"""Rhythm: a latent for the user, a latent Gaussian for each day given a recurrent state, and days drawn jointly.

    u    ~ p(u) = sum_k w_k N(m_k, diag v_k)              who a user is
    h_d  = GRU(h_(d-1), x_(d-1))                          a state: what was observed before day d
    m_d  = memory(x_<d)                                   the same, counted exactly (habitus.parts.memory)
    z_d  ~ p(z_d | h_d, m_d, u, c_d)                      what sort of day it is; c_d is the calendar
    x_d  ~ p(x_d | z_d, h_d, m_d, u, c_d)                 slots and channels, one after another (day_slots)

    q(u | x) reads all known days, q(z_d | x_d, h_d, m_d, u, c_d) the day itself
    loss = E_q [ -log p(x | z, u) ] + KL(q(u) || p(u)) + sum_d KL(q(z_d) || p(z_d))

It joins the user's latent of "Time pictures" (Eq 3.6) with the state-dependent latents of tDLGM (Eqs 9 to 18, 28),
whose state too comes from observations, so that all days of a fit are computed side by side. Counts are drawn,
zeros are exact, and the same model looks ahead: the state reads the past, and days are drawn after it.

Letters: B users, D days, S slots, C channels, H hidden units, Z latents of a user, Y of a day, P pairs of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Independent

from habitus.models.base import CompletingModel, Completion, EncodingModel, Loss
from habitus.models.checks import one_of
from habitus.models.day_slots import DaySlots, DayTerms
from habitus.parts.amounts import AMOUNTS
from habitus.parts.gaussians import diagonal, kl_of_diagonals
from habitus.parts.masks import parse_mask
from habitus.parts.memory import Memory, balanced_pairs, memories, memory_features
from habitus.parts.objectives import diagonal_normal, reparameterised
from habitus.parts.priors import LearntMixture, Prior
from habitus.parts.shapes import DAYS_PER_WEEK, Axes, BoolArray

PAIRS = 4  # of channels whose difference is told, at most
CALENDAR = 8  # features of the weekday, and of the place in the window
UNPLACED = 0.1  # share of users whose place in the window is not told, so that it may go on for longer


@dataclass(frozen=True)
class RhythmConfig:
    """Settings.

    Attributes:
        likelihood: Of a count that is not zero: binned, negative-binomial or poisson.
        latents: Of a user, Z.
        day_latents: Of a day, Y.
        components: Of the prior of users.
        hidden: Units of every layer and state, H.
        channel_width: Units that a channel of an active slot has.
        warm_up: Share of the fit over which the weight of the KL terms rises from 0 to 1.
        hidden_share: Share of users whose last days the encoder is not told while it learns, so that it can place
            users of whom only a beginning is known.
        dropout: Share of what is known of a day that is dropped while it learns.
    """

    likelihood: str = "binned"
    latents: int = 16
    day_latents: int = 8
    components: int = 16
    hidden: int = 128
    channel_width: int = 48
    warm_up: float = 0.2
    hidden_share: float = 0.3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        one_of("likelihood", self.likelihood, tuple(AMOUNTS))
        for name in ("latents", "day_latents", "components", "hidden", "channel_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("warm_up", "hidden_share", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")


class Rhythm(EncodingModel, CompletingModel):
    """The model; see the module for its equations and :class:`RhythmConfig` for its settings."""

    Config = RhythmConfig
    fit_defaults: ClassVar[dict[str, Any]] = {
        "epochs": 15, "learning_rate": 2e-3, "schedule": "one-cycle", "largest_batch": 256, "clip": 5.0,
        "keep": "best", "precision": "float32",
    }  # fmt: skip
    start_profiles: ClassVar[int] = 4096
    pairs: Tensor

    def __init__(self, axes: Axes, config: RhythmConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: RhythmConfig = config or RhythmConfig()
        c, (days, slots, channels) = self.config, axes.shape
        pairs = min(PAIRS, channels * (channels - 1) // 2)
        self.register_buffer("pairs", torch.zeros(pairs, 2, dtype=torch.long))
        self.p_u = LearntMixture(c.components, c.latents)
        self.weekday = nn.Embedding(DAYS_PER_WEEK, CALENDAR)
        self.place = nn.Embedding(days + 1, CALENDAR)  # the last one for not being told
        self.day = nn.Sequential(nn.Linear((2 * channels + 1) * slots, c.hidden), nn.SiLU())
        self.unknown = nn.Parameter(torch.zeros(c.hidden))
        self.state = nn.GRU(c.hidden, c.hidden, batch_first=True)
        self.encoder = nn.GRU(c.hidden + 2 * CALENDAR, c.hidden // 2, batch_first=True, bidirectional=True)
        self.q_u = nn.Linear(4 * (c.hidden // 2), 2 * c.latents)
        known = memory_features(slots, channels, pairs) + c.hidden + 2 * CALENDAR + c.latents
        self.known = nn.Sequential(nn.Linear(known, c.hidden), nn.SiLU(), nn.Dropout(c.dropout))
        self.p_z = nn.Linear(c.hidden, 2 * c.day_latents)
        self.q_z = nn.Sequential(
            nn.Linear(2 * c.hidden, c.hidden), nn.SiLU(), nn.Linear(c.hidden, 2 * c.day_latents)
        )
        self.what = nn.Sequential(
            nn.Linear(c.hidden + c.day_latents, c.hidden), nn.SiLU(), nn.Linear(c.hidden, c.hidden), nn.SiLU()
        )
        amount = AMOUNTS[c.likelihood]()
        self.p_x = DaySlots(slots, channels, pairs, c.hidden, c.channel_width, amount)

    @property
    def unit(self) -> str:
        """Counts."""
        return "count"

    @property
    def exact_zeros(self) -> bool:
        """They are."""
        return True

    @property
    def latents(self) -> int:
        """Z."""
        return self.config.latents

    def start_from(self, x: Tensor) -> None:
        """Find the pairs of channels that come in equal numbers."""
        self.pairs.copy_(balanced_pairs(x.sum((1, 2)), len(self.pairs)))

    # What is known of days

    def _read(self, x: Tensor) -> Tensor:
        """Days [..., S, C] as features [..., H]."""
        active = (x > 0).to(x.dtype)
        return self.day(torch.cat([active.flatten(-2), 0.5 * x.log1p().flatten(-2), active.amax(-1)], -1))

    def _calendar(self, day: Tensor, place: Tensor) -> Tensor:
        """c_d for days and places in the window [...], [..., 2 CALENDAR]."""
        weekday = (day + (self.axes.weekday(0) or 0)) % DAYS_PER_WEEK
        return torch.cat([self.weekday(weekday), self.place(place)], -1)

    def _places(self, x: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The number of each day and its place in the window [B, D], some of which are not told while it learns."""
        day = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        if not self.training:
            return day, day
        unplaced = torch.rand(len(x), 1, generator=generator, device=x.device) < UNPLACED
        return day, torch.where(unplaced, self.axes.days, day)

    def _hidden(self, day: Tensor, generator: Generator) -> Tensor:
        """Which days the encoder is not told, bool [B, D]: the last ones of some users while it learns."""
        if not self.training:
            return torch.zeros_like(day, dtype=torch.bool)
        some = torch.rand(len(day), 1, generator=generator, device=day.device) < self.config.hidden_share
        kept = torch.randint(0, day.shape[1], (len(day), 1), generator=generator, device=day.device)
        return some & (day >= kept)

    def _q_u(self, e: Tensor, calendar: Tensor, hidden: Tensor) -> Independent:
        """q(u | x) from days [B, D, H], of which some are hidden."""
        e = torch.where(hidden[..., None], self.unknown, e)
        states, last = self.encoder(torch.cat([e, calendar], -1))
        return diagonal_normal(self.q_u(torch.cat([states.mean(1), last.transpose(0, 1).flatten(1)], 1)))

    # The loss

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The bound in nats per profile; slots, channels and amounts are the parts of -log p(x | z, u)."""
        terms = self.terms(x, generator)
        weight = min(1.0, self.done / self.config.warm_up) if self.training and self.config.warm_up else 1.0
        weights = {name: weight if name.startswith("kl") else 1.0 for name in terms}
        total = torch.stack([weights[name] * term.mean() for name, term in terms.items()]).sum()
        return Loss(total, {name: term.detach().mean() for name, term in terms.items()})

    def terms(self, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """The terms of the bound for profiles [B, D, S, C], each [B]."""
        day, place = self._places(x, generator)
        calendar, e = self._calendar(day, place), self._read(x)
        q_u = self._q_u(e, calendar, self._hidden(day, generator))
        u = reparameterised(q_u, generator)
        features, recall, balance = memories(x, self.pairs)
        known = self._known(features, self._states(e), calendar, u)
        p_z, q_z = diagonal(self.p_z(known)), diagonal(self.q_z(torch.cat([known, e], -1)))
        what = self.what(torch.cat([known, q_z.draw(generator)], -1))
        x_d, what, recall, balance = (each.flatten(0, 1) for each in (x, what, recall, balance))
        days = self.p_x.log_prob(x_d, what, recall, balance, self.pairs)
        by_user = DayTerms(*(each.unflatten(0, (len(x), -1)).sum(1) for each in days))
        kl = {"kl_user": q_u.log_prob(u) - self.p_u.log_prob(u), "kl_day": kl_of_diagonals(q_z, p_z).sum(1)}
        return {**by_user._asdict(), **kl}

    def _states(self, e: Tensor) -> Tensor:
        """h_d before every day, [B, D, H]."""
        return torch.cat([torch.zeros_like(e[:, :1]), self.state(e)[0][:, :-1]], 1)

    def _known(self, features: Tensor, h: Tensor, calendar: Tensor, u: Tensor) -> Tensor:
        """What days are given, [B, D, H] (or one day, without that axis)."""
        u = u[:, None].expand(-1, features.shape[1], -1) if features.dim() == 3 else u
        return self.known(torch.cat([features, h, calendar, u], -1))

    # What a fitted model does

    def encode(self, x: Tensor) -> Independent:
        """q(u | x) for profiles [B, D, S, C]."""
        day = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        return self._q_u(self._read(x), self._calendar(day, day), torch.zeros_like(day, dtype=torch.bool))

    def log_likelihood(self, x: Tensor, samples: int, generator: Generator) -> Tensor:
        """An importance-weighted bound of log p(x) in nats (Burda et al. 2016, with the days' KL terms), [B]."""
        bounds = [-torch.stack(list(self.terms(x, generator).values())).sum(0) for _ in range(samples)]
        return torch.logsumexp(torch.stack(bounds), 0) - torch.tensor(float(samples)).log()

    def sample(
        self, size: int, generator: Generator, prior: Prior | None = None, days: int | None = None
    ) -> Tensor:
        """Profiles [size, days, S, C] of users that never existed; more days than it was fitted to may be drawn.

        Args:
            size: B.
            generator: Supplies all randomness.
            prior: Of users; p(u) where none is given.
            days: D by default.
        """
        u = (prior or self.p_u).sample(size, generator)
        _, slots, channels = self.axes.shape
        memory = Memory(size, slots, channels, self.pairs)
        h = torch.zeros(size, self.config.hidden, device=u.device)
        return self._go_on(u, memory, h, days or self.axes.days, generator)

    def _go_on(self, u: Tensor, memory: Memory, h: Tensor, days: int, generator: Generator) -> Tensor:
        """Days [B, D', S, C] after those in memory, up to a number of days in all."""
        drawn, beyond = list[Tensor](), days > self.axes.days
        for number in range(memory.days, days):
            place = torch.tensor(self.axes.days if beyond else number, device=u.device)
            calendar = self._calendar(torch.tensor(number, device=u.device), place).expand(len(u), -1)
            known = self._known(memory.features, h, calendar, u)
            z = diagonal(self.p_z(known)).draw(generator)
            what = self.what(torch.cat([known, z], -1))
            drawn.append(self.p_x.draw(what, memory.recall, memory.balance, self.pairs, generator))
            memory.take_in(drawn[-1])
            h = self.state(self._read(drawn[-1])[:, None], h[None])[1][0]
        return torch.stack(drawn, 1)

    # Filling the last days

    @property
    def forecast_days(self) -> int:
        """All days but one."""
        return self.axes.days - 1

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Only the last days can be drawn from what was before them.

        Raises:
            ValueError: for any other mask.
        """
        last = 0 if missing is None else int(missing.all((1, 2)).sum())
        if (
            missing is None
            or not 0 < last < self.axes.days
            or (missing != parse_mask(f"last:{last}", self.axes).fixed).any()
        ):
            raise ValueError(
                f"a rhythm fills the last days only, got the mask {text}; give --mask last:7, or the run of a "
                "context-mixture"
            )

    @torch.no_grad()
    def complete(self, x: Tensor, missing: Tensor, samples: int, generator: Generator) -> Completion:
        """Draw the last days given those before; the mean is that of the draws."""
        last = int(missing[0].all(-1).all(-1).sum())
        if not last:
            return Completion(x.new_zeros(0), x.new_zeros(samples, 0))
        seen = torch.where(missing, 0.0, x)[:, : x.shape[1] - last]
        day = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        e = self._read(torch.where(missing, 0.0, x))
        q_u = self._q_u(e, self._calendar(day, day), day >= seen.shape[1])
        memory = Memory(len(x), x.shape[2], x.shape[3], self.pairs)
        for number in range(seen.shape[1]):
            memory.take_in(seen[:, number])
        h = self.state(e[:, : seen.shape[1]])[1][0]
        again = memory.repeated(samples)
        u = torch.cat([reparameterised(q_u, generator) for _ in range(samples)])
        drawn = self._go_on(u, again, h.repeat(samples, 1), x.shape[1], generator)
        draws = drawn.unflatten(0, (samples, len(x))).flatten(1)
        return Completion(draws.mean(0), draws)
