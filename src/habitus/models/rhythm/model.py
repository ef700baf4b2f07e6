"""Rhythm: whole users as counts, day after day, each day given what the user did before it.

    u    ~ p(u | a) = sum_k w_k(a) N(m_k, diag v_k)   latent of a user, given attributes a
    h_d  = GRU(h_(d'), x_(d'))                        state: the active days d' before day d
    m_d  = features(x_<d)                             history, counted exactly (history)
    k_d  = f(h_d, m_d, u, c_d)                        context of a day; c_d: calendar (conditioning)
    a_d  ~ Bernoulli(k_d)                             whether the day is active; if it is,
    z_d  ~ p(z_d | k_d)                               latent of the day: what kind of day it is
    x_d  ~ p(x_d | z_d, k_d)                          slots and channels, one after another (day)

    q(u | x) reads all known days, q(z_d | x_d, k_d) the day itself
    loss = E_q [ -log p(a, x | z, u) ] + KL(q(u) || p(u)) + sum_d a_d KL(q(z_d) || p(z_d))

The model joins the user latent of "Time pictures" (Eq 3.6) with the state-dependent latents of
tDLGM (Eqs 9 to 18, 28). As in tDLGM, the state depends on observations and not on latents, so that
a fit computes all days in parallel. Drawn values are counts with exact zeros, and inactive days
cost next to nothing. Forecasts use the same model: the state reads the known days, and the days
after them are drawn. Unobserved days have no loss term and change neither history nor state.

Letters: B users, D days, S slots, C channels, H hidden units, Z latents of a user, Y of a day, P
pairs of channels, N active days of all users, F features of the history, E features of an
embedding, A attributes.
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
from habitus.models.rhythm.conditioning import EMBEDDING, Conditioning
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.day import DaySlots
from habitus.models.rhythm.history.all_days import history_of_days
from habitus.models.rhythm.history.balance import balanced_pairs
from habitus.models.rhythm.history.features import RECENT_FEATURES, feature_count
from habitus.models.rhythm.prior import LearntMixture
from habitus.models.rhythm.sampling import DrawnUsers, RunningHistory, UserSampler
from habitus.models.rhythm.statistics import statistic_count, summary_statistics
from habitus.models.rhythm.terms import Draw, Inputs
from habitus.schema import DAYS_PER_WEEK, Axes, BoolArray, Vocabulary

PAIRS = 2  # largest number of balanced pairs of channels, see history/balance.py

# Beginnings of names of weights: in the code, and in files, which keep the names of the first runs.
STORED_NAMES = {
    "logit_offsets": "shifts",
    "conditioning.position.": "told.place.",
    "conditioning.": "told.",
    "day_encoder.": "day.",
    "context.": "known.",
    "active_day.": "gate.",
    "weekday_logits": "often",
    "holiday_logit": "on_holidays",
    "day_features.": "what.",
    "p_u.of_attributes.": "p_u.of_told.",
    "p_x.slot_weights.": "p_x.of_recall.",
    "p_x.counts.of_history.": "p_x.counts.of_past.",
}


class Rhythm(CalibratedModel, CompletingModel, ScoringModel):
    """Model of whole users; equations in the module, settings in :class:`RhythmConfig`."""

    Config = RhythmConfig
    conditions_on_calendar = True
    learns_prior = True
    fit_defaults: ClassVar[dict[str, Any]] = {
        "epochs": 12, "least_seen": 140_000, "learning_rate": 2e-3, "schedule": "one-cycle",
        "largest_batch": 128, "clip": 5.0, "keep": "best", "precision": "float32",
    }  # fmt: skip
    start_profiles: ClassVar[int] = 4096
    sample_batch: ClassVar[int] = 4096  # more would not stay in the processor's cache
    pairs: Tensor
    holiday_logit: nn.Parameter | None  # added to the active-day logit on holidays

    def __init__(self, axes: Axes, config: RhythmConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: RhythmConfig = config or RhythmConfig()
        c = self.config
        _, slots, channels = axes.shape
        pairs = min(PAIRS, channels * (channels - 1) // 2)
        self.register_buffer("logit_offsets", torch.zeros(statistic_count(axes.days)))
        self.register_buffer("pairs", torch.zeros(pairs, 2, dtype=torch.long))
        self.conditioning = Conditioning(axes, c.vocabulary, c.holidays)
        attributes = self.conditioning.attribute_features
        history = feature_count(slots, channels, pairs)
        self.p_u = LearntMixture(c.components, c.latents, attributes)
        self.day_encoder = nn.Sequential(nn.Linear((2 * channels + 1) * slots, c.hidden), nn.SiLU())
        self.state = SlotGRU(c.hidden + EMBEDDING + 1, c.hidden)
        self.pooled = nn.Sequential(nn.Linear(c.hidden + EMBEDDING, c.hidden), nn.SiLU())
        self.q_u = _two_layers(c.hidden + history + 1 + attributes, c.hidden, 2 * c.latents)
        inputs = history + c.hidden + 2 * EMBEDDING + c.latents + attributes
        self.context = nn.Sequential(nn.Linear(inputs, c.hidden), nn.SiLU(), nn.Dropout(c.dropout))
        self.active_day = _two_layers(c.hidden + RECENT_FEATURES, c.hidden, 1)
        self.weekday_logits = nn.Parameter(torch.zeros(DAYS_PER_WEEK))
        self.p_z = nn.Linear(c.hidden, 2 * c.day_latents)
        self.q_z = _two_layers(2 * c.hidden, c.hidden, 2 * c.day_latents)
        self.day_features = nn.Sequential(nn.Linear(c.hidden + c.day_latents, c.hidden), nn.SiLU())
        amount = AMOUNTS[c.likelihood]()
        self.p_x = DaySlots(slots, channels, pairs, c.hidden, c.channel_width, amount)
        self.register_parameter(
            "holiday_logit", nn.Parameter(torch.zeros(())) if c.holidays else None
        )
        self.register_state_dict_post_hook(_to_stored_names)
        self.register_load_state_dict_pre_hook(_from_stored_names)

    @property
    def unit(self) -> str:
        return "count"

    @property
    def exact_zeros(self) -> bool:
        return True

    @property
    def latents(self) -> int:
        return self.config.latents

    @classmethod
    def adapt_config(
        cls, config: RhythmConfig, vocabulary: Vocabulary, holidays: bool
    ) -> RhythmConfig:
        return config.adapted_to(vocabulary, holidays)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.config.vocabulary

    @property
    def knows_holidays(self) -> bool:
        return self.config.holidays

    @torch.no_grad()
    def start_from(self, x: Tensor | Examples) -> None:
        """Find pairs of channels that come in equal numbers, and set biases to frequencies.

        Raises:
            ValueError: where nothing happens on any day that was observed.
        """
        x, _, days = self._unpack(x)
        if not x.any():
            raise ValueError(
                "expected activity on days that were observed, got none; mend the dates of the "
                "others"
            )
        self.pairs.copy_(balanced_pairs(x.sum((1, 2)), len(self.pairs)))
        active = x.flatten(2).amax(2) > 0  # [B, D]
        weekdays, holidays = self.conditioning.activity(active, days)
        self.weekday_logits.copy_(weekdays)
        if self.holiday_logit is not None:
            self.holiday_logit.copy_(holidays)
        self.p_x.start_from(active_slots(x.flatten(0, 1)[active.flatten()]))

    def _unpack(self, x: Tensor | Examples) -> tuple[Tensor, Tensor, Days]:
        """Profiles, empty where not observed; codes of attributes, 0 for unknown; calendar."""
        if isinstance(x, Tensor):
            codes = torch.zeros(len(x), len(self.vocabulary), dtype=torch.long, device=x.device)
            return x, codes, self.conditioning.days(x.shape[1]).for_each(len(x))
        return x.days.emptied(x.x), x.codes, x.days

    # Context of days

    def _encode_days(self, x: Tensor) -> Tensor:
        """Features of days [N, S, C], [N, H]."""
        active = (x > 0).to(x.dtype)
        logs = 0.5 * x.log1p()
        return apply_to_parts(self.day_encoder, active.flatten(1), logs.flatten(1), active.amax(-1))

    def _states(self, encoded: Tensor, at: ActiveSlots, active: Tensor, days: Days) -> Tensor:
        """State h_d before every day, [B, D, H].

        Args:
            encoded: Features of the active days, [N, H].
            at: Users (as ``day``) and days (as ``slot``) of these.
            active: Active days, bool [B, D].
            days: Calendar, [B, D].
        """
        zero = encoded.new_zeros(len(active), self.config.hidden)
        where = (at.day, at.slot)
        number = rows_of(days.observed.cumsum(1), where)
        gap = torch.where(at.first, 0, number - number.roll(1))
        features = self.conditioning.day_features(days.of(where))
        inputs = torch.cat([encoded, features, 0.5 * torch.log1p(gap)[:, None]], 1)
        after = torch.cat([zero[:1], self.state(inputs, zero, at)])
        # the state before a day is that after the last active day before it
        count = active.long()
        so_far = count.cumsum(1) - count
        of_users_before = count.sum(1).cumsum(0) - count.sum(1)
        row = torch.where(so_far > 0, of_users_before[:, None] + so_far, 0)
        return rows_of(after, row.flatten()).unflatten(0, row.shape)

    def _posterior(
        self,
        encoded: Tensor,
        at: ActiveSlots,
        days: Days,
        history: Tensor,
        attributes: Tensor,
        first_days: Tensor,
    ) -> Independent:
        """q(u | x) from the first days of users.

        Args:
            encoded: Features of active days, [N, H].
            at: Users and days of these.
            days: Calendar, [B, D].
            history: Features of the history after the first days, [B, F].
            attributes: Features of attributes, [B, E A].
            first_days: Number of first days, [B].
        """
        calendar = self.conditioning.day_features(days.of((at.day, at.slot)))
        pooled = self.pooled(torch.cat([encoded, calendar], 1))
        pooled = pooled * (at.slot < first_days[at.day])[:, None]
        sums = pooled.new_zeros(len(first_days), pooled.shape[1]).index_add(0, at.day, pooled)
        share = (days.observed_before(first_days) / self.axes.days)[:, None]
        return diagonal_normal(self.q_u(torch.cat([sums / 10, history, share, attributes], 1)))

    def _active_logits(self, context: Tensor, history: Tensor, days: Days) -> Tensor:
        """Active-day logits, [...].

        Args:
            context: Contexts k_d, [..., H].
            history: Features of the history before each day, [..., F].
            days: Calendar, [...].
        """
        logits = apply_to_parts(self.active_day, context, history[..., -RECENT_FEATURES:])
        return logits[..., 0] + self.calendar_logits(days)

    def calendar_logits(self, days: Days) -> Tensor:
        """Contribution of weekdays and holidays to the active-day logits, [...]."""
        logits = self.weekday_logits[self.conditioning.weekdays(days)]
        if self.holiday_logit is None:
            return logits
        return logits + days.holiday * self.holiday_logit

    # Loss

    def loss(self, x: Tensor | Examples, generator: Generator) -> Loss:
        """Compute the bound in nats per profile; terms without "kl" are -log p(a, x | z, u)."""
        inputs = self._inputs(x, generator)
        draw = self._draw(inputs, generator)
        terms = draw.terms
        log_prior = self.p_u.log_prob(draw.u.detach(), inputs.attributes)
        # 0, with a gradient: p(u) is fitted also where q(u) is free of cost
        prior_term = log_prior.detach() - log_prior
        weight = self.warm_up_weight(self.config.warm_up) if self.training else 1.0
        weights = {name: weight if name.startswith("kl") else 1.0 for name in terms}
        free = {"kl_user": self.config.free_nats or -torch.inf} if self.training else {}
        means = {
            name: term.mean().clamp_min(free.get(name, -torch.inf)) for name, term in terms.items()
        }
        weighted = torch.stack([weights[name] * mean for name, mean in means.items()])
        total = weighted.sum() + prior_term.mean()
        return Loss(total, {name: term.detach().mean() for name, term in terms.items()})

    def nll_terms(
        self, x: Tensor | Examples, samples: int, generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        inputs = self._inputs(x, generator)
        return (self._draw(inputs, generator).nll_terms for _ in range(samples))

    def _inputs(self, x: Tensor | Examples, generator: Generator) -> Inputs:
        """Compute what does not depend on the latents; during a fit some is dropped at random."""
        x, codes, days = self._unpack(x)
        at = active_slots(x.flatten(2))
        active = x.flatten(2).amax(2) > 0
        attributes = self.conditioning.attributes_of(codes, generator)
        x_d = at.counts.unflatten(1, x.shape[2:])
        history, day_history = history_of_days(x, self.pairs, days.observed)
        encoded = self._encode_days(x_d)
        positions = self.conditioning.positions(days, generator)
        hidden = self.config.hidden_share
        first_days = self.conditioning.encoder_days(len(x), x.shape[1], hidden, generator)
        history_then = history[torch.arange(len(x), device=x.device), first_days]
        q_u = self._posterior(encoded, at, days, history_then, attributes, first_days)
        state = self._states(encoded, at, active, days)
        calendar = self.conditioning.calendar(days, positions)
        return Inputs(
            x_d, at, active, days, encoded, history[:, :-1], day_history, state, calendar,
            attributes, q_u,
        )  # fmt: skip

    def _draw(self, inputs: Inputs, generator: Generator) -> Draw:
        """Draw u and z_d once, and compute -log p of the days."""
        at = inputs.at
        days = inputs.days
        where = (at.day, at.slot)
        u = reparameterise(inputs.q_u, generator)
        of_user = torch.cat([u, inputs.attributes], 1)[:, None]
        context = apply_to_parts(
            self.context, inputs.history, inputs.state, inputs.calendar, of_user
        )
        active_days = functional.binary_cross_entropy_with_logits(
            self._active_logits(context, inputs.history, days),
            inputs.active.to(context.dtype),
            reduction="none",
        )
        active_days = torch.where(days.observed, active_days, 0.0)
        context = rows_of(context, where)
        p_z = diagonal(self.p_z(context).float())
        q_z = diagonal(self.q_z(torch.cat([context, inputs.encoded], -1)).float())
        z = q_z.draw(generator)
        h = self.day_features(torch.cat([context, z], -1))
        terms = self.p_x.log_prob(inputs.x, h, inputs.day_history.of(where), self.pairs)
        log_ratio = inputs.q_u.log_prob(u) - self.p_u.log_prob(u, inputs.attributes)
        return Draw(u, log_ratio, active_days, at, terms, z, q_z, p_z)

    # Statistics and latents of users

    def statistics(self, x: Tensor, days: Days) -> Tensor:
        return summary_statistics(x, days.observed, self.conditioning.weekdays(days))

    def encode(self, x: Tensor | Examples) -> Independent:
        """q(u | x) for profiles [B, D, S, C]."""
        counts, codes, days = self._unpack(x)
        history = RunningHistory(len(counts), self.axes.slots, len(self.axes.channels), self.pairs)
        for day, observed in zip(counts.unbind(1), days.observed.unbind(1), strict=True):
            history.add_day(day, observed)
        return self._encode_users(counts, days, self.conditioning.attributes_of(codes), history)

    def _encode_users(
        self, x: Tensor, days: Days, attributes: Tensor, history: RunningHistory
    ) -> Independent:
        """q(u | x) from the first days, which the history has."""
        at = active_slots(x.flatten(2))
        first_days = torch.full((len(x),), history.days, device=x.device)
        encoded = self._encode_days(at.counts.unflatten(1, x.shape[2:]))
        features = history.features.to(x.device)
        return self._posterior(encoded, at, days, features, attributes, first_days)

    # Drawing whole users

    def sample_with_scores(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> ScoredSample:
        _, drawn = self.draw_users(size, generator, prior, days, codes)
        return ScoredSample(drawn.x, drawn.scores)

    def draw_users(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
        log_probs: bool = False,
    ) -> tuple[Tensor, DrawnUsers]:
        """Draw u, then day after day; return u [B, Z], and the days with what else is asked for."""
        if codes is None:
            device = self.pairs.device
            codes = torch.zeros(size, len(self.vocabulary), dtype=torch.long, device=device)
        attributes = self.conditioning.attributes_of(codes)
        if prior is None:
            u = self.p_u.sample_given(attributes, generator)
        else:
            u = prior.sample(size, generator)
        days = (self.conditioning.days() if days is None else days).for_each(size)
        of_users = torch.cat([u, attributes], 1)
        sampler = UserSampler(self, size)
        return u, sampler.draw(of_users, days, self.logit_offsets, generator, log_probs)

    # Completing the last days

    @property
    def forecast_days(self) -> int:
        return self.axes.days - 1

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Refuse any mask but the last days, which are drawn from the days before.

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
        x, codes, days = self._unpack(x)
        last = int(missing[0].all(-1).all(-1).sum())
        if not last:
            return Completion(x.new_zeros(0), x.new_zeros(samples, 0))
        known = torch.where(missing, 0.0, x)
        attributes = self.conditioning.attributes_of(codes)
        sampler = UserSampler(self, len(x))
        sampler.read(known[:, : x.shape[1] - last], days)
        q_u = self._encode_users(known, days, attributes, sampler.history)
        of_users = torch.cat(
            [torch.cat([reparameterise(q_u, generator), attributes], 1) for _ in range(samples)]
        )
        no_offsets = torch.zeros_like(self.logit_offsets)
        days = days.of(torch.arange(len(x), device=x.device).repeat(samples))
        drawn = sampler.repeated(samples).draw(of_users, days, no_offsets, generator)
        draws = drawn.x.unflatten(0, (samples, len(x))).flatten(1)
        return Completion(draws.mean(0), draws)


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def apply_to_parts(layers: nn.Sequential, *parts: Tensor) -> Tensor:
    """Apply layers, the first of which is linear, to parts [..., n] of its input.

    >>> layers, x, y = nn.Sequential(nn.Linear(5, 2), nn.SiLU()), torch.ones(4, 3), torch.ones(4, 2)
    >>> torch.allclose(apply_to_parts(layers, x, y), layers(torch.cat([x, y], -1)), atol=1e-6)
    True
    """
    first = cast("nn.Linear", layers[0])
    weights = first.weight.split([part.shape[-1] for part in parts], 1)
    sums = functional.linear(parts[0], weights[0], first.bias)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        sums = sums + functional.linear(part, weight)
    return layers[1:](sums)


def _rename(weights: dict[str, Any], prefix: str, names: dict[str, str]) -> None:
    """Rename weights in place by the beginnings of their names, in their order."""
    for name in list(weights):
        if not name.startswith(prefix):
            continue
        own = name.removeprefix(prefix)
        begin = next((each for each in names if own.startswith(each)), "")
        weights[prefix + names.get(begin, "") + own.removeprefix(begin)] = weights.pop(name)


def _to_stored_names(module: nn.Module, weights: dict[str, Any], prefix: str, _: Any) -> None:
    _rename(weights, prefix, STORED_NAMES)


def _from_stored_names(module: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    _rename(weights, prefix, {stored: name for name, stored in STORED_NAMES.items()})
