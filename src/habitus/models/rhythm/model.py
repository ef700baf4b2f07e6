"""Rhythm: a latent for the user, a latent Gaussian for each day given a recurrent state, and days drawn jointly.

    u    ~ p(u | a) = sum_k w_k(a) N(m_k, diag v_k)       who a user is, given attributes a
    h_d  = GRU(h_(d'), x_(d'))                            a state: the active days d' before day d
    m_d  = memory(x_<d)                                   the past counted exactly (habitus.models.rhythm.history)
    k_d  = f(h_d, m_d, u, c_d)                            what is known of a day; c_d is the calendar (told)
    a_d  ~ Bernoulli(k_d)                                 whether the day is active at all; if it is,
    z_d  ~ p(z_d | k_d)                                   what sort of day it is, and
    x_d  ~ p(x_d | z_d, k_d)                              slots and channels, one after another (day_slots)

    q(u | x) reads all known days, q(z_d | x_d, k_d) the day itself
    loss = E_q [ -log p(a, x | z, u) ] + KL(q(u) || p(u)) + sum_d a_d KL(q(z_d) || p(z_d))

It joins the user's latent of "Time pictures" (Eq 3.6) with the state-dependent latents of tDLGM (Eqs 9 to 18, 28),
whose state too comes from observations, so that all days of a fit are computed side by side. Counts are drawn,
zeros are exact, days without activity take hardly any work, and the same model looks ahead: the state reads the
past, and days are drawn after it. Days that were not observed have no term, and change neither memory nor state.

Letters: B users, D days, S slots, C channels, H hidden units, Z latents of a user, Y of a day, P pairs of channels,
N active days of all users, F numbers of a memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Independent
from torch.nn import functional

from habitus.models.base import (
    CalibratedModel,
    CompletingModel,
    Completion,
    Loss,
    ScoredSample,
    ScoringModel,
)
from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.gaussians import diagonal, diagonal_normal, reparameterise
from habitus.models.parts.indexing import rows_of
from habitus.models.parts.masks import parse_mask
from habitus.models.parts.priors import Prior
from habitus.models.rhythm.active_slots import ActiveSlots, SlotGRU, active_slots
from habitus.models.rhythm.amounts import AMOUNTS
from habitus.models.rhythm.conditioning import TOLD, Told
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.day import DaySlots
from habitus.models.rhythm.history import OF_DAYS, Memory, balanced_pairs, memories, memory_features
from habitus.models.rhythm.prior import LearntMixture
from habitus.models.rhythm.sampling.users import (
    CPU,
    DrawnUsers,
    LogProbs,
    UserLayers,
    UserStates,
    draw_users,
)
from habitus.models.rhythm.statistics import habits_of_users, number_of_habits
from habitus.models.rhythm.terms import Draw, Given
from habitus.schema import DAYS_PER_WEEK, Axes, BoolArray, Vocabulary

PAIRS = 2  # of channels whose difference is told, at most


class Rhythm(CalibratedModel, CompletingModel, ScoringModel):
    """The model; see the module for its equations and :class:`RhythmConfig` for its settings."""

    Config = RhythmConfig
    conditions_on_calendar = True
    learns_prior = True
    fit_defaults: ClassVar[dict[str, Any]] = {
        "epochs": 12, "least_seen": 140_000, "learning_rate": 2e-3, "schedule": "one-cycle", "largest_batch": 128,
        "clip": 5.0, "keep": "best", "precision": "float32",
    }  # fmt: skip
    start_profiles: ClassVar[int] = 4096
    sample_batch: ClassVar[int] = 4096  # more would not stay in the processor's cache
    pairs: Tensor
    on_holidays: nn.Parameter | None  # added to the logit of a day that is one

    def __init__(self, axes: Axes, config: RhythmConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: RhythmConfig = config or RhythmConfig()
        c = self.config
        (_, slots, channels) = axes.shape
        pairs = min(PAIRS, channels * (channels - 1) // 2)
        self.register_buffer("shifts", torch.zeros(number_of_habits(axes.days)))
        self.register_buffer("pairs", torch.zeros(pairs, 2, dtype=torch.long))
        self.told = Told(axes, c.vocabulary, c.holidays)
        told = self.told.of_attributes
        memory = memory_features(slots, channels, pairs)
        self.p_u = LearntMixture(c.components, c.latents, told)
        self.day = nn.Sequential(nn.Linear((2 * channels + 1) * slots, c.hidden), nn.SiLU())
        self.state = SlotGRU(c.hidden + TOLD + 1, c.hidden)
        self.pooled = nn.Sequential(nn.Linear(c.hidden + TOLD, c.hidden), nn.SiLU())
        self.q_u = _two_layers(c.hidden + memory + 1 + told, c.hidden, 2 * c.latents)
        known = memory + c.hidden + 2 * TOLD + c.latents + told
        self.known = nn.Sequential(nn.Linear(known, c.hidden), nn.SiLU(), nn.Dropout(c.dropout))
        self.gate = _two_layers(c.hidden + OF_DAYS, c.hidden, 1)
        self.often = nn.Parameter(
            torch.zeros(DAYS_PER_WEEK)
        )  # logits of days' being active, by Told.in_week
        self.p_z = nn.Linear(c.hidden, 2 * c.day_latents)
        self.q_z = _two_layers(2 * c.hidden, c.hidden, 2 * c.day_latents)
        self.what = nn.Sequential(nn.Linear(c.hidden + c.day_latents, c.hidden), nn.SiLU())
        amount = AMOUNTS[c.likelihood]()
        self.p_x = DaySlots(slots, channels, pairs, c.hidden, c.channel_width, amount)
        self.register_parameter(
            "on_holidays", nn.Parameter(torch.zeros(())) if c.holidays else None
        )

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
    def adapt_config(
        cls, config: RhythmConfig, vocabulary: Vocabulary, holidays: bool
    ) -> RhythmConfig:
        """With the attributes that it asks for, and whether there are holidays.

        Raises:
            ValueError: for an attribute that the users have not.
        """
        return config.told_of(vocabulary, holidays)

    @property
    def vocabulary(self) -> Vocabulary:
        """That of its settings."""
        return self.config.vocabulary

    @property
    def knows_holidays(self) -> bool:
        """As its settings say."""
        return self.config.holidays

    def start_from(self, x: Tensor | Examples) -> None:
        """Find the pairs of channels that come in equal numbers, and how much happens in an active slot.

        Raises:
            ValueError: where nothing happens on any day that was observed.
        """
        x, _, days = self._parts(x)
        if not x.any():
            raise ValueError(
                "expected activity on days that were observed, got none; mend the dates of the others"
            )
        self.pairs.copy_(balanced_pairs(x.sum((1, 2)), len(self.pairs)))
        active = x.flatten(2).amax(2) > 0  # [B, D]
        often, on_holidays = self.told.activity(active, days)
        with torch.no_grad():
            self.often.copy_(often)
            if self.on_holidays is not None:
                self.on_holidays.copy_(on_holidays)
        self.p_x.start_from(active_slots(x.flatten(0, 1)[active.flatten()]))

    # What is known of days

    def _read(self, x: Tensor) -> Tensor:
        """Days [N, S, C] as features [N, H]."""
        active = (x > 0).to(x.dtype)
        return after_parts(self.day, active.flatten(1), 0.5 * x.log1p().flatten(1), active.amax(-1))

    def _on(self, days: Days, gap: Tensor, e: Tensor) -> Tensor:
        """Active days [N, H] as the state is told them: which days, and how many after the one before."""
        return torch.cat([e, self.told.of_days(days), 0.5 * torch.log1p(gap)[:, None]], 1)

    def _parts(self, x: Tensor | Examples) -> tuple[Tensor, Tensor, Days]:
        """Profiles, empty where they were not observed; codes of attributes, 0 for not known; days [B, D]."""
        if isinstance(x, Tensor):
            codes = torch.zeros(len(x), len(self.vocabulary), dtype=torch.long, device=x.device)
            return x, codes, self.told.days(x.shape[1]).for_each(len(x))
        return x.days.emptied(x.x), x.codes, x.days

    def _q_u(
        self, e: Tensor, at: ActiveSlots, days: Days, features: Tensor, about: Tensor, told: Tensor
    ) -> Independent:
        """q(u | x) from what the memory holds after the days that are told [B], and their mean.

        Args:
            e: Features of active days, [N, H].
            at: Their users and days.
            days: All days, [B, D].
            features: Of the memory after the days that are told, [B, F].
            about: Of attributes.
            told: How many days, [B].
        """
        which = self.told.of_days(days.of((at.day, at.slot)))
        read = self.pooled(torch.cat([e, which], 1)) * (at.slot < told[at.day])[:, None]
        sums = read.new_zeros(len(told), read.shape[1]).index_add(0, at.day, read)
        share = (days.observed_before(told) / self.axes.days)[:, None]
        return diagonal_normal(self.q_u(torch.cat([sums / 10, features, share, about], 1)))

    def _states(self, e: Tensor, at: ActiveSlots, active: Tensor, days: Days) -> Tensor:
        """h_d before every day, [B, D, H], from features of the active days [N, H]."""
        nothing = e.new_zeros(len(active), self.config.hidden)
        where = (at.day, at.slot)
        number = rows_of(days.observed.cumsum(1), where)
        gap = torch.where(at.first, 0, number - number.roll(1))
        after = torch.cat([nothing[:1], self.state(self._on(days.of(where), gap, e), nothing, at)])
        count = active.long()
        so_far = count.cumsum(1) - count
        before = count.sum(1).cumsum(0) - count.sum(1)  # active days of the users before
        number = torch.where(so_far > 0, before[:, None] + so_far, 0)
        return rows_of(after, number.flatten()).unflatten(0, number.shape)

    def _known(self, features: Tensor, h: Tensor, calendar: Tensor, u: Tensor) -> Tensor:
        """k_d of days, [B, D, H] (or one day, without that axis), u being all that is known of the user."""
        return after_parts(
            self.known, features, h, calendar, u[:, None] if features.dim() == 3 else u
        )

    def _gate(self, known: Tensor, features: Tensor, days: Days) -> Tensor:
        """Logits of days' being active [...], from what is known of them, and the memory before."""
        of_state = after_parts(self.gate, known, features[..., -OF_DAYS:])[..., 0]
        return of_state + self._layers.on_date(days)

    # The loss

    def loss(self, x: Tensor | Examples, generator: Generator) -> Loss:
        """The bound in nats per profile; gates, slots, channels and amounts are parts of -log p(a, x | z, u)."""
        given = self._given(x, generator)
        draw = self._draw(given, generator)
        terms = draw.terms
        at_u = self.p_u.log_prob(draw.u.detach(), given.about)
        fitting = (
            at_u.detach() - at_u
        )  # 0, with a gradient: p(u) is fitted also where q(u) is free of cost
        weight = self.warm_up_weight(self.config.warm_up) if self.training else 1.0
        weights = {name: weight if name.startswith("kl") else 1.0 for name in terms}
        free = {"kl_user": self.config.free_nats or -torch.inf} if self.training else {}
        means = {
            name: term.mean().clamp_min(free.get(name, -torch.inf)) for name, term in terms.items()
        }
        total = (
            torch.stack([weights[name] * mean for name, mean in means.items()]).sum()
            + fitting.mean()
        )
        return Loss(total, {name: term.detach().mean() for name, term in terms.items()})

    def nll_terms(
        self, x: Tensor | Examples, samples: int, generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """What is unlikely of profiles: the user as such [B]; sorts of days, hours, channels and amounts [B, D]."""
        given = self._given(x, generator)
        return (self._draw(given, generator).surprise for _ in range(samples))

    def _given(self, x: Tensor | Examples, generator: Generator) -> Given:
        """What is known before the latents are drawn; while it learns, some of it is left out at random."""
        x, codes, days = self._parts(x)
        at = active_slots(x.flatten(2))
        active = x.flatten(2).amax(2) > 0
        about = self.told.about(codes, generator)
        x_d = at.counts.unflatten(1, x.shape[2:])
        features, past = memories(x, self.pairs, days.observed)
        e = self._read(x_d)
        place = self.told.places(days, generator)
        told = self.told.days_told(len(x), x.shape[1], self.config.hidden_share, generator)
        q_u = self._q_u(
            e, at, days, features[torch.arange(len(x), device=x.device), told], about, told
        )
        h = self._states(e, at, active, days)
        calendar = self.told.calendar(days, place)
        return Given(x_d, at, active, days, e, features[:, :-1], past, h, calendar, about, q_u)

    def _draw(self, given: Given, generator: Generator) -> Draw:
        """One draw of u and z_d, and -log p of the days."""
        at = given.at
        q_u = given.q_u
        about = given.about
        where = (given.at.day, given.at.slot)
        u = reparameterise(q_u, generator)
        known = self._known(given.features, given.h, given.calendar, torch.cat([u, about], 1))
        gates = functional.binary_cross_entropy_with_logits(
            self._gate(known, given.features, given.days),
            given.active.to(known.dtype),
            reduction="none",
        )
        gates = torch.where(given.days.observed, gates, 0.0)
        known = rows_of(known, where)
        p_z = diagonal(self.p_z(known).float())
        q_z = diagonal(self.q_z(torch.cat([known, given.e], -1)).float())
        z = q_z.draw(generator)
        terms = self.p_x.log_prob(
            given.x, self.what(torch.cat([known, z], -1)), given.past.of(where), self.pairs
        )
        return Draw(u, q_u.log_prob(u) - self.p_u.log_prob(u, about), gates, at, terms, z, q_z, p_z)

    # What a fitted model does

    def statistics(self, x: Tensor, days: Days) -> Tensor:
        """Those of :mod:`habitus.models.rhythm.statistics`, [B, J]."""
        return habits_of_users(x, days.observed, self.told.in_week(days))

    def encode(self, x: Tensor | Examples) -> Independent:
        """q(u | x) for profiles [B, D, S, C]."""
        counts, codes, days = self._parts(x)
        memory = Memory(len(counts), self.axes.slots, len(self.axes.channels), self.pairs)
        for day, observed in zip(counts.unbind(1), days.observed.unbind(1), strict=True):
            memory.take_in(day, observed)
        return self._encoded(counts, days, self.told.about(codes), memory)

    def _encoded(self, x: Tensor, days: Days, about: Tensor, memory: Memory) -> Independent:
        """q(u | x) from the first days, those in memory."""
        at = active_slots(x.flatten(2))
        told = torch.full((len(x),), memory.days, device=x.device)
        e = self._read(at.counts.unflatten(1, x.shape[2:]))
        return self._q_u(e, at, days, memory.features.to(x.device), about, told)

    def sample_with_scores(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> ScoredSample:
        """Draw u, then day after day; beside them the scores of the shifts."""
        _, drawn = self._drawn(size, generator, prior, days, codes)
        return ScoredSample(drawn.x, drawn.scores)

    def sample_with_log_probs(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, LogProbs]:
        """The same profiles, the latents u [B, Z] that they have, and how likely it was to draw them given these."""
        u, drawn = self._drawn(size, generator, prior, days, codes, log_probs=True)
        assert drawn.log_probs is not None
        return drawn.x, u, drawn.log_probs

    def _drawn(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None,
        days: Days | None,
        codes: Tensor | None,
        log_probs: bool = False,
    ) -> tuple[Tensor, DrawnUsers]:
        if codes is None:
            codes = torch.zeros(
                size, len(self.vocabulary), dtype=torch.long, device=self.pairs.device
            )
        about = self.told.about(codes)
        u = (
            self.p_u.sample_given(about, generator)
            if prior is None
            else prior.sample(size, generator)
        )
        which = (self.told.days() if days is None else days).for_each(size)
        states = self._nothing_before(size)
        known = torch.cat([u, about], 1)
        return u, self._go_on(states, known, which, self.shifts, generator, log_probs)

    def _go_on(
        self,
        states: UserStates,
        u: Tensor,
        days: Days,
        shifts: Tensor,
        generator: Generator,
        log_probs: bool = False,
    ) -> DrawnUsers:
        """Days [B, D', S, C] after those that were taken in, of all days [B, D]."""
        drawn = draw_users(states, u.cpu(), days.to(CPU), shifts.cpu(), generator, log_probs)
        return drawn._replace(x=drawn.x.to(u.device), scores=drawn.scores.to(u.device))

    @property
    def _layers(self) -> UserLayers:
        return UserLayers(
            self.told, self.day, self.state, self.known, self.gate, self.p_z, self.what, self.p_x, self.pairs,
            self.often, self.on_holidays,
        )  # fmt: skip

    def _nothing_before(self, users: int) -> UserStates:
        """Users of whom nothing is known."""
        layers = self._layers.on_processor()
        return UserStates(
            layers, Memory(users, self.axes.slots, len(self.axes.channels), layers.pairs)
        )

    # Filling the last days

    @property
    def forecast_days(self) -> int:
        """All days but one."""
        return self.axes.days - 1

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Refuse a mask that hides anything but the last days, which are drawn given those before.

        Raises:
            ValueError: for any other mask.
        """
        last = 0 if missing is None else int(missing.all((1, 2)).sum())
        fixed = parse_mask(f"last:{last}", self.axes).fixed if 0 < last < self.axes.days else None
        if missing is None or fixed is None or (missing != fixed).any():
            raise ValueError(
                f"this model fills the last days only, got the mask {text}; give --mask last:7, or "
                "the run of a context-mixture"
            )

    @torch.no_grad()
    def complete(
        self, x: Tensor | Examples, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Draw the last days given those before; the mean is that of the draws."""
        x, codes, days = self._parts(x)
        last = int(missing[0].all(-1).all(-1).sum())
        if not last:
            return Completion(x.new_zeros(0), x.new_zeros(samples, 0))
        seen = torch.where(missing, 0.0, x)
        about = self.told.about(codes)
        states = self._remembered(seen[:, : x.shape[1] - last], days)
        q_u = self._encoded(seen, days, about, states.memory)
        u = torch.cat(
            [torch.cat([reparameterise(q_u, generator), about], 1) for _ in range(samples)]
        )
        nothing = torch.zeros_like(self.shifts)
        which = days.of(torch.arange(len(x), device=x.device).repeat(samples))
        drawn = self._go_on(states.repeated(samples), u, which, nothing, generator).x
        draws = drawn.unflatten(0, (samples, len(x))).flatten(1)
        return Completion(draws.mean(0), draws)

    def _remembered(self, x: Tensor, days: Days) -> UserStates:
        """What is known after the first days [B, D', S, C] of some."""
        states = self._nothing_before(len(x))
        x = x.cpu()
        days = days.to(CPU)
        for number in range(x.shape[1]):
            day = x[:, number]
            users = day.flatten(1).any(1).nonzero()[:, 0]
            states.take_in(rows_of(day, users), users, days.of((slice(None), number)))
        return states


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def after_parts(layers: nn.Sequential, *parts: Tensor) -> Tensor:
    """What layers, of which the first is linear, make of parts of its input [..., n] that are not joined for it.

    >>> layers, x, y = nn.Sequential(nn.Linear(5, 2), nn.SiLU()), torch.ones(4, 3), torch.ones(4, 2)
    >>> torch.allclose(after_parts(layers, x, y), layers(torch.cat([x, y], -1)), atol=1e-6)
    True
    """
    first = cast("nn.Linear", layers[0])
    weights = first.weight.split([part.shape[-1] for part in parts], 1)
    found = functional.linear(parts[0], weights[0], first.bias)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        found = found + functional.linear(part, weight)
    return layers[1:](found)
