"""Compiled loops over users that keep their history and compute its features.

Letters: B users, S slots, C channels, P pairs of channels, F features, R features of a slot, n some
of the users.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from habitus.models.rhythm.history.balance import EXACT_DIFFERENCE, LARGEST_DIFFERENCE
from habitus.models.rhythm.history.features import (
    DAY_DECAY,
    PSEUDO_DAYS,
    RECENT_DAYS,
    SLOT_DECAY,
    SLOT_FEATURES,
)
from habitus.models.rhythm.sampling.kernels.compiled import HALF, ONE, ZERO, compiled, log, write
from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray

SLOT_DECAY_32 = np.float32(SLOT_DECAY)
DAY_DECAY_32 = np.float32(DAY_DECAY)


class HistoryArrays(NamedTuple):
    """Statistics of users' days so far, those of habitus.models.rhythm.history.features.History.

    Weekdays are numbered from that of the first day.
    """

    observed: FloatArray  # [B]
    observed_by_weekday: FloatArray  # [B, 7]
    slot_days: FloatArray  # [B, S]
    slot_days_by_weekday: FloatArray  # [B, 7, S]
    cell_days: FloatArray  # [B, S, C]
    last_by_weekday: FloatArray  # activity of slots on the last day of each weekday, [B, 7, S]
    yesterday: FloatArray  # [B, S]
    recent_slots: FloatArray  # [B, S]
    now: FloatArray  # balance of the pairs, [B, P]
    lowest: FloatArray  # [B, P]
    highest: FloatArray  # [B, P]
    total: FloatArray  # [B, C]
    largest: FloatArray  # [B, C]
    logs: FloatArray  # [B, C]
    ones: FloatArray  # [B, C]
    recent_activity: FloatArray  # [B, 2]
    active: FloatArray  # [B]
    recent_days: FloatArray  # [B, 28]
    active_by_weekday: FloatArray  # [B, 7]
    silence: FloatArray  # [B]
    run: FloatArray  # [B]
    longest: FloatArray  # [B, 2]
    most_slots: FloatArray  # [B]


def empty_history(users: int, slots: int, channels: int, pairs: int) -> HistoryArrays:
    """History of users before their first day."""
    week = DAYS_PER_WEEK
    shapes = (
        (), (week,), (slots,), (week, slots), (slots, channels), (week, slots), (slots,), (slots,),
        (pairs,), (pairs,), (pairs,), (channels,), (channels,), (channels,), (channels,), (2,),
        (), (RECENT_DAYS,), (week,), (), (), (2,), (),
    )  # fmt: skip
    return HistoryArrays(*(np.zeros((users, *shape), np.float32) for shape in shapes))


# Adding a day


@compiled
def add_day(
    history: HistoryArrays,
    x: FloatArray,
    users: IntArray,
    observed: BoolArray,
    weekday: int,
    pairs: IntArray,
) -> None:
    """Add a day to the history of the users of whom it was observed.

    Args:
        history: History, changed.
        x: Counts of the active users, [n, S, C].
        users: Numbers of these, [n].
        observed: Whether the day was observed, [B].
        weekday: Weekday of the day.
        pairs: Pairs of channels, [P, 2].
    """
    for user in range(len(observed)):
        if observed[user]:
            for slot in range(history.yesterday.shape[1]):
                history.yesterday[user, slot] = ZERO
    for i, user in enumerate(users):
        if observed[user]:
            active = add_counts(history, x[i], user)
            if active > 0:
                for slot in range(history.yesterday.shape[1]):
                    was_active = history.yesterday[user, slot]
                    history.slot_days[user, slot] += was_active
                    history.slot_days_by_weekday[user, weekday, slot] += was_active
                now = history.now[user]
                for slot in range(x.shape[1]):
                    add_to_balance(
                        now, history.lowest[user], history.highest[user], x[i, slot], pairs
                    )
                history.active[user] += 1
                history.active_by_weekday[user, weekday] += 1
                history.most_slots[user] = max(history.most_slots[user], active)
    for user in range(len(observed)):
        if observed[user]:
            end_day(history, user, weekday)


@compiled
def add_counts(history: HistoryArrays, x: FloatArray, user: int) -> Any:
    """Add the counts [S, C] of a day of one user; return the number of active slots."""
    active = ZERO
    for slot in range(x.shape[0]):
        for channel in range(x.shape[1]):
            count = x[slot, channel]
            if count > 0:
                history.cell_days[user, slot, channel] += 1
                history.total[user, channel] += count
                history.largest[user, channel] = max(history.largest[user, channel], count)
                history.logs[user, channel] += log(count)
                history.ones[user, channel] += ONE if count == 1 else ZERO
                history.yesterday[user, slot] = ONE
        active += history.yesterday[user, slot]
    return active


@compiled
def add_to_balance(
    now: FloatArray, lowest: FloatArray, highest: FloatArray, counts: FloatArray, pairs: IntArray
) -> None:
    """Add the counts [C] of a slot to the balance of pairs, [P] each."""
    for pair in range(len(pairs)):
        now[pair] += counts[pairs[pair, 0]] - counts[pairs[pair, 1]]
        lowest[pair] = min(lowest[pair], now[pair])
        highest[pair] = max(highest[pair], now[pair])


@compiled
def end_day(history: HistoryArrays, user: int, weekday: int) -> None:
    """Update what changes with every observed day of a user, active or not."""
    active = ZERO
    for slot in range(history.recent_slots.shape[1]):
        now = history.yesterday[user, slot]
        active += now
        history.last_by_weekday[user, weekday, slot] = now
        before = history.recent_slots[user, slot]
        history.recent_slots[user, slot] = SLOT_DECAY_32 * before + (ONE - SLOT_DECAY_32) * now
    for day in range(RECENT_DAYS - 1, 0, -1):
        history.recent_days[user, day] = history.recent_days[user, day - 1]
    any_slot = ONE if active > 0 else ZERO
    history.recent_days[user, 0] = any_slot
    recent = history.recent_activity[user]
    recent[0] = DAY_DECAY_32 * recent[0] + (ONE - DAY_DECAY_32) * any_slot
    recent[1] = DAY_DECAY_32 * recent[1] + (ONE - DAY_DECAY_32) * log(ONE + active)
    history.silence[user] = ZERO if active > 0 else history.silence[user] + 1
    history.run[user] = history.run[user] + 1 if active > 0 else ZERO
    longest = history.longest[user]
    if history.active[user] > 0:
        longest[0] = max(longest[0], history.silence[user])
    longest[1] = max(longest[1], history.run[user])
    history.observed[user] += 1
    history.observed_by_weekday[user, weekday] += 1


# Features


@compiled
def log_share(days: Any, out_of: Any) -> Any:
    """Logarithm of a share of days, as habitus.models.rhythm.history.features.log_share."""
    return HALF * (log((days + np.float32(PSEUDO_DAYS)) / (out_of + ONE)) + np.float32(3))


@compiled
def write_log_shares(days: FloatArray, out_of: Any, features: FloatArray) -> None:
    """Write the logarithms of several shares of days."""
    for k in range(len(days)):
        features[k] = log_share(days[k], out_of)


@compiled
def largest_of(numbers: FloatArray) -> Any:
    """Largest of some numbers that are not negative."""
    found = ZERO
    for k in range(len(numbers)):
        found = max(found, numbers[k])
    return found


@compiled
def write_features(
    history: HistoryArrays, weekday: int, weeks: Any, table: FloatArray, rows: FloatArray
) -> None:
    """Write all features in the order of History.features to the first F numbers of rows [B, ...].

    Args:
        history: History before a day.
        weekday: Weekday of the day.
        weeks: Whole weeks before the day.
        table: Features of differences, [T, 8].
        rows: Overwritten.
    """
    slots, channels = history.cell_days.shape[1:]
    pairs = history.now.shape[1]
    width = table.shape[1]
    for user in range(len(rows)):
        row = rows[user]
        on_weekday = history.observed_by_weekday[user, weekday]
        write_log_shares(history.slot_days[user], history.observed[user], row[:slots])
        by_weekday = history.slot_days_by_weekday[user, weekday]
        write_log_shares(by_weekday, on_weekday, row[slots : 2 * slots])
        write(history.yesterday[user], row[2 * slots : 3 * slots])
        write(history.last_by_weekday[user, weekday], row[3 * slots : 4 * slots])
        begin = 4 * slots
        for channel in range(channels):
            row[begin + channel] = np.float32(0.3) * log(ONE + history.total[user, channel])
        write_channel_features(history, user, row[begin + channels : begin + 5 * channels])
        begin += 5 * channels
        for pair in range(pairs):
            now = history.now[user, pair]
            below = now - history.lowest[user, pair]
            above = history.highest[user, pair] - now
            for kind, difference in enumerate((now, below, above)):
                place = begin + (kind * pairs + pair) * width
                write(table[row_of_difference(difference)], row[place : place + width])
        begin += 3 * pairs * width
        write_numbers(history, user, weekday, row[begin : begin + 16])
        begin += 16
        write(history.recent_days[user], row[begin : begin + RECENT_DAYS])
        begin += RECENT_DAYS
        for day in range(DAYS_PER_WEEK):
            which = (weekday + day) % DAYS_PER_WEEK
            # the week under way counts among active days only
            whole = min(history.observed_by_weekday[user, which], np.float32(weeks))
            row[begin + day] = log_share(history.active_by_weekday[user, which], whole)


@compiled
def row_of_difference(difference: Any) -> int:
    """Row of a difference in the table of their features."""
    return int(min(max(difference, -LARGEST_DIFFERENCE), LARGEST_DIFFERENCE)) + LARGEST_DIFFERENCE


@compiled
def indicator_of_difference(difference: Any) -> int:
    """Compute which of the 7 indicators of a difference is 1: 0 for -3 or less to 6 for 3 on."""
    return int(min(max(difference, -EXACT_DIFFERENCE), EXACT_DIFFERENCE)) + EXACT_DIFFERENCE


@compiled
def write_channel_features(history: HistoryArrays, user: int, features: FloatArray) -> None:
    """Write the features of the channels of one user, as History.channel_features, [4 C]."""
    channels = history.total.shape[1]
    for channel in range(channels):
        cells = ZERO
        for slot in range(history.cell_days.shape[1]):
            cells += history.cell_days[user, slot, channel]
        some = max(cells, ONE)
        features[channel] = np.float32(0.3) * log(ONE + history.largest[user, channel])
        features[channels + channel] = history.logs[user, channel] / some
        features[2 * channels + channel] = history.ones[user, channel] / some
        features[3 * channels + channel] = log_share(cells, history.observed[user])


@compiled
def write_numbers(history: HistoryArrays, user: int, weekday: int, numbers: FloatArray) -> None:
    """Write the features of days and of novelty of one user, as in History.features, [16]."""
    observed = history.observed[user]
    on_weekday = history.observed_by_weekday[user, weekday]
    slot_days = history.slot_days[user]
    numbers[0] = history.active[user]
    numbers[1] = history.silence[user]
    numbers[2] = history.run[user]
    numbers[3] = history.longest[user, 0]
    numbers[4] = history.longest[user, 1]
    numbers[5] = history.most_slots[user]
    numbers[6] = ZERO
    numbers[7] = ZERO
    numbers[8] = ZERO
    for slot in range(len(slot_days)):
        numbers[6] += slot_days[slot]
        numbers[7] += ONE if slot_days[slot] > 0 else ZERO
        numbers[8] += ONE if slot_days[slot] == 1 else ZERO
    for k in range(9):
        numbers[k] = log(ONE + numbers[k])
    numbers[9] = history.recent_activity[user, 0] + history.recent_activity[user, 1]
    numbers[10] = history.recent_activity[user, 0]
    numbers[11] = history.recent_activity[user, 1]
    numbers[12] = log_share(history.active[user], observed)
    numbers[13] = log_share(history.active_by_weekday[user, weekday], on_weekday)
    numbers[14] = largest_of(history.last_by_weekday[user, weekday])
    most = largest_of(history.slot_days_by_weekday[user, weekday])
    numbers[15] = log_share(most, on_weekday)


@compiled
def write_day_history(
    history: HistoryArrays,
    users: IntArray,
    weekday: int,
    of_slots: FloatArray,
    of_channels: FloatArray,
) -> None:
    """Write the features of slots [n, R, S] and channels [n, 4 C] that a day depends on.

    They are those of History.slot_features and History.channel_features. Slots are the last axis,
    so that features of many slots are computed side by side.
    """
    for i, user in enumerate(users):
        write_channel_features(history, user, of_channels[i])
        rows = of_slots[i]
        days = history.slot_days[user]
        observed = history.observed[user]
        on_weekday = history.observed_by_weekday[user, weekday]
        slots = len(days)
        write_log_shares(days, observed, rows[0])
        for slot in range(slots):
            # reading within bounds in any case leaves no branch, and the loop is vectorised
            before = days[max(slot - 1, 0)]
            after = days[min(slot + 1, slots - 1)]
            near = (
                (before if slot > 0 else ZERO) + days[slot] + (after if slot + 1 < slots else ZERO)
            )
            rows[1, slot] = log_share(near / 3, observed)
        for slot in range(slots):
            recent = history.recent_slots[user, slot]
            rows[2, slot] = HALF * (log(recent + np.float32(0.02)) + np.float32(3))
        write_log_shares(history.slot_days_by_weekday[user, weekday], on_weekday, rows[3])
        write(history.last_by_weekday[user, weekday], rows[4])
        write(history.yesterday[user], rows[5])
        for slot in range(slots):
            rows[6, slot] = ONE if days[slot] == 0 else ZERO
            rows[7, slot] = ONE if days[slot] == 1 else ZERO
        for channel in range(history.cell_days.shape[2]):
            for slot in range(slots):
                cells = history.cell_days[user, slot, channel]
                share = (cells + np.float32(PSEUDO_DAYS)) / (days[slot] + HALF)
                rows[SLOT_FEATURES + channel, slot] = HALF * log(share)
