"""Summary of a set of profiles from one pass: all that the figures need, not growing with N.

Letters: U users, D days, S slots, C channels, N non-empty cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import blocks, is_count
from habitus.evaluation.metrics.silences import silences
from habitus.schema import (
    DAYS_PER_WEEK,
    Axes,
    BoolArray,
    FloatArray,
    IntArray,
    ProfileSource,
    Values,
)


@dataclass(frozen=True)
class Summary:
    """Sums over a set of profiles; "normalised" values are shares of the profile's largest cell.

    Attributes:
        axes: Axes of the set.
        daily_totals: Total interaction count of each user on each day: normalised values summed
            over slots and channels ("Time pictures" 5.1, footnote 1), float32 [U, D].
        raw_daily_totals: Daily totals in events, float32 [U, D] (exact up to 16,777,216); None
            unless the set holds counts.
        active: Whether the user has any non-empty cell on the day, [U, D] ("Time pictures" 5.3.2).
        mean_picture: Normalised values averaged over users, float64 [D, S, C].
        nonempty: Non-empty cells in the whole set (N).
        channel_overlap: User-hours (slots) in which both channels are non-empty, int64 [C, C];
            on the diagonal, those in which the channel is.
        channel_totals: Normalised values of each user summed by channel, float32 [U, C].
        raw_channel_totals: Channel totals in events; None unless the set holds counts.
        silent_slots: Silences by their length in slots, between active slots of the same user,
            int64 [D S].
    """

    axes: Axes
    daily_totals: NDArray[np.float32]
    raw_daily_totals: NDArray[np.float32] | None
    active: BoolArray
    mean_picture: NDArray[np.float64]
    nonempty: int
    channel_overlap: NDArray[np.int64]
    channel_totals: NDArray[np.float32]
    raw_channel_totals: NDArray[np.float32] | None
    silent_slots: NDArray[np.int64]

    @property
    def users(self) -> int:
        """Number of profiles in the set (U)."""
        return len(self.active)

    @property
    def empty_share(self) -> float:
        """Share of the U x D x S x C cells that are empty."""
        return 1 - self.nonempty / max(self.users * self.axes.cells, 1)

    @cached_property
    def slot_channel(self) -> NDArray[np.float64]:
        """Shape of the day: the mean picture averaged over days, [S, C]."""
        return self.mean_picture.mean(axis=0)

    @cached_property
    def days_of_weekday(self) -> BoolArray:
        """Mask of the days that fall on each weekday, Monday first, [7, D].

        It is nowhere true where the axes do not fix the weekday.
        """
        weekdays = [self.axes.weekday(day) for day in range(self.axes.days)]
        return np.array([
            [weekday == each for weekday in weekdays] for each in range(DAYS_PER_WEEK)
        ])  # fmt: skip

    @cached_property
    def weekday_slot_channel(self) -> NDArray[np.float64] | None:
        """Mean picture averaged over the days of each weekday, [7, S, C].

        A mean and not a sum, since a window seldom has each weekday equally often. Weekdays that
        the window lacks are zero. None where the axes do not fix the weekday.
        """
        belongs = self.days_of_weekday
        if not belongs.any():
            return None
        weights = belongs / np.maximum(belongs.sum(axis=1, keepdims=True), 1)
        return np.einsum("wd,dsc->wsc", weights, self.mean_picture)

    def week(self, axis: int) -> NDArray[np.float64] | None:
        """Activity by weekday and channel [7, C], or slot [7, S]; NaN for weekdays it lacks.

        Args:
            axis: Axis of [7, S, C] that is summed over: 1 for slots, 2 for channels.

        Returns:
            The sums; None where the axes do not fix the weekday.
        """
        if self.weekday_slot_channel is None:
            return None
        week = self.weekday_slot_channel.sum(axis=axis)
        week[~self.days_of_weekday.any(axis=1)] = np.nan
        return week


def summarise(source: ProfileSource, rows: BoolArray | None = None) -> Summary:
    """Read a set once, chunk by chunk; memory is bounded by U x D (9 bytes) and one chunk.

    Args:
        source: The set, U profiles.
        rows: Mask of the profiles to include, [U]; all when absent.

    Returns:
        The sums over the included profiles.

    Raises:
        ValueError: if the mask has another length than the set.
    """
    axes = source.axes
    days, slots, channels = axes.shape
    users = len(source) if rows is None else int(np.count_nonzero(rows))
    daily_totals = np.zeros((users, days), np.float32)
    channel_totals = np.zeros((users, channels), np.float32)
    raw_daily_totals = np.zeros_like(daily_totals) if is_count(axes) else None
    raw_channel_totals = np.zeros_like(channel_totals) if is_count(axes) else None
    active = np.zeros((users, days), bool)
    picture = np.zeros(axes.cells)
    overlap = np.zeros((channels, channels), np.int64)
    silent_slots = np.zeros(days * slots, np.int64)
    nonempty = 0
    filled = 0
    for block in blocks(source, rows):
        part = slice(filled, filled + len(block))
        values = block.peak_values(axes)
        user = block.users()
        user_days = user * days + block.cells // (slots * channels)
        user_channels = user * channels + block.cells % channels
        _sum(daily_totals[part], user_days, values)
        _sum(channel_totals[part], user_channels, values)
        if raw_daily_totals is not None and raw_channel_totals is not None:
            _sum(raw_daily_totals[part], user_days, block.values)
            _sum(raw_channel_totals[part], user_channels, block.values)
        active[part].reshape(-1)[user_days] = True
        picture += np.bincount(block.cells, values, axes.cells)
        hours = user * days * slots + block.cells // channels
        overlap += _overlap(hours, block.cells % channels, channels)
        silent_slots += silences(hours, days * slots)
        nonempty += len(values)
        filled = part.stop
    assert filled == users, "the chunks hold another number of profiles than the set says"
    return Summary(
        axes=axes,
        daily_totals=daily_totals,
        raw_daily_totals=raw_daily_totals,
        active=active,
        mean_picture=(picture / max(users, 1)).reshape(axes.shape),
        nonempty=nonempty,
        channel_overlap=overlap,
        channel_totals=channel_totals,
        raw_channel_totals=raw_channel_totals,
        silent_slots=silent_slots,
    )


def _sum(totals: NDArray[np.float32], index: IntArray, values: FloatArray | Values) -> None:
    """Put sums by index into a table."""
    totals.reshape(-1)[:] = np.bincount(index, values, totals.size)


def _overlap(hours: IntArray, channel: IntArray, channels: int) -> NDArray[np.int64]:
    """Count pairs of channels within an hour, [C, C].

    Cells are sorted, so an hour is a run of at most C of them.
    """
    pairs = np.zeros(channels * channels, np.int64)
    for lag in range(channels):
        begin = slice(None, len(hours) - lag)
        end = slice(lag, None)
        same = hours[begin] == hours[end]
        if not same.any():
            break
        keys = channel[begin][same] * channels + channel[end][same]
        pairs += np.bincount(keys, minlength=len(pairs))
    upper = pairs.reshape(channels, channels)
    return upper + np.triu(upper, 1).T
