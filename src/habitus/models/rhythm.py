"""Rhythm: a latent for the user, a latent Gaussian for each day given a recurrent state, and days drawn jointly.

    u    ~ p(u | a) = sum_k w_k(a) N(m_k, diag v_k)       who a user is, given attributes a
    h_d  = GRU(h_(d'), x_(d'))                            a state: the active days d' before day d
    m_d  = memory(x_<d)                                   the past counted exactly (habitus.parts.memory)
    k_d  = f(h_d, m_d, u, c_d)                            what is known of a day; c_d is the calendar
    a_d  ~ Bernoulli(k_d)                                 whether the day is active at all; if it is,
    z_d  ~ p(z_d | k_d)                                   what sort of day it is, and
    x_d  ~ p(x_d | z_d, k_d)                              slots and channels, one after another (day_slots)

    q(u | x) reads all known days, q(z_d | x_d, k_d) the day itself
    loss = E_q [ -log p(a, x | z, u) ] + KL(q(u) || p(u)) + sum_d a_d KL(q(z_d) || p(z_d))

It joins the user's latent of "Time pictures" (Eq 3.6) with the state-dependent latents of tDLGM (Eqs 9 to 18, 28),
whose state too comes from observations, so that all days of a fit are computed side by side. Counts are drawn,
zeros are exact, days without activity take hardly any work, and the same model looks ahead: the state reads the
past, and days are drawn after it.

Letters: B users, D days, S slots, C channels, H hidden units, Z latents of a user, Y of a day, P pairs of channels,
N active days of all users, F numbers of a memory.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Independent
from torch.nn import functional

from habitus.models.base import (
    CompletingModel,
    Completion,
    ConditionedModel,
    EncodingModel,
    Examples,
    Loss,
    ScoringModel,
)
from habitus.models.day_slots import DaySlots, DayTerms
from habitus.models.holes import check_last_days
from habitus.models.rhythm_config import RhythmConfig
from habitus.parts.active_slots import ActiveSlots, SlotGRU, active_slots
from habitus.parts.counts.amounts import AMOUNTS
from habitus.parts.gaussians import Diagonal, diagonal, kl_of_diagonals
from habitus.parts.memory import OF_DAYS, Memory, balanced_pairs, memories, memory_features
from habitus.parts.objectives import diagonal_normal, reparameterised, warm_up_weight
from habitus.parts.priors import LearntMixture, Prior
from habitus.parts.shapes import DAYS_PER_WEEK, Axes, BoolArray, Vocabulary

PAIRS = 2  # of channels whose difference is told, at most
SHIFTS = 3  # see Rhythm.habits
CALENDAR = 8  # features of the weekday, and of the place in the window
LEAST_SHARE = 1e-4  # of users who are active on a weekday, before any learning
UNTOLD = 0.1  # share of users whose place in the window, or whose attributes, are not told while it learns


class _Draw(NamedTuple):
    """What one draw of the latents leaves: -log of the parts of p, and the latents' distributions."""

    u: Tensor  # [B, Z]
    about: Tensor  # what is told of attributes
    of_user: Tensor  # log q(u) - log p(u), [B]
    gates: Tensor  # -log p(a_d), [B, D]
    at: ActiveSlots  # user and day of the N active days
    days: DayTerms  # -log p(x_d), each [N]
    z: Tensor  # [N, Y]
    q_z: Diagonal
    p_z: Diagonal


class Rhythm(EncodingModel, ConditionedModel, CompletingModel, ScoringModel):
    """The model; see the module for its equations and :class:`RhythmConfig` for its settings."""

    Config = RhythmConfig
    fit_defaults: ClassVar[dict[str, Any]] = {
        "epochs": 12, "least_seen": 140_000, "learning_rate": 2e-3, "schedule": "one-cycle", "largest_batch": 128,
        "clip": 5.0, "keep": "best", "precision": "float32",
    }  # fmt: skip
    start_profiles: ClassVar[int] = 4096
    together: ClassVar[int] = 8192  # many small steps: most users at a time, least overhead
    pairs: Tensor

    def __init__(self, axes: Axes, config: RhythmConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: RhythmConfig = config or RhythmConfig()
        c, (days, slots, channels) = self.config, axes.shape
        pairs = min(PAIRS, channels * (channels - 1) // 2)
        self.register_buffer("shifts", torch.zeros(SHIFTS))
        self.register_buffer("pairs", torch.zeros(pairs, 2, dtype=torch.long))
        self.weekday = nn.Embedding(DAYS_PER_WEEK, CALENDAR)
        self.place = nn.Embedding(days + 1, CALENDAR)  # the last one for not being told
        self.attributes = nn.ModuleList(nn.Embedding(len(v) + 1, CALENDAR) for v in c.vocabulary.values())
        told, memory = CALENDAR * len(c.vocabulary), memory_features(slots, channels, pairs)
        self.p_u = LearntMixture(c.components, c.latents, told)
        self.day = nn.Sequential(nn.Linear((2 * channels + 1) * slots, c.hidden), nn.SiLU())
        self.state = SlotGRU(c.hidden + CALENDAR + 1, c.hidden)
        self.pooled = nn.Sequential(nn.Linear(c.hidden + CALENDAR, c.hidden), nn.SiLU())
        self.q_u = _two_layers(c.hidden + memory + 1 + told, c.hidden, 2 * c.latents)
        known = memory + c.hidden + 2 * CALENDAR + c.latents + told
        self.known = nn.Sequential(nn.Linear(known, c.hidden), nn.SiLU(), nn.Dropout(c.dropout))
        self.gate = _two_layers(c.hidden + OF_DAYS, c.hidden, 1)
        self.often = nn.Parameter(torch.zeros(DAYS_PER_WEEK))  # logits of the weekdays' being active
        self.p_z = nn.Linear(c.hidden, 2 * c.day_latents)
        self.q_z = _two_layers(2 * c.hidden, c.hidden, 2 * c.day_latents)
        self.what = nn.Sequential(nn.Linear(c.hidden + c.day_latents, c.hidden), nn.SiLU())
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

    @classmethod
    def told_of(cls, config: RhythmConfig, vocabulary: Vocabulary) -> RhythmConfig:
        """With the attributes that it asks for.

        Raises:
            ValueError: for one that the users have not.
        """
        return config.told_of(vocabulary)

    @property
    def vocabulary(self) -> Vocabulary:
        """That of its settings."""
        return self.config.vocabulary

    def start_from(self, x: Tensor) -> None:
        """Find the pairs of channels that come in equal numbers, and how much happens in an active slot."""
        self.pairs.copy_(balanced_pairs(x.sum((1, 2)), len(self.pairs)))
        active = x.flatten(2).amax(2) > 0  # [B, D]
        weekdays = torch.arange(x.shape[1]) % DAYS_PER_WEEK
        shares = [active[:, weekdays == day].float().mean() for day in range(min(DAYS_PER_WEEK, x.shape[1]))]
        with torch.no_grad():
            self.often[: len(shares)] = torch.stack(shares).clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit()
        self.p_x.start_from(active_slots(x.flatten(0, 1)[active.flatten()]))

    # What is known of days

    def _read(self, x: Tensor) -> Tensor:
        """Days [N, S, C] as features [N, H]."""
        active = (x > 0).to(x.dtype)
        return self.day(torch.cat([active.flatten(1), 0.5 * x.log1p().flatten(1), active.amax(-1)], -1))

    def _of_weekday(self, day: Tensor) -> Tensor:
        """Features of the weekday of days [...], [..., CALENDAR]."""
        return self.weekday((day + (self.axes.weekday(0) or 0)) % DAYS_PER_WEEK)

    def _on(self, day: Tensor, gap: Tensor, e: Tensor) -> Tensor:
        """Active days [N, H] as the state is told them: with the weekday, and the days since the one before."""
        return torch.cat([e, self._of_weekday(day), 0.5 * torch.log1p(gap)[:, None]], 1)

    def _calendar(self, day: Tensor, place: Tensor) -> Tensor:
        """c_d for days and places in the window [...], [..., 2 CALENDAR]."""
        return torch.cat([self._of_weekday(day), self.place(place)], -1)

    def _places(self, x: Tensor, generator: Generator) -> Tensor:
        """The place of each day in the window [B, D]; of some users it is not told while it learns."""
        day = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        if not self.training:
            return day
        unplaced = torch.rand(len(x), 1, generator=generator, device=x.device) < UNTOLD
        return torch.where(unplaced, self.axes.days, day)

    def _told_days(self, x: Tensor, generator: Generator) -> Tensor:
        """How many days the encoder is told, [B]: of some users fewer than all while it learns."""
        days = torch.full((len(x),), x.shape[1], device=x.device)
        if not self.training:
            return days
        some = torch.rand(len(x), generator=generator, device=x.device) < self.config.hidden_share
        return torch.where(
            some, torch.randint(0, x.shape[1], (len(x),), generator=generator, device=x.device), days
        )

    def _about(self, codes: Tensor, generator: Generator | None = None) -> Tensor:
        """What is told of attributes [B, A], [B, CALENDAR A]; while it learns, of some users nothing."""
        if self.training and generator is not None:
            told = torch.rand(codes.shape, generator=generator, device=codes.device) >= UNTOLD
            codes = codes * told
        found = [embedding(code) for embedding, code in zip(self.attributes, codes.unbind(1), strict=True)]
        return torch.cat([codes.new_zeros(len(codes), 0, dtype=torch.float32), *found], 1)

    def _parts(self, x: Tensor | Examples) -> tuple[Tensor, Tensor]:
        """Profiles, and the codes of their users' attributes, 0 where nothing is known of them."""
        if isinstance(x, Examples):
            return x.x, x.codes
        return x, torch.zeros(len(x), len(self.vocabulary), dtype=torch.long, device=x.device)

    def _q_u(self, e: Tensor, at: ActiveSlots, features: Tensor, about: Tensor, told: Tensor) -> Independent:
        """q(u | x) from what the memory holds after the days that are told [B], and their mean.

        Args:
            e: Features of active days, [N, H].
            at: Their users and days.
            features: Of the memory after the days that are told, [B, F].
            about: Of attributes.
            told: How many days, [B].
        """
        days = self.pooled(torch.cat([e, self._of_weekday(at.slot)], 1)) * (at.slot < told[at.day])[:, None]
        sums = days.new_zeros(len(told), days.shape[1]).index_add(0, at.day, days)
        share = (told / self.axes.days)[:, None]
        return diagonal_normal(self.q_u(torch.cat([sums / 10, features, share, about], 1)))

    def _states(self, e: Tensor, at: ActiveSlots, active: Tensor) -> Tensor:
        """h_d before every day, [B, D, H], from features of the active days [N, H]."""
        nothing = e.new_zeros(len(active), self.config.hidden)
        after = torch.cat([nothing[:1], self.state(self._on(at.slot, at.gap, e), nothing, at)])
        count = active.long()
        so_far = count.cumsum(1) - count
        before = count.sum(1).cumsum(0) - count.sum(1)  # active days of the users before
        return after[torch.where(so_far > 0, before[:, None] + so_far, 0)]

    def _known(self, features: Tensor, h: Tensor, calendar: Tensor, u: Tensor) -> Tensor:
        """k_d of days, [B, D, H] (or one day, without that axis), u being all that is known of the user."""
        u = u[:, None].expand(-1, features.shape[1], -1) if features.dim() == 3 else u
        return self.known(torch.cat([features, h, calendar, u], -1))

    def _gate(self, known: Tensor, features: Tensor, day: Tensor) -> Tensor:
        """Logits of days' being active, [...], from what is known of them, the memory before, and their numbers."""
        told = torch.cat([known, features[..., -OF_DAYS:]], -1)
        return self.gate(told)[..., 0] + self.often[day % DAYS_PER_WEEK]

    # The loss

    def loss(self, x: Tensor | Examples, generator: Generator) -> Loss:
        """The bound in nats per profile; gates, slots, channels and amounts are parts of -log p(a, x | z, u)."""
        draw = self._draw(x, generator)
        terms, at_u = self._terms(draw), self.p_u.log_prob(draw.u.detach(), draw.about)
        fitting = at_u.detach() - at_u  # 0, with a gradient: p(u) is fitted also where q(u) is free of cost
        weight = warm_up_weight(self.done, self.config.warm_up) if self.training else 1.0
        weights = {name: weight if name.startswith("kl") else 1.0 for name in terms}
        free = {"kl_user": self.config.free_nats or -torch.inf} if self.training else {}
        means = {name: term.mean().clamp_min(free.get(name, -torch.inf)) for name, term in terms.items()}
        total = torch.stack([weights[name] * mean for name, mean in means.items()]).sum() + fitting.mean()
        return Loss(total, {name: term.detach().mean() for name, term in terms.items()})

    def terms(self, x: Tensor | Examples, generator: Generator) -> dict[str, Tensor]:
        """The terms of the bound for profiles [B, D, S, C], each [B]."""
        return self._terms(self._draw(x, generator))

    @staticmethod
    def _terms(draw: _Draw) -> dict[str, Tensor]:
        of_days = {**draw.days._asdict(), "kl_day": kl_of_diagonals(draw.q_z, draw.p_z)}
        nothing = torch.zeros_like(draw.of_user)
        by_user = {name: nothing.index_add(0, draw.at.day, term) for name, term in of_days.items()}
        return {"gates": draw.gates.sum(1), **by_user, "kl_user": draw.of_user}

    def surprise(self, x: Tensor | Examples, generator: Generator) -> dict[str, Tensor]:
        """What is unlikely of profiles: the user as such [B]; sorts of days, hours, channels and amounts [B, D].

        Of latents it has log q - log p at the draw and not its mean, the KL term, as the weight of a draw has to.
        """
        draw = self._draw(x, generator)
        nothing, where = torch.zeros_like(draw.gates), (draw.at.day, draw.at.slot)
        sort = draw.q_z.log_prob(draw.z) - draw.p_z.log_prob(draw.z)
        of_days = {
            "days": sort,
            "hours": draw.days.slots,
            "channels": draw.days.channels,
            "amounts": draw.days.amounts,
        }
        parts = {name: nothing.index_put(where, term) for name, term in of_days.items()}
        return {"user": draw.of_user, **parts, "days": parts["days"] + draw.gates}

    def _draw(self, x: Tensor | Examples, generator: Generator) -> _Draw:
        """One draw of u and z_d, and -log p of the days."""
        x, codes = self._parts(x)
        at, active, about = active_slots(x.flatten(2)), x.flatten(2).amax(2) > 0, self._about(codes, generator)
        x_d = at.counts.unflatten(1, x.shape[2:])
        features, past = memories(x, self.pairs)
        e, place = self._read(x_d), self._places(x, generator)
        told = self._told_days(x, generator)
        q_u = self._q_u(e, at, features[torch.arange(len(x), device=x.device), told], about, told)
        u = reparameterised(q_u, generator)
        number = torch.arange(x.shape[1], device=x.device)
        calendar = self._calendar(number.expand_as(place), place)
        h = self._states(e, at, active)
        known = self._known(features[:, :-1], h, calendar, torch.cat([u, about], 1))
        gates = functional.binary_cross_entropy_with_logits(
            self._gate(known, features[:, :-1], number), active.to(known.dtype), reduction="none"
        )
        where = (at.day, at.slot)
        known = known[where]
        p_z, q_z = diagonal(self.p_z(known).float()), diagonal(self.q_z(torch.cat([known, e], -1)).float())
        z = q_z.draw(generator)
        days = self.p_x.log_prob(x_d, self.what(torch.cat([known, z], -1)), past.of(where), self.pairs)
        return _Draw(u, about, q_u.log_prob(u) - self.p_u.log_prob(u, about), gates, at, days, z, q_z, p_z)

    # What a fitted model does

    def habits(self, x: Tensor) -> Tensor:
        """Share of active days, share of slots that ever were active, log of the largest count, [B, 3]."""
        active = x.amax(3) > 0
        largest = x.flatten(1).amax(1).clamp_min(1).log()
        return torch.stack([active.any(2).float().mean(1), active.any(1).float().mean(1), largest], 1)

    def encode(self, x: Tensor) -> Independent:
        """q(u | x) for profiles [B, D, S, C]."""
        counts = self._parts(x)[0]
        memory = self._memory(len(counts))
        for day in counts.unbind(1):
            memory.take_in(day)
        return self._encoded(x, memory)

    def _memory(self, users: int) -> Memory:
        return Memory(users, self.axes.slots, len(self.axes.channels), self.pairs)

    def _encoded(self, x: Tensor, memory: Memory) -> Independent:
        """q(u | x) from the first days, those in memory."""
        x, codes = self._parts(x)
        at, told = active_slots(x.flatten(2)), torch.full((len(x),), memory.days, device=x.device)
        e = self._read(at.counts.unflatten(1, x.shape[2:]))
        return self._q_u(e, at, memory.features, self._about(codes), told)

    def sample(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: int | None = None,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Draw u, then day after day."""
        if codes is None:
            codes = torch.zeros(size, len(self.vocabulary), dtype=torch.long, device=self.pairs.device)
        about = self._about(codes)
        u = self.p_u.sample_given(about, generator) if prior is None else prior.sample(size, generator)
        u = torch.cat([u, about], 1)
        h = torch.zeros(size, self.config.hidden, device=u.device)
        return self._go_on(u, self._memory(size), h, days or self.axes.days, self.shifts, generator)

    def _go_on(
        self, u: Tensor, memory: Memory, h: Tensor, days: int, shifts: Tensor, generator: Generator
    ) -> Tensor:
        """Days [B, D', S, C] after those in memory, up to a number of days in all."""
        first, beyond = memory.days, days > self.axes.days
        x = torch.zeros(len(u), days - first, self.axes.slots, len(self.axes.channels), device=u.device)
        for number in range(first, days):
            place = torch.tensor(self.axes.days if beyond else number, device=u.device)
            calendar = self._calendar(torch.tensor(number, device=u.device), place).expand(len(u), -1)
            features, day = memory.features, torch.tensor(number, device=u.device)
            known = self._known(features, h, calendar, u)
            chance = (self._gate(known, features, day) + shifts[0]).sigmoid()
            active = (torch.rand(len(u), generator=generator, device=u.device) < chance).nonzero()[:, 0]
            drawn = self._draw_day(known[active], memory, active, shifts[1:], generator)
            x[active, number - first] = drawn
            h[active] = self._next_state(drawn, memory, active, h[active])
            memory.take_in(x[:, number - first])
        return x

    def _next_state(self, x: Tensor, memory: Memory, rows: Tensor, h: Tensor) -> Tensor:
        """The state after a day [n, S, C] of the users of some rows, who are active on it."""
        day = torch.full_like(rows, memory.days)
        return self.state.step(self._on(day, memory.gap[rows], self._read(x)), h)

    def _draw_day(
        self, known: Tensor, memory: Memory, rows: Tensor, shifts: Tensor, generator: Generator
    ) -> Tensor:
        """A day [n, S, C] of the users of some rows, who are active on it."""
        z = diagonal(self.p_z(known)).draw(generator)
        what = self.what(torch.cat([known, z], -1))
        return self.p_x.draw(what, memory.past(rows), self.pairs, shifts, generator)

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
        check_last_days(self.axes, missing, text)

    @torch.no_grad()
    def complete(self, x: Tensor, missing: Tensor, samples: int, generator: Generator) -> Completion:
        """Draw the last days given those before; the mean is that of the draws."""
        last = int(missing[0].all(-1).all(-1).sum())
        if not last:
            return Completion(x.new_zeros(0), x.new_zeros(samples, 0))
        seen = torch.where(missing, 0.0, x)
        memory, h = self._remembered(seen[:, : x.shape[1] - last])
        q_u = self._encoded(seen, memory)
        about = self._about(self._parts(x)[1])
        u = torch.cat([torch.cat([reparameterised(q_u, generator), about], 1) for _ in range(samples)])
        again, nothing = memory.repeated(samples), torch.zeros_like(self.shifts)
        drawn = self._go_on(u, again, h.repeat(samples, 1), x.shape[1], nothing, generator)
        draws = drawn.unflatten(0, (samples, len(x))).flatten(1)
        return Completion(draws.mean(0), draws)

    def _remembered(self, x: Tensor) -> tuple[Memory, Tensor]:
        """Memory and state [B, H] after days [B, D', S, C]."""
        memory = self._memory(len(x))
        h = torch.zeros(len(x), self.config.hidden, device=x.device)
        for day in x.unbind(1):
            active = day.flatten(1).any(1).nonzero()[:, 0]
            h[active] = self._next_state(day[active], memory, active, h[active])
            memory.take_in(day)
        return memory, h


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
