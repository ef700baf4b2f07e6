"""Context mixture: counts of the missing cells given the known ones, with latents that are summed out exactly.

    x_C, x_R                            the known cells (the context) and the missing ones (the region)
    u  ~ omega(x_C)                     a state of the user: what the whole gap is like
    s_d ~ pi_d(x_C, u)                  a state of each day with something missing
    x  ~ Bernoulli(rho(x_C, s_d))       whether a cell is active,
         x BinnedCounts(x_C, s_d)       and how much then, cells being independent given their day's state

    p(x_R|x_C) = sum_u omega_u  prod_d  sum_s pi_d(s|u)  prod_{cells of d in R} p(x|x_C, s)
    loss       = -log p(x_R|x_C), averaged over users

The states make people come in bursts: an active day has many active cells. There are few of them, so the sums are
exact, no bound is needed, and draws are ancestral: user, days, cells. Everything on the right is read from the
known cells by attention between days (:mod:`habitus.models.context_mixture.attention`).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from habitus.models.base import CompletingModel, Completion, Loss
from habitus.models.context_mixture.attention import DayEncoder, DayRecall, context_of
from habitus.models.parts.binned_counts import BINS, BinnedCounts, bin_of, choose
from habitus.models.parts.completion import check_same_mask, drawn_mask, last_days
from habitus.models.parts.masks import parse_mask
from habitus.schema import DAYS_PER_WEEK, Axes, BoolArray
from habitus.settings import Positive, Share, configuration

EMPTY = -3.0  # logit of a cell before any learning: logs leave nearly all of them empty
FALLING = 1.5  # and how much less likely each bin of counts is than the one before: bins never seen must stay rare
PRIOR_PROFILES = (
    1.0  # weight of a channel's overall rate in each cell's, and of the falling bins in a channel's
)


@configuration
class ContextMixtureConfig:
    """Settings.

    Attributes:
        mask: What is missing while it learns; any lets one run fill whatever is missing.
        normalisation: What the model reads and draws: count, or binary for whether anything happened.
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
    layers: Positive = 2
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
    """p(x_R|x_C) for N days with something missing, of B profiles."""

    profile: Tensor  # of each day, [N]
    missing: Tensor  # its missing cells, [N, S, C]
    log_omega: Tensor  # [B, U]
    log_pi: Tensor  # of the day's states given the user's, [N, M, U]
    logits: Tensor  # of a cell's being active, given the day's state, [N, M, S, C]
    features: Tensor  # of slots, from which counts are read, [N, W, S]
    gain: Tensor  # how much the day's state raises counts, [N, M]
    peak: Tensor  # largest known value, [B]


class ContextMixture(CompletingModel):
    """The model; see the module for its equations and :class:`ContextMixtureConfig` for its settings.

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
        self._start()

    def _start(self) -> None:
        """Nearly empty pictures of small counts."""
        with torch.no_grad():
            self.active.weight.mul_(0.3)
            self.count.weight.mul_(0.3)
            self.count.bias.copy_(-FALLING * torch.arange(BINS).repeat(len(self.axes.channels)))

    def start_from(self, x: Tensor) -> None:
        """Take each cell's log odds by weekday, and each channel's counts, from training profiles [B, D, S, C]."""
        active = (x > 0).float()
        with torch.no_grad():
            overall = active.mean((0, 1, 2)).clamp(1e-6, 0.5)
            for day, cells in enumerate(self.week):
                mine = active[:, day :: len(self.week)].flatten(0, 1)
                share = (mine.sum(0) + PRIOR_PROFILES * overall) / (len(mine) + PRIOR_PROFILES)
                cells.copy_(torch.logit(share.clamp(1e-6, 1 - 1e-6)))
            self.count.bias.copy_(self._counts_of(x).flatten())

    def _counts_of(self, x: Tensor) -> Tensor:
        """Log shares of the bins of each channel's counts, [C, V]; above the largest that is seen they fall off."""
        falling = torch.softmax(-FALLING * torch.arange(float(BINS)), 0)
        rows = []
        for values in x.unbind(-1):
            seen = (
                torch.bincount(bin_of(values[values > 0]), minlength=BINS)
                + PRIOR_PROFILES * falling
            )
            top = int((seen >= 1).nonzero().max()) if (seen >= 1).any() else 0
            above = (torch.arange(BINS) - top).clamp(min=0)
            rows.append(torch.log(torch.where(above > 0, seen[top], seen)) - FALLING * above)
        return torch.stack(rows)

    @property
    def unit(self) -> str:
        """The normalisation."""
        return self.config.normalisation

    @property
    def exact_zeros(self) -> bool:
        """Cells are drawn empty or not."""
        return True

    @property
    def forecast_days(self) -> int:
        """Days missing at the end in its mask; half of the window where any may be missing."""
        return last_days(self.mask)

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """See :func:`~habitus.models.parts.completion.check_same_mask`."""
        check_same_mask(self.mask, missing, text)

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """-log p(x_R|x_C), per user; the hole is that of the settings."""
        total = -self.log_prob(x, drawn_mask(self.mask, x, generator)).mean()
        return Loss(total, {"reconstruction": total})

    def log_prob(self, x: Tensor, missing: Tensor) -> Tensor:
        """Log p(x_R|x_C) of each profile [B], both [B, D, S, C]."""
        p = self.conditional(x, missing)
        truth = x[missing.flatten(2).any(2)]
        day, slot, channel = ((truth > 0) & p.missing).nonzero(as_tuple=True)
        empty = (
            -torch.where(p.missing[:, None], functional.softplus(p.logits), 0.0).flatten(2).sum(2)
        )  # [N, M]
        of_active = p.logits[day, :, slot, channel] + self._log_prob_of_counts(
            p, (day, slot, channel), truth
        )
        of_state = empty.index_add(0, day, of_active)
        of_day = torch.logsumexp(of_state[..., None] + p.log_pi, 1)  # [N, U]
        return torch.logsumexp(p.log_omega.index_add(0, p.profile, of_day), -1)

    def _log_prob_of_counts(self, p: Conditional, cells: Cells, truth: Tensor) -> Tensor:
        """Log p of the counts [N, S, C] of n active cells in each state of their day, [n, M]."""
        if self.unit == "binary":
            return torch.zeros(1, device=truth.device)
        day, slot, channel = cells
        logits = self._logits_of_counts(p, day, slot)
        mine = logits[torch.arange(len(channel), device=channel.device), channel]
        counts = BinnedCounts(mine[:, None] + p.gain[day][..., None] * self.slope)
        return counts.log_prob(truth[cells][:, None].expand(counts.batch_shape))

    def conditional(self, x: Tensor, missing: Tensor) -> Conditional:
        """p(x_R|x_C); what stands in missing cells is not read."""
        context = context_of(x, missing)
        h = self.encoder(context)
        profile, day = missing.flatten(2).any(2).nonzero(as_tuple=True)
        of_day = h[profile, day]
        features = self.recall(h, context, (profile, day))
        logits, gain = self._states(of_day, features, day)
        log_pi = self.day(of_day).float().unflatten(1, (-1, self.config.user_states)).log_softmax(1)
        log_omega = self.user(h.mean(1)).float().log_softmax(-1)
        hole = missing[profile, day]
        return Conditional(
            profile, hole, log_omega, log_pi, logits, features.float(), gain, context.peak
        )

    def _states(self, of_day: Tensor, features: Tensor, day: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N, M, S, C] of cells in each state of their day, and its gain [N, M]."""
        slots = self.axes.slots
        channels = len(self.axes.channels)
        state = self.state(of_day).float().unflatten(1, (self.config.day_states, -1))
        by_slot, by_channel, gain = state.split([slots, channels, 1], -1)
        shared = (self.active(features).float().transpose(1, 2) + self.week[day % len(self.week)])[
            :, None
        ]
        return shared + self.pattern + by_slot[..., None] + by_channel[..., None, :], gain[..., 0]

    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Draw the user's state, the days' states, then the missing cells.

        The mean is the point forecast whose expected squared error, in shares of the profile's peak ("Time
        pictures" 5.3.3), is least: a count y above the known peak p counts as p^2 / y, as it is the peak then.
        """
        p = self.conditional(x, missing)
        cells = p.missing.nonzero(as_tuple=True)
        chances = p.logits.movedim(1, -1)[cells].sigmoid()  # [R, M], R missing cells
        states = self._drawn_states(p, samples, generator)
        hits = [_hits(chances, states[cells[0], number], generator) for number in range(samples)]
        slots = self._slots(p)
        counts = self._drawn_counts(p, slots, cells, torch.cat(hits, 1), generator)
        draws = torch.zeros(samples, len(chances), device=x.device)
        for draw, (hit, _), count in zip(
            draws, hits, counts.split([hit.shape[1] for hit in hits]), strict=True
        ):
            draw[hit] = count
        return Completion(self._point(p, slots, cells, chances), draws)

    def _drawn_states(self, p: Conditional, samples: int, generator: Generator) -> Tensor:
        """A state for each day and draw, [N, K]."""
        omega = p.log_omega.exp().repeat_interleave(samples, 0)
        user = choose(omega, generator).view(-1, samples)[p.profile]  # [N, K]
        pi = (
            p.log_pi.exp()
            .gather(2, user[:, None].expand(-1, p.log_pi.shape[1], -1))
            .transpose(1, 2)
        )
        return choose(pi.flatten(0, 1), generator).view(-1, samples)

    def _slots(self, p: Conditional) -> Slots:
        """Logits of counts of the slots with something missing."""
        day, slot = p.missing.any(2).nonzero(as_tuple=True)
        number = torch.zeros(p.missing.shape[:2], dtype=torch.long, device=day.device)
        number[day, slot] = torch.arange(len(day), device=day.device)
        return Slots(day, number, self._logits_of_counts(p, day, slot))

    def _logits_of_counts(self, p: Conditional, day: Tensor, slot: Tensor) -> Tensor:
        """Logits of the bins of counts in each of n slots, before the gain of the day's state, [n, C, V]."""
        return self.count(p.features[day, :, slot]).float().unflatten(1, (-1, BINS))

    def _drawn_counts(
        self, p: Conditional, slots: Slots, cells: Cells, hits: Tensor, generator: Generator
    ) -> Tensor:
        """A count for each active cell, [hits]."""
        if self.unit == "binary":
            return torch.ones(hits.shape[1], device=hits.device)
        day, slot, channel = (index[hits[0]] for index in cells)
        gain = p.gain[day, hits[1]]
        return BinnedCounts(
            slots.logits[slots.number[day, slot], channel] + gain[:, None] * self.slope
        ).draw(generator)

    def _point(self, p: Conditional, slots: Slots, cells: Cells, chances: Tensor) -> Tensor:
        """Expected relative value of each missing cell, [R]; of a day's gains their mean over states is taken."""
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


def _hits(chances: Tensor, state: Tensor, generator: Generator) -> Tensor:
    """Which missing cells are active in one draw, and the state of their day, [2, hits]."""
    chance = chances.gather(1, state[:, None])[:, 0]
    noise = torch.rand(chance.shape, generator=generator, device=chance.device)
    hit = (noise < chance).nonzero()[:, 0]
    return torch.stack([hit, state[hit]])


class Slots(NamedTuple):
    """Slots with something missing, of all days."""

    day: Tensor  # of each
    number: Tensor  # where the slot of a day stands in ``logits``, [N, S]
    logits: Tensor  # of the bins of counts, before the gain of the day's state, [slots, C, V]


Cells = tuple[Tensor, ...]  # day, slot and channel of cells
