"""A memory user by user, compiled: what a day changes, and what is told of it (habitus.models.rhythm.history.features).

Letters: B users, S slots, C channels, P pairs of channels, F features, R numbers recalled of a slot, n users asked
for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from habitus.models.rhythm.history.balance import MOST_APART, TOLD_EXACTLY
from habitus.models.rhythm.history.features import FADING, GRANTED, HISTORY, LASTING, RECALLED
from habitus.models.rhythm.sampling.kernels.compiled import HALF, ONE, ZERO, compiled, log, write
from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray

LASTING_SHARE = np.float32(LASTING)
FADING_SHARE = np.float32(FADING)


class Store(NamedTuple):
    """What users did before a day; weekdays are those from the first day on.

    Attributes:
        seen: Days observed, [B].
        seen_of_weekday: [B, 7].
        days_of_slot: Days on which a slot was active, [B, S].
        weekly: The same by weekday, [B, 7, S].
        days_of_cell: [B, S, C].
        last_week: Which slots were active on the last day of each weekday, [B, 7, S].
        yesterday: [B, S].
        lately: How often, late days weighing most, [B, S].
        now: Balance of the pairs, [B, P].
        lowest: [B, P].
        highest: [B, P].
        total: [B, C].
        largest: [B, C].
        logs: Sum of the logs of counts, [B, C].
        ones: Cells with a count of one, [B, C].
        recent: Activity and active slots, late days weighing most, [B, 2].
        active_days: [B].
        history: Whether each of the last days was active, yesterday first, [B, 28].
        days_of_weekday: Active ones, [B, 7].
        silence: Days since the last active one, [B].
        run: Days since the last silent one, [B].
        longest: Silence, once active, and run, [B, 2].
        most: Active slots of a day, [B].
    """

    seen: FloatArray
    seen_of_weekday: FloatArray
    days_of_slot: FloatArray
    weekly: FloatArray
    days_of_cell: FloatArray
    last_week: FloatArray
    yesterday: FloatArray
    lately: FloatArray
    now: FloatArray
    lowest: FloatArray
    highest: FloatArray
    total: FloatArray
    largest: FloatArray
    logs: FloatArray
    ones: FloatArray
    recent: FloatArray
    active_days: FloatArray
    history: FloatArray
    days_of_weekday: FloatArray
    silence: FloatArray
    run: FloatArray
    longest: FloatArray
    most: FloatArray


def nothing(users: int, slots: int, channels: int, pairs: int) -> Store:
    """Before the first day."""
    week = (DAYS_PER_WEEK,)
    of_slots = (slots,)
    of_channels = (channels,)
    of_pairs = (pairs,)
    shapes = (
        (), week, of_slots, (*week, *of_slots), (*of_slots, *of_channels), (*week, *of_slots), of_slots, of_slots,
        of_pairs, of_pairs, of_pairs, of_channels, of_channels, of_channels, of_channels, (2,), (), (HISTORY,),
        week, (), (), (2,), (),
    )  # fmt: skip
    return Store(*(np.zeros((users, *shape), np.float32) for shape in shapes))


@compiled
def largest(numbers: FloatArray) -> Any:
    """Of some numbers from 0 on."""
    found = ZERO
    for k in range(len(numbers)):
        found = max(found, numbers[k])
    return found


# What a day changes


@compiled
def take_in(
    m: Store, x: FloatArray, users: IntArray, observed: BoolArray, weekday: int, pairs: IntArray
) -> None:
    """A day of counts [n, S, C] of some users [n], the others being silent; of those it was observed of [B]."""
    for user in range(len(observed)):
        if observed[user]:
            for slot in range(m.yesterday.shape[1]):
                m.yesterday[user, slot] = ZERO
    for i, user in enumerate(users):
        if observed[user]:
            active = take_in_cells(m, x[i], user)
            if active > 0:
                take_in_slots(m, user, weekday)
                take_in_pairs(m, x[i], user, pairs)
                m.active_days[user] += 1
                m.days_of_weekday[user, weekday] += 1
                m.most[user] = max(m.most[user], active)
    for user in range(len(observed)):
        if observed[user]:
            pass_on(m, user, weekday)


@compiled
def take_in_cells(m: Store, x: FloatArray, user: int) -> Any:
    """The counts [S, C] of a day; how many slots are active."""
    active = ZERO
    for slot in range(x.shape[0]):
        for channel in range(x.shape[1]):
            count = x[slot, channel]
            if count > 0:
                m.days_of_cell[user, slot, channel] += 1
                m.total[user, channel] += count
                m.largest[user, channel] = max(m.largest[user, channel], count)
                m.logs[user, channel] += log(count)
                m.ones[user, channel] += ONE if count == 1 else ZERO
                m.yesterday[user, slot] = ONE
        active += m.yesterday[user, slot]
    return active


@compiled
def take_in_slots(m: Store, user: int, weekday: int) -> None:
    """The active slots of a day."""
    for slot in range(m.yesterday.shape[1]):
        m.days_of_slot[user, slot] += m.yesterday[user, slot]
        m.weekly[user, weekday, slot] += m.yesterday[user, slot]


@compiled
def take_in_pairs(m: Store, x: FloatArray, user: int, pairs: IntArray) -> None:
    """The balance of pairs after each slot of a day."""
    for slot in range(x.shape[0]):
        follow(m.now[user], m.lowest[user], m.highest[user], x[slot], pairs)


@compiled
def follow(
    now: FloatArray, lowest: FloatArray, highest: FloatArray, counts: FloatArray, pairs: IntArray
) -> None:
    """The balance of pairs [P] each, after the counts of a slot [C]."""
    for pair in range(len(pairs)):
        now[pair] += counts[pairs[pair, 0]] - counts[pairs[pair, 1]]
        lowest[pair] = min(lowest[pair], now[pair])
        highest[pair] = max(highest[pair], now[pair])


@compiled
def pass_on(m: Store, user: int, weekday: int) -> None:
    """What changes with every day."""
    active = ZERO
    for slot in range(m.lately.shape[1]):
        now = m.yesterday[user, slot]
        active += now
        m.last_week[user, weekday, slot] = now
        m.lately[user, slot] = LASTING_SHARE * m.lately[user, slot] + (ONE - LASTING_SHARE) * now
    for day in range(HISTORY - 1, 0, -1):
        m.history[user, day] = m.history[user, day - 1]
    any_slot = ONE if active > 0 else ZERO
    m.history[user, 0] = any_slot
    m.recent[user, 0] = FADING_SHARE * m.recent[user, 0] + (ONE - FADING_SHARE) * any_slot
    m.recent[user, 1] = FADING_SHARE * m.recent[user, 1] + (ONE - FADING_SHARE) * log(ONE + active)
    m.silence[user] = ZERO if active > 0 else m.silence[user] + 1
    m.run[user] = m.run[user] + 1 if active > 0 else ZERO
    if m.active_days[user] > 0:
        m.longest[user, 0] = max(m.longest[user, 0], m.silence[user])
    m.longest[user, 1] = max(m.longest[user, 1], m.run[user])
    m.seen[user] += 1
    m.seen_of_weekday[user, weekday] += 1


# What is told


@compiled
def log_share(days: Any, out_of: Any) -> Any:
    """As habitus.models.rhythm.history.features has it."""
    return HALF * (log((days + np.float32(GRANTED)) / (out_of + ONE)) + np.float32(3))


@compiled
def tell_features(
    m: Store, weekday: int, weeks: Any, differences: FloatArray, told: FloatArray
) -> None:
    """Write all of it to the first F numbers of rows [B, ...]: as Before.features has it.

    Args:
        m: What is known before a day.
        weekday: Its weekday.
        weeks: Whole weeks before it.
        differences: What is told of differences, [T, 8].
        told: Overwritten.
    """
    slots, channels = m.days_of_cell.shape[1:]
    of_pairs = 3 * m.now.shape[1] * differences.shape[1]
    for user in range(len(told)):
        row = told[user]
        tell_slots(m, user, weekday, row)
        begin = 4 * slots
        for channel in range(channels):
            row[begin + channel] = np.float32(0.3) * log(ONE + m.total[user, channel])
        tell_channels(m, user, row[begin + channels : begin + 5 * channels])
        begin += 5 * channels
        tell_balance(m, user, differences, row[begin : begin + of_pairs])
        begin += of_pairs
        tell_numbers(m, user, weekday, row[begin : begin + 16])
        write(m.history[user], row[begin + 16 : begin + 16 + HISTORY])
        begin += 16 + HISTORY
        for day in range(DAYS_PER_WEEK):
            which = (weekday + day) % DAYS_PER_WEEK
            whole = min(m.seen_of_weekday[user, which], np.float32(weeks))
            row[begin + day] = log_share(m.days_of_weekday[user, which], whole)


@compiled
def row_of_difference(difference: Any) -> int:
    """Which row of what is told of differences is that of one."""
    return int(min(max(difference, -MOST_APART), MOST_APART)) + MOST_APART


@compiled
def near_difference(difference: Any) -> int:
    """Which number of such a row is one, those but the last being indicators of small differences."""
    return int(min(max(difference, -TOLD_EXACTLY), TOLD_EXACTLY)) + TOLD_EXACTLY


@compiled
def tell_balance(m: Store, user: int, differences: FloatArray, told: FloatArray) -> None:
    """Of the balance of pairs, [24 P]: as Balance.told has it."""
    pairs = m.now.shape[1]
    width = differences.shape[1]
    for pair in range(pairs):
        now = m.now[user, pair]
        for kind, value in enumerate(
            (now, now - m.lowest[user, pair], m.highest[user, pair] - now)
        ):
            begin = (kind * pairs + pair) * width
            write(differences[row_of_difference(value)], told[begin : begin + width])


@compiled
def tell_slots(m: Store, user: int, weekday: int, told: FloatArray) -> None:
    """Of slots, [4 S]."""
    days = m.days_of_slot[user]
    on_weekday = m.weekly[user, weekday]
    slots = len(days)
    seen = m.seen[user]
    weeks = m.seen_of_weekday[user, weekday]
    log_shares(days, seen, told[:slots])
    log_shares(on_weekday, weeks, told[slots : 2 * slots])
    write(m.yesterday[user], told[2 * slots : 3 * slots])
    write(m.last_week[user, weekday], told[3 * slots : 4 * slots])


@compiled
def log_shares(days: FloatArray, out_of: Any, told: FloatArray) -> None:
    """The same of several numbers of days."""
    for k in range(len(days)):
        told[k] = log_share(days[k], out_of)


@compiled
def tell_channels(m: Store, user: int, told: FloatArray) -> None:
    """Of channels, [4 C]: as Before.channels has it."""
    channels = m.total.shape[1]
    for channel in range(channels):
        cells = ZERO
        for slot in range(m.days_of_cell.shape[1]):
            cells += m.days_of_cell[user, slot, channel]
        some = max(cells, ONE)
        told[channel] = np.float32(0.3) * log(ONE + m.largest[user, channel])
        told[channels + channel] = m.logs[user, channel] / some
        told[2 * channels + channel] = m.ones[user, channel] / some
        told[3 * channels + channel] = log_share(cells, m.seen[user])


@compiled
def tell_numbers(m: Store, user: int, weekday: int, told: FloatArray) -> None:
    """Of days, and of how much is new, [16]."""
    seen = m.seen[user]
    weeks = m.seen_of_weekday[user, weekday]
    slots = m.days_of_slot[user]
    told[0] = m.active_days[user]
    told[1] = m.silence[user]
    told[2] = m.run[user]
    told[3] = m.longest[user, 0]
    told[4] = m.longest[user, 1]
    told[5] = m.most[user]
    told[6] = ZERO
    told[7] = ZERO
    told[8] = ZERO
    for slot in range(len(slots)):
        told[6] += slots[slot]
        told[7] += ONE if slots[slot] > 0 else ZERO
        told[8] += ONE if slots[slot] == 1 else ZERO
    for k in range(9):
        told[k] = log(ONE + told[k])
    told[9] = m.recent[user, 0] + m.recent[user, 1]
    told[10] = m.recent[user, 0]
    told[11] = m.recent[user, 1]
    told[12] = log_share(m.active_days[user], seen)
    told[13] = log_share(m.days_of_weekday[user, weekday], weeks)
    told[14] = largest(m.last_week[user, weekday])
    told[15] = log_share(largest(m.weekly[user, weekday]), weeks)


@compiled
def recall(
    m: Store, users: IntArray, weekday: int, told: FloatArray, of_channels: FloatArray
) -> None:
    """Write what the slots [n, R + C, S] and channels [n, 4 C] of users were: as Before.recall has it.

    Slots come last: what is told of them is worked out for many side by side.
    """
    for i, user in enumerate(users):
        tell_channels(m, user, of_channels[i])
        rows = told[i]
        days = m.days_of_slot[user]
        seen = m.seen[user]
        slots = len(days)
        weeks = m.seen_of_weekday[user, weekday]
        log_shares(days, seen, rows[0])
        for slot in range(slots):
            before = days[max(slot - 1, 0)]
            after = days[min(slot + 1, slots - 1)]
            near = (
                (before if slot > 0 else ZERO) + days[slot] + (after if slot + 1 < slots else ZERO)
            )
            rows[1, slot] = log_share(near / 3, seen)
        for slot in range(slots):
            rows[2, slot] = HALF * (log(m.lately[user, slot] + np.float32(0.02)) + np.float32(3))
        log_shares(m.weekly[user, weekday], weeks, rows[3])
        write(m.last_week[user, weekday], rows[4])
        write(m.yesterday[user], rows[5])
        for slot in range(slots):
            rows[6, slot] = ONE if days[slot] == 0 else ZERO
            rows[7, slot] = ONE if days[slot] == 1 else ZERO
        for channel in range(m.days_of_cell.shape[2]):
            for slot in range(slots):
                cells = m.days_of_cell[user, slot, channel]
                rows[RECALLED + channel, slot] = HALF * log(
                    (cells + np.float32(GRANTED)) / (days[slot] + HALF)
                )
