"""Context mixture: counts of missing cells given the known ones, latents summed out exactly.

    x_C, x_R                            known cells (the context), missing ones (the region)
    u  ~ omega(x_C)                     a state of the user, shared by the whole region
    s_d ~ pi_d(x_C, u)                  a state of each day with missing cells
    x  ~ Bernoulli(rho(x_C, s_d))       whether a cell is active,
         x BinnedCounts(x_C, s_d)       and its count then; cells are independent given s_d

    p(x_R|x_C) = sum_u omega_u  prod_d  sum_s pi_d(s|u)  prod_{cells of d in R} p(x|x_C, s)
    loss       = -log p(x_R|x_C), averaged over users

The states let activity come in bursts: an active day has many active cells. There are few states,
so the sums are exact, no bound is needed, and draws are ancestral: user, days, cells. All
parameters come from the known cells, by attention between days (see the module ``attention``).

Letters: B profiles, D days, S slots, C channels, U states of the user, M states of a day, N days
with missing cells of all profiles, R missing cells, V bins of counts, W features of a slot,
K draws.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from habitus.models.base import Completion, Loss
from habitus.models.context_mixture.attention import DayEncoder, DayRecall, context_of
from habitus.models.parts.binned_counts import BINS, BinnedCounts, bin_of, draw_choice
from habitus.models.parts.completion import MaskedModel
from habitus.models.parts.masks import parse_mask
from habitus.schema import DAYS_PER_WEEK, Axes
from habitus.settings import Layers, Positive, Share, configuration

# Initial activation logit of a cell: nearly all cells of a profile are empty.
EMPTY = -3.0
# Initial decrease of the log-probability from a bin of counts to the next, which keeps bins without
# training counts improbable.
FALLING = 1.5
# Weight, in observations, of the priors of initial rates and bins: a channel's overall rate for the
# rates of its cells, and probabilities that decrease by FALLING for its bins.
PRIOR_PROFILES = 1.0


@configuration
class ContextMixtureConfig:
    """Settings of a context mixture.

    Attributes:
        mask: Cells that are missing in the fit; any lets one run fill whatever is missing.
        normalisation: Unit of the profiles: count, or binary for whether anything happened.
        width: Features of a day's token, E.
        layers: Transformer blocks over the days.
        heads: Attention heads.
        features: Features of a slot, W.
        day_states: States of a day.
        user_states: States of the user; 1 makes days independent given the context.
        dropout: Share of features dropped while learning.
    """

    mask: str = "any"
    normalisation: Literal["count", "binary"] = "count"
    width: Positive = 64
    layers: Layers = 2
    heads: Positive = 4
    features: Positive = 48
    day_states: Positive = 6
    user_states: Positive = 4
    dropout: Share = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads, got {self.width} and {self.heads}"
            )


class Conditional(NamedTuple):
    """Parameters of p(x_R|x_C) for the N days with missing cells of B profiles.

    Attributes:
        profile: Profile of each day, [N].
        missing: Missing cells of each day, [N, S, C].
        log_omega: Log-probability of the user's states, [B, U].
        log_pi: Log-probability of the day's states given the user's, [N, M, U].
        logits: Activation logits of cells given the day's state, [N, M, S, C].
        features: Features of slots for their counts, [N, W, S].
        gain: Rise of the counts with the day's state, [N, M].
        peak: Largest known value, [B].
    """

    profile: Tensor
    missing: Tensor
    log_omega: Tensor
    log_pi: Tensor
    logits: Tensor
    features: Tensor
    gain: Tensor
    peak: Tensor


class CountSlots(NamedTuple):
    """Slots with missing cells, L of all days.

    Attributes:
        day: Day of each, [L].
        number: Row of a day's slot in ``logits``, [N, S].
        logits: Logits of the bins of counts before the gain of the day's state, [L, C, V].
    """

    day: Tensor
    number: Tensor
    logits: Tensor


Cells = tuple[Tensor, ...]
"""Indices of cells: day, slot and channel."""


class ContextMixture(MaskedModel):
    """Context mixture; equations in the module, settings in :class:`ContextMixtureConfig`.

    Raises:
        ValueError: for a mask that these axes cannot have.
    """

    Config = ContextMixtureConfig
    fit_defaults: ClassVar[dict[str, Any]] = {
        "learning_rate": 2e-3,
        "schedule": "one-cycle",
        "largest_batch": 128,
    }
    start_profiles: ClassVar[int] = 4096

    def __init__(self, axes: Axes, config: ContextMixtureConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config: ContextMixtureConfig = config or ContextMixtureConfig()
        c = self.config
        slots = axes.slots
        channels = len(axes.channels)
        self.mask = parse_mask(c.mask, axes)
        self.encoder = DayEncoder(axes, c.width, c.layers, c.heads, c.dropout)
        self.recall = DayRecall(axes, c.width, c.heads, c.features, c.dropout)
        self.active = nn.Conv1d(c.features, channels, 1, bias=False)
        self.week = nn.Parameter(
            torch.full((min(axes.days, DAYS_PER_WEEK), slots, channels), EMPTY)
        )
        self.pattern = nn.Parameter(0.3 * torch.randn(c.day_states, slots, channels))
        self.state = nn.Linear(c.width, c.day_states * (slots + channels + 1))
        self.day = nn.Linear(c.width, c.day_states * c.user_states)
        self.user = nn.Linear(c.width, c.user_states)
        self.count = nn.Linear(c.features, channels * BINS)
        self.slope = nn.Parameter(torch.linspace(-1, 1, BINS))
        with torch.no_grad():  # nearly empty pictures of small counts
            self.active.weight.mul_(0.3)
            self.count.weight.mul_(0.3)
            self.count.bias.copy_(-FALLING * torch.arange(BINS).repeat(channels))

    def start_from(self, x: Tensor) -> None:
        """Take each cell's log odds by weekday, and each channel's counts, from profiles."""
        active = (x > 0).float()
        with torch.no_grad():
            overall = active.mean((0, 1, 2)).clamp(1e-6, 0.5)
            for day, cells in enumerate(self.week):
                mine = active[:, day :: len(self.week)].flatten(0, 1)
                share = (mine.sum(0) + PRIOR_PROFILES * overall) / (len(mine) + PRIOR_PROFILES)
                cells.copy_(torch.logit(share.clamp(1e-6, 1 - 1e-6)))
            self.count.bias.copy_(self._log_bin_shares(x).flatten())

    def _log_bin_shares(self, x: Tensor) -> Tensor:
        """Log shares of the bins of each channel's counts, [C, V].

        Above the largest bin that occurs they fall off.
        """
        falling = torch.softmax(-FALLING * torch.arange(float(BINS)), 0)
        rows = []
        for values in x.unbind(-1):
            found = torch.bincount(bin_of(values[values > 0]), minlength=BINS)
            seen = found + PRIOR_PROFILES * falling
            top = int((seen >= 1).nonzero().max()) if (seen >= 1).any() else 0
            above = (torch.arange(BINS) - top).clamp(min=0)
            rows.append(torch.log(torch.where(above > 0, seen[top], seen)) - FALLING * above)
        return torch.stack(rows)

    @property
    def unit(self) -> str:
        return self.config.normalisation

    @property
    def exact_zeros(self) -> bool:
        return True

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute -log p(x_R|x_C) per user, for cells that the mask of the settings hides."""
        total = -self.log_prob(x, self.draw_mask(x, generator)).mean()
        return Loss(total, {"reconstruction": total})

    def log_prob(self, x: Tensor, missing: Tensor) -> Tensor:
        """Log p(x_R|x_C), [B], of profiles and their missing cells, both [B, D, S, C]."""
        p = self.conditional(x, missing)
        truth = x[missing.flatten(2).any(2)]
        day, slot, channel = ((truth > 0) & p.missing).nonzero(as_tuple=True)
        missing = p.missing[:, None]
        empty = -torch.where(missing, functional.softplus(p.logits), 0.0).flatten(2).sum(2)
        of_counts = self._log_prob_of_counts(p, (day, slot, channel), truth)
        of_active = p.logits[day, :, slot, channel] + of_counts
        of_state = empty.index_add(0, day, of_active)
        of_day = torch.logsumexp(of_state[..., None] + p.log_pi, 1)  # [N, U]
        return torch.logsumexp(p.log_omega.index_add(0, p.profile, of_day), -1)

    def _log_prob_of_counts(self, p: Conditional, cells: Cells, truth: Tensor) -> Tensor:
        """Log p of the counts [N, S, C] at n active cells in each state of their day, [n, M]."""
        if self.unit == "binary":
            return torch.zeros(1, device=truth.device)
        day, slot, channel = cells
        logits = self._count_logits(p, day, slot)
        mine = logits[torch.arange(len(channel), device=channel.device), channel]
        counts = BinnedCounts(mine[:, None] + p.gain[day][..., None] * self.slope)
        return counts.log_prob(truth[cells][:, None].expand(counts.batch_shape))

    def conditional(self, x: Tensor, missing: Tensor) -> Conditional:
        """Parameters of p(x_R|x_C), both inputs [B, D, S, C]; missing cells are not read."""
        context = context_of(x, missing)
        h = self.encoder(context)
        profile, day = missing.flatten(2).any(2).nonzero(as_tuple=True)
        of_day = h[profile, day]
        features = self.recall(h, context, (profile, day))
        logits, gain = self._states(of_day, features, day)
        log_pi = self.day(of_day).float().unflatten(1, (-1, self.config.user_states)).log_softmax(1)
        log_omega = self.user(h.mean(1)).float().log_softmax(-1)
        return Conditional(
            profile,
            missing[profile, day],
            log_omega,
            log_pi,
            logits,
            features.float(),
            gain,
            context.peak,
        )

    def _states(self, of_day: Tensor, features: Tensor, day: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of cells in each state of their day [N, M, S, C], and the state's gain [N, M]."""
        slots = self.axes.slots
        channels = len(self.axes.channels)
        state = self.state(of_day).float().unflatten(1, (self.config.day_states, -1))
        by_slot, by_channel, gain = state.split([slots, channels, 1], -1)
        shared = self.active(features).float().transpose(1, 2) + self.week[day % len(self.week)]
        logits = shared[:, None] + self.pattern + by_slot[..., None] + by_channel[..., None, :]
        return logits, gain[..., 0]

    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Draw the user's state, the days' states, then the missing cells.

        The mean is the point forecast with the least expected squared error in shares of the
        profile's peak ("Time pictures" 5.3.3): a count y above the known peak p counts as p^2 / y,
        since y is the peak then.
        """
        p = self.conditional(x, missing)
        cells = p.missing.nonzero(as_tuple=True)
        chances = p.logits.movedim(1, -1)[cells].sigmoid()  # [R, M], R missing cells
        states = self._draw_states(p, samples, generator)
        hits = [
            _draw_active(chances, states[cells[0], number], generator) for number in range(samples)
        ]
        slots = self._count_slots(p)
        counts = self._draw_counts(p, slots, cells, torch.cat(hits, 1), generator)
        draws = torch.zeros(samples, len(chances), device=x.device)
        for draw, (hit, _), count in zip(
            draws, hits, counts.split([hit.shape[1] for hit in hits]), strict=True
        ):
            draw[hit] = count
        return Completion(self._point_forecast(p, slots, cells, chances), draws)

    def _draw_states(self, p: Conditional, samples: int, generator: Generator) -> Tensor:
        """Draw a state of each day, [N, K]."""
        omega = p.log_omega.exp().repeat_interleave(samples, 0)
        user = draw_choice(omega, generator).view(-1, samples)[p.profile]  # [N, K]
        of_user = user[:, None].expand(-1, p.log_pi.shape[1], -1)
        pi = p.log_pi.exp().gather(2, of_user).transpose(1, 2)
        return draw_choice(pi.flatten(0, 1), generator).view(-1, samples)

    def _count_slots(self, p: Conditional) -> CountSlots:
        """Slots with missing cells, and the logits of their counts."""
        day, slot = p.missing.any(2).nonzero(as_tuple=True)
        number = torch.zeros(p.missing.shape[:2], dtype=torch.long, device=day.device)
        number[day, slot] = torch.arange(len(day), device=day.device)
        return CountSlots(day, number, self._count_logits(p, day, slot))

    def _count_logits(self, p: Conditional, day: Tensor, slot: Tensor) -> Tensor:
        """Logits of bins of counts in n slots, before the gain of the day's state, [n, C, V]."""
        return self.count(p.features[day, :, slot]).float().unflatten(1, (-1, BINS))

    def _draw_counts(
        self, p: Conditional, slots: CountSlots, cells: Cells, hits: Tensor, generator: Generator
    ) -> Tensor:
        """Draw a count of each active cell, [n], from cells and states [2, n]."""
        if self.unit == "binary":
            return torch.ones(hits.shape[1], device=hits.device)
        day, slot, channel = (index[hits[0]] for index in cells)
        gain = p.gain[day, hits[1]]
        logits = slots.logits[slots.number[day, slot], channel] + gain[:, None] * self.slope
        return BinnedCounts(logits).draw(generator)

    def _point_forecast(
        self, p: Conditional, slots: CountSlots, cells: Cells, chances: Tensor
    ) -> Tensor:
        """Expected relative value of each missing cell, [R], with a day's mean gain over states."""
        weight = (p.log_pi + p.log_omega[p.profile][:, None]).logsumexp(2).exp()  # [N, M]
        active = (weight[cells[0]] * chances).sum(1)
        if self.unit == "binary":
            return active
        busy = weight * torch.where(p.missing[:, None], p.logits.sigmoid(), 0.0).flatten(2).sum(2)
        gain = (busy * p.gain).sum(1) / busy.sum(1)
        values = BinnedCounts.relative_values(p.peak)[p.profile]  # [N, V]
        shares = (slots.logits + gain[slots.day, None, None] * self.slope).softmax(-1)
        each = (shares @ values[slots.day, :, None])[..., 0]  # [slots, C]
        return active * each[slots.number[cells[:2]], cells[2]]


def _draw_active(chances: Tensor, state: Tensor, generator: Generator) -> Tensor:
    """Draw the missing cells that are active: their numbers and their days' states, [2, n]."""
    chance = chances.gather(1, state[:, None])[:, 0]
    noise = torch.rand(chance.shape, generator=generator, device=chance.device)
    hit = (noise < chance).nonzero()[:, 0]
    return torch.stack([hit, state[hit]])
