"""Protection of rare values: what fewer than k users have does not keep its name in profiles.

    channel of fewer than k users            counted in the channel ``other``
    attribute value of fewer than k users    the text ``other``; missing where it is no text
    count above the k-th largest user's      that user's, window by window

A user's count here is the user's largest cell in the window; where a window has fewer than k users
the least of them is the limit. The user is the unit: several windows of one user are one user.
Users are counted among the profiles that are kept: a first pass counts, a second one protects.

Letters: U profiles, N non-empty cells, C channels, W windows, k the fewest users.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from habitus.profiles.calendar import FROM, UNTIL
from habitus.profiles.sparse import MOST_EVENTS, USER, WINDOW, Profiles, window_starts
from habitus.records import Record
from habitus.schema import Axes, starts_of_runs
from habitus.tables import is_text

OTHER = "other"
FEWEST_USERS = 5
PROTECTION = "protection"
# Columns that say who, and on which days the user was recorded: models need them as they are.
NOT_ATTRIBUTES = (USER, WINDOW, FROM, UNTIL)

Count = Annotated[int, Field(ge=0)]


class ProtectionRecord(Record):
    """Protection of rare values in the JSON of profiles; names of what was rare are not kept.

    Attributes:
        min_users: Fewest users that a channel, an attribute value and the largest counts have.
        channels: Number of channels that became ``other``.
        attributes: Number of values that became ``other`` or missing, by attribute.
        clipped: Number of cells whose count was reduced.
        other_users: Users of the channel ``other``; None where no channel became it.
    """

    min_users: Annotated[int, Field(ge=1)]
    channels: Count = 0
    attributes: dict[str, Count] = Field(default_factory=dict)
    clipped: Count = 0
    other_users: Count | None = None

    def sentence(self) -> str:
        """What was protected, for people."""
        if self.min_users == 1:
            return (
                "rare values are not protected: channels, attribute values and counts stand as in "
                "the log, however few users have them (--min-users 1)"
            )
        values = sum(self.attributes.values())
        text = (
            f"protected below {self.min_users} users: {self.channels:,} channels and {values:,} "
            f"attribute values became '{OTHER}', {self.clipped:,} counts were clipped"
        )
        if self.other_users is not None and self.other_users < self.min_users:
            text += f"; '{OTHER}' itself has only {self.other_users} users"
        return text


def protection_of(about: dict[str, Any]) -> ProtectionRecord | None:
    """Read the protection from the ``about`` of profiles; None where none is recorded."""
    known = about.get(PROTECTION)
    return None if known is None else ProtectionRecord.model_validate(known)


@dataclass
class RareValues:
    """Users who have each channel, attribute value and large count, and what follows from them.

    Profiles of a user stand together, as those that are cut from a log do.

    Attributes:
        axes: Axes of the profiles.
        min_users: Fewest users, k.
        named: Channels that stay although nobody has them, since they were asked for by name.
        channels_are_named: Whether channels come from the log; the single one of a log without
            channels gives nobody away.
    """

    axes: Axes
    min_users: int
    named: tuple[str, ...] = ()
    channels_are_named: bool = True

    def __post_init__(self) -> None:
        self._users_of_channel = np.zeros(len(self.axes.channels), np.int64)
        self._values: dict[str, Counter[Any]] = {}
        self._windows = np.zeros(0, "datetime64[D]")  # of the largest peaks so far
        self._peaks = np.zeros(0, np.float64)
        self._last_user: Any = None
        self._last_channels = np.zeros(len(self.axes.channels), bool)
        self._other_users = 0
        self._last_other: Any = None
        self._clipped = 0
        self._changed: dict[str, int] = {}

    def count(self, chunk: Profiles) -> None:
        """Count the users of the next profiles."""
        if not len(chunk):
            return
        names = chunk.users[USER].combine_chunks()
        codes = pc.call_function("dictionary_encode", [names]).indices.to_numpy()
        first = starts_of_runs(codes)
        user = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(codes))))
        used = np.zeros((len(first), len(self.axes.channels)), bool)
        used[user[chunk.row_of_cell()], chunk.cells % len(self.axes.channels)] = True
        goes_on = names[0].as_py() == self._last_user
        if goes_on:
            self._users_of_channel -= self._last_channels
            used[0] |= self._last_channels
        self._users_of_channel += used.sum(0)
        self._last_user = names[-1].as_py()
        self._last_channels = used[-1]
        who = chunk.users.take(pa.array(first[1:] if goes_on else first))
        for name in chunk.users.column_names:
            if name not in NOT_ATTRIBUTES:
                known = who[name].drop_null().to_pylist()
                self._values.setdefault(name, Counter()).update(known)
        self._count_peaks(chunk)

    def _count_peaks(self, chunk: Profiles) -> None:
        """Keep the k largest users' counts of each window."""
        windows = np.concatenate([self._windows, window_starts(chunk.users, self.axes)])
        peaks = np.concatenate([self._peaks, chunk.peaks()])
        order = np.lexsort((-peaks, windows))
        windows = windows[order]
        starts = np.flatnonzero(np.append(True, windows[1:] != windows[:-1]))
        rank = np.arange(len(windows)) - np.repeat(starts, np.diff(np.append(starts, len(windows))))
        self._windows = windows[rank < self.min_users]
        self._peaks = peaks[order][rank < self.min_users]

    @property
    def _rare_channels(self) -> NDArray[np.bool_]:
        """Channels that become ``other``, [C]."""
        if not self.channels_are_named:
            return np.zeros(len(self.axes.channels), bool)
        users = self._users_of_channel
        kept = np.array([name == OTHER for name in self.axes.channels])
        kept |= (users == 0) & np.array([name in self.named for name in self.axes.channels])
        return (users < self.min_users) & ~kept

    @property
    def protected_axes(self) -> Axes:
        """Axes of the protected profiles; ``other`` comes last where the log has none."""
        return replace(self.axes, channels=self._targets()[0])

    def _targets(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Channels of the protected profiles, and the one that each channel becomes, [C]."""
        rare = self._rare_channels
        names = [name for name, few in zip(self.axes.channels, rare, strict=True) if not few]
        if rare.any() and OTHER not in names:
            names.append(OTHER)
        becomes = [
            OTHER if few else name for name, few in zip(self.axes.channels, rare, strict=True)
        ]
        return tuple(names), np.array([names.index(name) for name in becomes], np.int64)

    def protect(self, chunk: Profiles) -> Profiles:
        """Protect profiles that were counted; in the same order as they were."""
        if not len(chunk):
            return replace(chunk, axes=self.protected_axes)
        if self._rare_channels.any():
            chunk = self._with_merged_channels(chunk)
        starts = np.flatnonzero(np.append(True, self._windows[1:] != self._windows[:-1]))
        limits = np.minimum.reduceat(self._peaks, starts)
        window = np.searchsorted(self._windows[starts], window_starts(chunk.users, self.axes))
        limit = limits[window][chunk.row_of_cell()]
        self._clipped += int((chunk.values > limit).sum())
        values = np.minimum(chunk.values, limit).astype(chunk.values.dtype)
        return replace(chunk, values=values, users=self._with_common_values(chunk.users))

    def _with_merged_channels(self, chunk: Profiles) -> Profiles:
        """Add up the counts of rare channels in ``other``."""
        axes = self.protected_axes
        slot, channel = np.divmod(chunk.cells, len(self.axes.channels))
        becomes = self._targets()[1][channel]
        self._count_other(chunk, becomes == axes.channels.index(OTHER))
        cells = slot.astype(np.int64) * len(axes.channels) + becomes
        keys = chunk.row_of_cell() * axes.cells + cells
        order = np.argsort(keys, kind="stable")
        starts = starts_of_runs(keys[order])
        sums = np.add.reduceat(chunk.values[order].astype(np.float64), starts)
        row, cell = np.divmod(keys[order][starts], axes.cells)
        ends = np.searchsorted(row, np.arange(len(chunk) + 1))
        values = np.minimum(sums, MOST_EVENTS).astype(chunk.values.dtype)
        return replace(
            chunk, axes=axes, indptr=ends.astype(np.int64), cells=cell.astype(np.int32),
            values=values,
        )  # fmt: skip

    def _count_other(self, chunk: Profiles, rare: NDArray[np.bool_]) -> None:
        """Count the users of the channel ``other``; ``rare`` marks its cells, [N]."""
        rows = np.unique(chunk.row_of_cell()[rare])
        users = set(chunk.users[USER].take(pa.array(rows)).to_pylist())
        self._other_users += len(users - {self._last_other})
        if users:
            self._last_other = chunk.users[USER][int(rows[-1])].as_py()

    def _with_common_values(self, users: pa.Table) -> pa.Table:
        """Replace attribute values of few users, texts by ``other``, other types by none."""
        for at, name in enumerate(users.column_names):
            found = self._values.get(name)
            if found is None:
                continue
            rare = [value for value, count in found.items() if count < self.min_users]
            if not rare:
                continue
            column = users[name].combine_chunks()
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            few = pc.call_function(
                "is_in", [column], pc.SetLookupOptions(pa.array(rare, column.type))
            )
            instead = pa.scalar(OTHER if is_text(column.type) else None, column.type)
            self._changed[name] = len([value for value in rare if value != OTHER])
            users = users.set_column(at, name, pc.call_function("if_else", [few, instead, column]))
        return users

    def to_json(self) -> dict[str, Any]:
        """The entry of ``about``, complete once all profiles were protected."""
        rare = int(self._rare_channels.sum())
        record = ProtectionRecord(
            min_users=self.min_users, channels=rare, attributes=self._changed,
            clipped=self._clipped, other_users=self._other_users if rare else None,
        )  # fmt: skip
        return {PROTECTION: record.model_dump()}
