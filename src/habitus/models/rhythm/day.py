"""A day of counts, drawn jointly over slots and channels (Rhythm).

    t_1 < t_2 < ... < t_K          the active slots of a day, one at least, then the end
    s_k = GRU(t_k, x_(t_k), s_(k-1))
    p(x_d | h) = prod_k p(t_k | s_(k-1), t_(k-1)) p(x_(t_k) | t_k, s_(k-1))  p(end | s_K)
    p(x_t | ...) = prod_c p(x_(t,c) > 0 | x_(t,<c)) p(x_(t,c) | x_(t,c) > 0, x_(t,<c))

The next active slot is one categorical over the slots to come and the end, so that silence costs nothing. In an
active slot channels come one after another, through a network masked as in MADE (Germain et al. 2015); at least one
is active. Where two channels come in equal numbers, the later one may settle their difference exactly.

Letters: N days, S slots, C channels, K active slots, H hidden units, W units of a channel, P pairs, R numbers
recalled of a slot, F features of a count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.indexing import rows_of
from habitus.models.rhythm.active_slots import (
    TOLD_OF_COUNT,
    ActiveSlots,
    SlotGRU,
    active_slots,
    told_counts,
)
from habitus.models.rhythm.amounts import Amount
from habitus.models.rhythm.history import OF_CHANNEL, PER_PAIR, RECALLED, Balance, Past, pair_steps

NEVER = -1e4  # a logit
SETTLED = 6  # differences that a count may leave exactly: none, one, and the most extreme before, or one less
OF_HABIT = 3  # numbers that tell directly how likely a channel is
PROGRESS = 3  # numbers that tell how far a day is
GRANTED = 0.1  # of an active slot: where none ever was, one must stay rare and not impossible
RARE = -1.5  # logit of a channel's being active, to begin with


class DayTerms(NamedTuple):
    """-log p(x_d) in its parts, each [N]: which slots are active, which channels then, and how much."""

    slots: Tensor
    channels: Tensor
    amounts: Tensor


class SlotCounts(nn.Module):
    """p(x_t | t, s): the counts of an active slot.

    Args:
        slots: S.
        pairs: Pairs of channels that may be settled, [P, 2], the later one first.
        channels: C.
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
        told = channels * TOLD_OF_COUNT
        past = RECALLED + channels * (1 + OF_CHANNEL) + PER_PAIR * pairs + told
        self.of_past = nn.Linear(past, channels * width, bias=False)
        self.of_earlier = nn.Parameter(0.1 * torch.randn(channels * width, told))
        below = torch.ones(channels, channels).tril(-1)
        masked = below.repeat_interleave(width, 0).repeat_interleave(TOLD_OF_COUNT, 1)
        self.register_buffer("masked", masked, persistent=False)
        self.out = nn.Parameter(0.1 * torch.randn(channels, width, 1 + amount.features + SETTLED))
        self.habit = nn.Parameter(torch.zeros(channels, OF_HABIT))
        bias = torch.cat([torch.tensor([RARE]), amount.start(), torch.full((SETTLED,), RARE)])
        self.bias = nn.Parameter(bias.repeat(channels, 1))
        for embedding in (self.of_slot, self.of_gap):
            nn.init.normal_(embedding.weight, std=0.1)

    def start_from(self, counts: Tensor) -> None:
        """Begin with how often each channel is active in some active slots [K, C], and how much then."""
        with torch.no_grad():
            for channel, count in enumerate(counts.unbind(1)):
                share = ((count > 0).float().mean()).clamp(0.001, 0.999)
                self.bias[channel, 0] = torch.logit(share)
                self.bias[channel, 1 : 1 + self.amount.features] = self.amount.seen(
                    count[count > 0]
                )

    def log_prob(
        self, s: Tensor, at: ActiveSlots, past: Past, pairs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """-log p of the counts of slots, by their channels and their amounts, each [K].

        Args:
            s: What is known before each slot, [K, H].
            at: The slots.
            past: Before each slot, with the recall of it alone, [K, R].
            pairs: [P, 2].
        """
        told = told_counts(at.counts)
        earlier = functional.linear(told, self.of_earlier * self.masked)
        base = self._base(s, at.slot, at.gap, told.roll(1, 0), past)
        hidden = functional.silu(base + earlier)
        hidden = hidden.unflatten(1, (self.channels, self.width))
        active = at.counts > 0
        logits = (hidden * self.out[..., 0]).sum(-1) + self.bias[:, 0] + self._habits(past)
        gates = functional.binary_cross_entropy_with_logits(
            logits, active.to(logits.dtype), reduction="none"
        )
        only = ~active[:, :-1].any(1)  # the last channel is active where no other is
        gates = torch.cat([gates[:, :-1], torch.where(only[:, None], 0.0, gates[:, -1:])], 1)
        amounts = torch.zeros_like(gates[:, 0])
        for channel in range(self.channels):
            on = active[:, channel].nonzero()[:, 0]
            out = self._out(rows_of(hidden[:, channel], on), channel)
            found = self._log_amounts(out, rows_of(at.counts, on), channel, past.of(on), pairs)
            amounts = amounts.index_add(0, on, found)
        return gates.sum(1), -amounts

    def _habits(self, past: Past) -> Tensor:
        """Of the logits of channels' being active what follows from each one's own past, [K, C]."""
        cells = past.channels[:, -self.channels :]
        told = [(past.largest == 0).to(cells.dtype), cells, past.recall[:, RECALLED:]]
        return (torch.stack(told, -1) * self.habit).sum(-1)

    def _out(self, hidden: Tensor, channel: int) -> Tensor:
        """Features of a channel's count, and logits of settling, [n, F + 6]."""
        return hidden @ self.out[channel, :, 1:] + self.bias[channel, 1:]

    def _base(
        self, s: Tensor, slot: Tensor, gap: Tensor, told_before: Tensor, past: Past
    ) -> Tensor:
        """What is known before any channel, [K, C W]; of the slot before only where nothing lies between."""
        told = [past.recall, past.channels, past.balance.told, told_before * (gap == 1)[:, None]]
        of_here = self.of_state(s) + self.of_slot(slot) + self.of_gap(gap)
        return torch.addmm(of_here, torch.cat(told, -1), self.of_past.weight.T)

    def _log_amounts(
        self, out: Tensor, counts: Tensor, channel: int, past: Past, pairs: Tensor
    ) -> Tensor:
        """Log p of the count of one channel in n slots, [n]."""
        count = counts[:, channel]
        partner = partner_of(channel, pairs)
        free, settle = out.split([self.amount.features, SETTLED], 1)
        freely = self.amount.log_prob(free, past.largest[:, channel], count)
        if partner is None:
            return freely
        values, weights = _settling(settle, counts, past.balance, partner)
        exact = torch.where(values == count[:, None], weights[:, 1:], NEVER)
        return torch.logsumexp(torch.cat([(weights[:, 0] + freely)[:, None], exact], 1), 1)


def partner_of(channel: int, pairs: Tensor) -> tuple[int, int] | None:
    """The number of the pair that a channel is the later one of, and its earlier channel; None where there is none.

    >>> partner_of(2, torch.tensor([[2, 1], [0, 0]])), partner_of(0, torch.tensor([[2, 1], [0, 0]]))
    ((0, 1), None)
    """
    found = [(at, b) for at, (a, b) in enumerate(pairs.tolist()) if a == channel and a != b]
    return found[0] if found else None


def _settling(
    settle: Tensor, counts: Tensor, balance: Balance, partner: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Counts that would settle a channel's pair [n, 6], and log-weights of being free and of each [n, 7]."""
    pair, earlier = partner
    now, lowest, highest = (each[:, pair] for each in balance)
    wanted = torch.stack([0 * now, 0 * now + 1, lowest, lowest + 1, highest, highest - 1], 1)
    values = wanted - (now - counts[:, earlier])[:, None]
    settle = torch.where(values >= 1, settle, NEVER)
    return values, torch.cat([torch.zeros_like(settle[:, :1]), settle], 1).log_softmax(1)


class DaySlots(nn.Module):
    """p(x_d | h): see the module.

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
        self.start = nn.Linear(hidden, hidden)
        self.gru = SlotGRU(slots + TOLD_OF_COUNT * channels + PER_PAIR * pairs + PROGRESS, hidden)
        self.of_state = nn.Linear(hidden, hidden)
        self.of_day = nn.Linear(hidden, hidden, bias=False)
        self.next_slot = nn.Linear(hidden, slots + 1)
        self.gap = nn.Linear(hidden, slots, bias=False)
        self.of_slots = nn.Sequential(nn.Linear(RECALLED, RECALLED), nn.SiLU())
        self.of_recall = nn.Linear(hidden, 2 * RECALLED)
        self.counts = SlotCounts(slots, channels, pairs, hidden, width, amount)

    def start_from(self, at: ActiveSlots) -> None:
        """Begin with how often each slot is active, how often a day ends after a slot, and with the counts."""
        often = torch.bincount(at.slot, minlength=self.slots).float() + GRANTED
        with torch.no_grad():
            self.next_slot.bias[:-1] = (often / often.sum()).log()
            self.next_slot.bias[-1] = at.last.float().mean().clamp(0.01, 0.99).log()
        self.counts.start_from(at.counts)

    def log_prob(self, x: Tensor, h: Tensor, past: Past, pairs: Tensor) -> DayTerms:
        """-log p of days.

        Args:
            x: Counts, [N, S, C].
            h: What is known of each day, [N, H].
            past: Before it.
            pairs: [P, 2].
        """
        at = active_slots(x)
        after, before = self._during(x, at, past, pairs)
        begin = torch.tanh(self.start(h))
        of_day = self.of_day(h)
        states = self.gru(self._told(at.slot, told_counts(at.counts), at.place, after), begin, at)
        known = self._known(begin, of_day)
        known_after = self._known(states, rows_of(of_day, at.day))
        known_before = at.previous(known_after, known)
        parts = self.counts.log_prob(known_before, at, before, pairs)
        slots = self._log_slots(known, known_after, past.recall, at)
        channels, amounts = (torch.zeros_like(slots).index_add(0, at.day, part) for part in parts)
        return DayTerms(slots, channels, amounts)

    @staticmethod
    def _during(x: Tensor, at: ActiveSlots, past: Past, pairs: Tensor) -> tuple[Past, Past]:
        """What is known after, and before, each active slot, with the recall of it alone."""
        where = (at.day, at.slot)
        balance = past.balance.during(pair_steps(x, pairs)).of(where)
        largest = torch.maximum(rows_of(past.largest, at.day), rows_of(x.cummax(1).values, where))
        channels = rows_of(past.channels, at.day)
        most = rows_of(past.most, at.day)
        after = Past(rows_of(past.recall, where), channels, largest, most, balance)
        earlier = Balance(*(at.previous(b, a) for b, a in zip(balance, past.balance, strict=True)))
        return after, after._replace(largest=at.previous(largest, past.largest), balance=earlier)

    def _log_slots(self, known: Tensor, after: Tensor, recall: Tensor, at: ActiveSlots) -> Tensor:
        """-log p of which slots are active, [N]."""
        first, following = at.next_slots(len(known), self.slots)
        rest = (at.day, at.slot + 1)
        asked = known.new_zeros(len(known), self.slots, 2 * RECALLED)
        asked = asked.index_put((at.day, at.slot), self.of_recall(after))
        often = torch.cat([self.of_recall(known)[:, None], asked], 1) @ self.of_recalled(recall).mT
        of_first = self._slot_logits(known, often[:, 0], torch.full_like(first, -1))
        of_rest = self._slot_logits(after, often[rest], at.slot)
        found = functional.cross_entropy(of_first, first, reduction="none")
        return found.index_add(
            0, at.day, functional.cross_entropy(of_rest, following, reduction="none")
        )

    def of_recalled(self, recall: Tensor) -> Tensor:
        """Features of the slots of days, [N, S, 2 R]: what is recalled, and what follows from it together."""
        of_slots = recall[..., :RECALLED]
        return torch.cat([of_slots, self.of_slots(of_slots)], -1)

    def _known(self, state: Tensor, of_day: Tensor) -> Tensor:
        return functional.silu(self.of_state(state) + of_day)

    def _told(self, slot: Tensor, told: Tensor, place: Tensor, past: Past) -> Tensor:
        """An active slot, what is told of its counts, how many came before it, and what is known after it."""
        which = functional.one_hot(slot, self.slots).to(told.dtype)
        left = past.most - 1 - place
        progress = torch.stack(
            [0.5 * torch.log1p(place), torch.tanh(left / 3), (left > 0).to(told.dtype)], 1
        )
        return torch.cat([which, told, past.balance.told, progress], -1)

    def _slot_logits(self, known: Tensor, often: Tensor, after: Tensor) -> Tensor:
        """Logits of the next active slot, or the end, later than a slot [n]: [n, S + 1].

        Args:
            known: [n, H].
            often: What follows of each slot's past, [n, S].
            after: The slot.
        """
        logits = self.next_slot(known)
        gap = torch.arange(self.slots, device=after.device) - after[:, None] - 1
        of_gap = self.gap(known).gather(1, gap.clamp_min(0))
        logits = logits + functional.pad(often + of_gap, (0, 1))
        never = torch.cat(
            [gap < 0, after[:, None] < 0], 1
        )  # what has passed, and the end of a day that is active
        return logits.masked_fill(never, NEVER)
