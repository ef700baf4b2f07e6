"""Distribution of the counts of an active day, jointly over slots and channels.

    t_1 < t_2 < ... < t_K          active slots of a day, at least one, then the end
    s_k = GRU(t_k, x_(t_k), s_(k-1))
    p(x_d | h) = prod_k p(t_k | s_(k-1), t_(k-1)) p(x_(t_k) | t_k, s_(k-1))  p(end | s_K)
    p(x_t | ...) = prod_c p(x_(t,c) > 0 | x_(t,<c)) p(x_(t,c) | x_(t,c) > 0, x_(t,<c))

The next active slot is one categorical over the slots to come and the end, so that silence costs
nothing. In an active slot channels come one after another, through a network masked as in MADE
(Germain et al. 2015); at least one is active. Where two channels occur in equal numbers (a pair,
such as joining and leaving), the later one may take the exact count that brings the difference of
their totals to a given value, a "settling count".

Letters: N days, S slots, C channels, K active slots of all days, H hidden units, W units of a
channel, P pairs, R features of a slot's history, F features of a count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.indexing import rows_of
from habitus.models.rhythm.active_slots import (
    COUNT_FEATURES,
    ActiveSlots,
    SlotGRU,
    active_slots,
    count_features,
)
from habitus.models.rhythm.amounts import Amount
from habitus.models.rhythm.history.balance import PAIR_FEATURES, Balance, pair_steps
from habitus.models.rhythm.history.features import CHANNEL_FEATURES, SLOT_FEATURES, DayHistory

NEVER = -1e4  # a logit
# Number of settling counts. A count of the later channel of a pair is drawn from its likelihood or
# is the count with which the difference of the pair becomes 0, 1, its lowest value so far, one
# above that, its highest value so far, or one below that.
SETTLED = 6
HABIT_FEATURES = 3  # features of a channel's history that enter its activation logit linearly
PROGRESS_FEATURES = 3  # features of the number of active slots so far on a day
PSEUDO_ACTIVE = 0.1  # pseudo-count of each slot, so that none starts with probability 0
RARE = -1.5  # initial activation logit of a channel


class DayTerms(NamedTuple):
    """-log p(x_d) in parts, each [N]: which slots are active, which channels then, and how much."""

    slots: Tensor
    channels: Tensor
    amounts: Tensor


class SlotCounts(nn.Module):
    """Distribution p(x_t | t, s) of the counts of an active slot.

    Args:
        slots: S.
        channels: C.
        pairs: P.
        hidden: H.
        width: W.
        amount: p(x | x > 0).
    """

    masked: Tensor

    def __init__(
        self, slots: int, channels: int, pairs: int, hidden: int, width: int, amount: Amount
    ) -> None:
        super().__init__()
        self.channels = channels
        self.width = width
        self.amount = amount
        self.of_state = nn.Linear(hidden, channels * width)
        self.of_slot = nn.Embedding(slots, channels * width)
        self.of_gap = nn.Embedding(slots, channels * width)
        counts = channels * COUNT_FEATURES
        of_channels = channels * (1 + CHANNEL_FEATURES)
        history = SLOT_FEATURES + of_channels + PAIR_FEATURES * pairs + counts
        self.of_history = nn.Linear(history, channels * width, bias=False)
        self.of_earlier = nn.Parameter(0.1 * torch.randn(channels * width, counts))
        below = torch.ones(channels, channels).tril(-1)
        masked = below.repeat_interleave(width, 0).repeat_interleave(COUNT_FEATURES, 1)
        self.register_buffer("masked", masked, persistent=False)
        outputs = 1 + amount.features + SETTLED
        self.out = nn.Parameter(0.1 * torch.randn(channels, width, outputs))
        self.habit = nn.Parameter(torch.zeros(channels, HABIT_FEATURES))
        bias = torch.cat([torch.tensor([RARE]), amount.start(), torch.full((SETTLED,), RARE)])
        self.bias = nn.Parameter(bias.repeat(channels, 1))
        for embedding in (self.of_slot, self.of_gap):
            nn.init.normal_(embedding.weight, std=0.1)

    @torch.no_grad()
    def start_from(self, counts: Tensor) -> None:
        """Set biases to the frequency of each channel in active slots, and to its counts [K, C]."""
        for channel, count in enumerate(counts.unbind(1)):
            share = (count > 0).float().mean().clamp(0.001, 0.999)
            self.bias[channel, 0] = torch.logit(share)
            self.bias[channel, 1 : 1 + self.amount.features] = self.amount.seen(count[count > 0])

    def log_prob(
        self, s: Tensor, at: ActiveSlots, history: DayHistory, pairs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """-log p of the counts of slots: of which channels are active, and of their amounts, [K].

        Args:
            s: Features before each slot, [K, H].
            at: The slots.
            history: History before each slot, with the features of that slot alone, [K, R].
            pairs: Pairs of channels, [P, 2].
        """
        counts = count_features(at.counts)
        earlier = functional.linear(counts, self.of_earlier * self.masked)
        # counts of the last active slot are inputs only if that slot is adjacent
        counts_before = counts.roll(1, 0) * (at.gap == 1)[:, None]
        past = [history.slots, history.channels, history.balance.features, counts_before]
        here = self.of_state(s) + self.of_slot(at.slot) + self.of_gap(at.gap)
        base = torch.addmm(here, torch.cat(past, -1), self.of_history.weight.T)
        hidden = functional.silu(base + earlier).unflatten(1, (self.channels, self.width))
        active = at.counts > 0
        habits = self._habits(history)
        logits = (hidden * self.out[..., 0]).sum(-1) + self.bias[:, 0] + habits
        terms = functional.binary_cross_entropy_with_logits(
            logits, active.to(logits.dtype), reduction="none"
        )
        certain = ~active[:, :-1].any(1)  # the last channel is active where no other is
        last = torch.where(certain[:, None], 0.0, terms[:, -1:])
        terms = torch.cat([terms[:, :-1], last], 1)
        amounts = torch.zeros_like(terms[:, 0])
        for channel in range(self.channels):
            on = active[:, channel].nonzero()[:, 0]
            out = (
                rows_of(hidden[:, channel], on) @ self.out[channel, :, 1:] + self.bias[channel, 1:]
            )
            found = self._log_amounts(out, rows_of(at.counts, on), channel, history.of(on), pairs)
            amounts = amounts.index_add(0, on, found)
        return terms.sum(1), -amounts

    def _habits(self, history: DayHistory) -> Tensor:
        """Contribution of each channel's own history to its activation logit, [K, C]."""
        cells = history.channels[:, -self.channels :]
        never = (history.largest == 0).to(cells.dtype)
        features = torch.stack([never, cells, history.slots[:, SLOT_FEATURES:]], -1)
        return (features * self.habit).sum(-1)

    def _log_amounts(
        self, out: Tensor, counts: Tensor, channel: int, history: DayHistory, pairs: Tensor
    ) -> Tensor:
        """Log p of the positive counts of one channel in n slots, [n].

        Args:
            out: Features of the count, and logits of the settling counts, [n, F + 6].
            counts: Counts of all channels, [n, C].
            channel: The channel.
            history: History before the slots.
            pairs: Pairs of channels, [P, 2].
        """
        count = counts[:, channel]
        features, settle = out.split([self.amount.features, SETTLED], 1)
        freely = self.amount.log_prob(features, history.largest[:, channel], count)
        partner = partner_of(channel, pairs)
        if partner is None:
            return freely
        pair, earlier = partner
        now, lowest, highest = (each[:, pair] for each in history.balance)
        wanted = [0 * now, 0 * now + 1, lowest, lowest + 1, highest, highest - 1]
        values = torch.stack(wanted, 1) - (now - counts[:, earlier])[:, None]
        settle = torch.where(values >= 1, settle, NEVER)
        free = torch.zeros_like(settle[:, :1])
        weights = torch.cat([free, settle], 1).log_softmax(1)
        exact = torch.where(values == count[:, None], weights[:, 1:], NEVER)
        return torch.logsumexp(torch.cat([(weights[:, 0] + freely)[:, None], exact], 1), 1)


def partner_of(channel: int, pairs: Tensor) -> tuple[int, int] | None:
    """Find the pair whose later channel is the given one: its number and earlier channel, or None.

    >>> partner_of(2, torch.tensor([[2, 1], [0, 0]])), partner_of(0, torch.tensor([[2, 1], [0, 0]]))
    ((0, 1), None)
    """
    for number, (later, earlier) in enumerate(pairs.tolist()):
        if later == channel and later != earlier:
            return number, earlier
    return None


class DaySlots(nn.Module):
    """Distribution p(x_d | h) of the counts of a day; equations are those of the module.

    Args:
        slots: S.
        channels: C.
        pairs: P.
        hidden: H.
        width: W.
        amount: p(x | x > 0).
    """

    def __init__(
        self, slots: int, channels: int, pairs: int, hidden: int, width: int, amount: Amount
    ) -> None:
        super().__init__()
        self.slots = slots
        self.channels = channels
        inputs = slots + COUNT_FEATURES * channels + PAIR_FEATURES * pairs + PROGRESS_FEATURES
        self.start = nn.Linear(hidden, hidden)
        self.gru = SlotGRU(inputs, hidden)
        self.of_state = nn.Linear(hidden, hidden)
        self.of_day = nn.Linear(hidden, hidden, bias=False)
        self.next_slot = nn.Linear(hidden, slots + 1)
        self.gap = nn.Linear(hidden, slots, bias=False)
        self.of_slots = nn.Sequential(nn.Linear(SLOT_FEATURES, SLOT_FEATURES), nn.SiLU())
        self.slot_weights = nn.Linear(hidden, 2 * SLOT_FEATURES)
        self.counts = SlotCounts(slots, channels, pairs, hidden, width, amount)

    @torch.no_grad()
    def start_from(self, at: ActiveSlots) -> None:
        """Set biases to the frequency of each active slot, of the end after one, and to counts."""
        frequency = torch.bincount(at.slot, minlength=self.slots).float() + PSEUDO_ACTIVE
        self.next_slot.bias[:-1] = (frequency / frequency.sum()).log()
        self.next_slot.bias[-1] = at.last.float().mean().clamp(0.01, 0.99).log()
        self.counts.start_from(at.counts)

    def log_prob(self, x: Tensor, h: Tensor, history: DayHistory, pairs: Tensor) -> DayTerms:
        """-log p of days.

        Args:
            x: Counts, [N, S, C].
            h: Features of each day, [N, H].
            history: History before each day.
            pairs: Pairs of channels, [P, 2].
        """
        at = active_slots(x)
        after, before = self._around_slots(x, at, history, pairs)
        start = torch.tanh(self.start(h))
        of_day = self.of_day(h)
        states = self.gru(self._inputs(at, after), start, at)
        context_at_start = functional.silu(self.of_state(start) + of_day)
        context_after = functional.silu(self.of_state(states) + rows_of(of_day, at.day))
        context_before = at.previous(context_after, context_at_start)
        parts = self.counts.log_prob(context_before, at, before, pairs)
        slots = self._log_slots(context_at_start, context_after, history.slots, at)
        channels, amounts = (torch.zeros_like(slots).index_add(0, at.day, part) for part in parts)
        return DayTerms(slots, channels, amounts)

    @staticmethod
    def _around_slots(
        x: Tensor, at: ActiveSlots, history: DayHistory, pairs: Tensor
    ) -> tuple[DayHistory, DayHistory]:
        """History after and before each active slot, with the features of that slot, [K, ...]."""
        where = (at.day, at.slot)
        balance = history.balance.during(pair_steps(x, pairs)).of(where)
        so_far = rows_of(x.cummax(1).values, where)
        largest = torch.maximum(rows_of(history.largest, at.day), so_far)
        after = DayHistory(
            rows_of(history.slots, where),
            rows_of(history.channels, at.day),
            largest,
            rows_of(history.most_slots, at.day),
            balance,
        )
        earlier = (at.previous(b, a) for b, a in zip(balance, history.balance, strict=True))
        before = after._replace(
            largest=at.previous(largest, history.largest), balance=Balance(*earlier)
        )
        return after, before

    def _log_slots(
        self, context_at_start: Tensor, context_after: Tensor, of_slots: Tensor, at: ActiveSlots
    ) -> Tensor:
        """-log p of which slots of days are active, [N].

        Args:
            context_at_start: Features before the first slot of each day, [N, H].
            context_after: Features after each active slot, [K, H].
            of_slots: Features of the history of slots, [N, S, R].
            at: The active slots.
        """
        first, following = at.next_slots(len(context_at_start), self.slots)
        weights = context_at_start.new_zeros(len(context_at_start), self.slots, 2 * SLOT_FEATURES)
        weights = weights.index_put((at.day, at.slot), self.slot_weights(context_after))
        at_start = self.slot_weights(context_at_start)[:, None]
        features = self.slot_features(of_slots)
        of_history = torch.cat([at_start, weights], 1) @ features.mT  # [N, 1 + S, S]
        of_first = self._slot_logits(context_at_start, of_history[:, 0], torch.full_like(first, -1))
        of_rest = self._slot_logits(context_after, of_history[at.day, at.slot + 1], at.slot)
        found = functional.cross_entropy(of_first, first, reduction="none")
        rest = functional.cross_entropy(of_rest, following, reduction="none")
        return found.index_add(0, at.day, rest)

    def slot_features(self, of_slots: Tensor) -> Tensor:
        """First 8 features of slots' history [N, S, R], and a layer of them, [N, S, 16]."""
        features = of_slots[..., :SLOT_FEATURES]
        return torch.cat([features, self.of_slots(features)], -1)

    def _inputs(self, at: ActiveSlots, after: DayHistory) -> Tensor:
        """Inputs of the state: slot, counts, balance after it, and progress of the day, [K, I]."""
        counts = count_features(at.counts)
        slot = functional.one_hot(at.slot, self.slots).to(counts.dtype)
        left = after.most_slots - 1 - at.place
        progress = [0.5 * torch.log1p(at.place), torch.tanh(left / 3), (left > 0).to(counts.dtype)]
        return torch.cat([slot, counts, after.balance.features, torch.stack(progress, 1)], -1)

    def _slot_logits(self, context: Tensor, of_history: Tensor, after: Tensor) -> Tensor:
        """Logits of the next active slot or the end, [n, S + 1].

        Args:
            context: Features, [n, H].
            of_history: Contribution of each slot's history, [n, S].
            after: Slot before, -1 at the start of a day, [n].
        """
        logits = self.next_slot(context)
        gap = torch.arange(self.slots, device=after.device) - after[:, None] - 1
        of_gap = self.gap(context).gather(1, gap.clamp_min(0))
        logits = logits + functional.pad(of_history + of_gap, (0, 1))
        # neither a slot that has passed, nor the end of a day before its first slot
        never = torch.cat([gap < 0, after[:, None] < 0], 1)
        return logits.masked_fill(never, NEVER)
