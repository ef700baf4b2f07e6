"""Users drawn from a model in chunks that are independent of each other.

The size of a chunk depends on its number, the model and the size of a profile
(habitus.synthesis.chunks). Each chunk has its own draws, whose seed is made of the population's
seed, the number of the chunk and the number of the attempt to fill it. A population is therefore
the same whether it is drawn at once or in shards, and its first users do not depend on how many
follow.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.models.base import GenerativeModel
from habitus.models.parts.examples import Days
from habitus.models.parts.priors import Prior
from habitus.parallel import by_number
from habitus.profiles.conditions import Conditions
from habitus.profiles.logs import log_format
from habitus.profiles.sparse import USER, Profiles, concat, numbered
from habitus.profiles.wall_clock import onto_slots_that_exist
from habitus.run import Run
from habitus.schema import Axes, FloatArray, IntArray, Progress, no_progress
from habitus.settings import Date, Positive, Seed, Share, configuration
from habitus.settings import Days as DayCount
from habitus.synthesis.attributes import Combinations
from habitus.synthesis.capabilities import generative_model
from habitus.synthesis.chunks import Chunks
from habitus.synthesis.dates import calendar_of, days_of, window_of
from habitus.synthesis.zero_threshold import (
    fit_zero_threshold,
    fit_zero_threshold_of_active,
)
from habitus.tables import is_number
from habitus.training.precision import in_memory_format

TYPICAL = 32 * 24 * 5  # cells of a profile; of larger ones fewer are drawn together
THRESHOLD_PROFILES = 100_000  # "Time pictures" 5.3.2

PATIENCE = 10 * 2048  # users drawn before giving up, and the most of them per accepted user
# Functions that fit the zero threshold, by the treatment of inactive users.
INACTIVE = {
    "redraw": fit_zero_threshold_of_active,
    "keep": fit_zero_threshold,
}
FIRST, THRESHOLD, PARTS, AGAIN, ATTRIBUTES = range(5)  # streams of random numbers

SPARE = 1.25  # largest number of users drawn together, relative to the largest chunk
COHORT = "cohort"  # column with the number of a user's cohort
WHOLE = (1, 1)  # shard that is the whole population: number 1 of 1


@configuration
class GenerateConfig:
    """Settings of a population.

    Attributes:
        users: Number of users.
        seed: Seed of all draws.
        prior: mixture (fitted to the training users' latents) or normal, N(0, I).
        threshold: Values up to it become zero; None fits it to the training users' daily activity
            as "Time pictures" 5.3.2 does, where the model cannot draw true zeros; 0 turns it off.
        inactive: Treatment of a user with no activity at all or, of counts, with fewer events or
            days than the training users had at least: redraw draws another one, since a population
            holds users that were active (5.1.2), and fits the threshold to what remains; keep
            leaves them in, as the paper does.
        start: First day of the window; None for the training users'.
        shard: Part of the population to draw, from 1, and the number of parts.
        where: Values of attributes that all users have.
        days: Length of the window; None for that which the model was fitted to.
        holidays: Dates, some of which may be in the window; None for those of the run's own log.
    """

    users: Positive
    seed: Seed = 0
    prior: Literal["mixture", "normal"] = "mixture"
    threshold: Share | None = None
    inactive: Literal["redraw", "keep"] = "redraw"
    start: Date | None = None
    shard: tuple[int, int] = WHOLE
    where: Mapping[str, str] = field(default_factory=dict)
    days: DayCount | None = None
    holidays: tuple[dt.date, ...] | None = None

    def __post_init__(self) -> None:
        number, of = self.shard
        if not 1 <= number <= of:
            raise ValueError(
                f"a shard is 1/{max(of, 1)} to {max(of, 1)}/{max(of, 1)}, got {number}/{of}"
            )


@dataclass(frozen=True)
class Part:
    """Part of a population, whose latents are drawn from one distribution.

    Attributes:
        prior: The distribution; None for N(0, I).
        active_share: Share of users active on each day, [D], which their zero threshold is fitted
            to; None for the training users'.
        weight: Relative number of the population's users in this part.
        cohort: The number of their cohort, which the population's users say; None where they are of
            none.
    """

    prior: Prior | None
    active_share: FloatArray | None = None
    weight: float = 1.0
    cohort: int | None = None


@dataclass(frozen=True)
class Source:
    """Source of the users of a population.

    Attributes:
        parts: One or more; the weights hold for users after those without activity were drawn
            again.
        about: Provenance that the population's ``about`` repeats.
    """

    parts: tuple[Part, ...]
    about: dict[str, Any]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Weights of the parts, with sum 1."""
        weights = np.array([part.weight for part in self.parts])
        return weights / weights.sum()


class Drawing:
    """Population that is drawn chunk by chunk, on demand.

    Attributes:
        axes: Axes of its profiles.
        about: Provenance; complete once all users are drawn.
        users: Number drawn so far.
    """

    def __init__(self, run: Run, config: GenerateConfig, source: Source) -> None:
        self.config = config
        self.source = source
        model = in_memory_format(generative_model(run.model), torch.channels_last).eval()
        self.axes: Axes = window_of(model, config.days, config.start)
        self.calendar = calendar_of(self.axes, run.about, config.holidays)
        self.attributes = Combinations.of(model, run.about, config.where)
        most = min(model.sample_batch, max(1, model.sample_batch * TYPICAL // self.axes.cells))
        self.in_chunks = Chunks(config.users, most)
        keep = config.inactive == "keep"
        conditions = (
            None
            if keep
            else Conditions.of(run.about)
            if self.axes.unit == "count"
            else Conditions()
        )
        share = np.asarray(run.about["active_share"])
        days = days_of(self.axes, self.calendar)
        met = run.about.get("conditions_met", 1.0) if conditions else 1.0
        self.draws = draws = _Draws(
            model, self.axes, days, config, conditions, met, share, most, self.attributes
        )
        self.parts = [_Users(draws, part, number) for number, part in enumerate(source.parts)]
        self.users = 0
        self.text = _named_in_text(run.about)
        self.about = self._about(run, conditions)

    @property
    def zero_threshold(self) -> float:
        """Zero threshold that was applied; the mean over users where parts have their own."""
        return float(self.source.shares @ [part.threshold for part in self.parts])

    def _about(self, run: Run, conditions: Conditions | None) -> dict[str, Any]:
        about = {**self.source.about, "inactive": self.config.inactive, "seed": self.config.seed}
        if len(self.parts) > 1:
            about["zero_thresholds"] = [part.threshold for part in self.parts]
        if self.config.shard != WHOLE:
            number, of = self.config.shard
            about["shard"] = {"number": number, "of": of, "users": self.config.users}
        if conditions is not None:
            about |= {"redrawn": 0, "conditions": vars(conditions)}
        if self.config.where:
            about["where"] = dict(self.config.where)
        if "log" in run.about:
            about["log"] = run.about["log"]
        about |= self.calendar.to_json()
        return {"zero_threshold": self.zero_threshold, **about, "run": str(run.path)}

    def pieces(self, on_progress: Progress = no_progress) -> Iterator[tuple[int, Profiles]]:
        """Yield the users chunk by chunk, with the number of each chunk's first one."""
        number, of = self.config.shard
        self.users = 0
        redrawn = 0
        chunks = range(number - 1, len(self.in_chunks), of)
        total = sum(self.in_chunks[chunk][1] for chunk in chunks)
        made = by_number(self._chunk, chunks)
        for chunk, (piece, again) in zip(chunks, made, strict=True):
            yield self.in_chunks[chunk][0], piece
            self.users = self.users + len(piece)
            redrawn = redrawn + again
            on_progress(self.users, total, "generating")
        if "redrawn" in self.about:
            self.about["redrawn"] = redrawn

    def chunks(self, on_progress: Progress = no_progress) -> Iterator[Profiles]:
        """Yield the users chunk by chunk; a single empty chunk where the shard is empty."""
        empty = True
        for _, piece in self.pieces(on_progress):
            empty = False
            yield piece
        if empty:
            yield self.empty()

    def empty(self) -> Profiles:
        """Empty set of profiles, with the columns of all others."""
        none = Profiles.from_dense(
            self.axes, np.zeros((0, *self.axes.shape)), self.draws.users(0, 0)
        )
        return replace(none, users=self._users(0, np.zeros(0, np.int64), none.users))

    def _chunk(self, chunk: int) -> tuple[Profiles, int]:
        """Draw the wanted users of a chunk, its parts mixed, and count those drawn again."""
        begin, size = self.in_chunks[chunk]
        rng = np.random.default_rng([self.config.seed, PARTS, chunk])
        of_part = rng.choice(len(self.parts), size, p=self.source.shares)
        sizes = np.bincount(of_part, minlength=len(self.parts)).tolist()
        of_part = of_part[: self.config.users - begin]
        needed = np.bincount(of_part, minlength=len(self.parts)).tolist()
        parts = zip(self.parts, sizes, needed, strict=True)
        taken = [part.take(chunk, size, first) for part, size, first in parts if first]
        drawn = concat([profiles for profiles, _ in taken])
        place = np.argsort(np.argsort(of_part, kind="stable"))
        drawn = drawn.take(place)
        drawn = replace(drawn, users=self._users(begin, of_part, drawn.users))
        return drawn, sum(redrawn for _, redrawn in taken)

    def _users(self, first: int, of_part: NDArray[np.int64], drawn: pa.Table) -> pa.Table:
        """Table of drawn users: number (text as in the log), attributes, and any cohort."""
        users = numbered(len(of_part), first, self.text)
        for name in drawn.column_names[1:]:
            users = users.append_column(name, drawn[name])
        cohorts = [part.cohort for part in self.source.parts]
        if None in cohorts:
            return users
        return users.append_column(COHORT, pa.array(np.array(cohorts, np.int32)[of_part]))


@dataclass(frozen=True)
class _Draws:
    """Settings and model that all parts of a population share.

    Attributes:
        model: The model.
        axes: Axes of the profiles.
        days: Days of the window, [1, D].
        config: Settings of the population.
        conditions: Conditions that users must meet; None for none.
        met: Share of drawn users who meet them, as far as is known.
        active_share: Share of the training users active on each day, [D].
        most: Profiles of a chunk; up to ``SPARE`` times as many are drawn together.
        attributes: Attributes of users; None for none.
    """

    model: GenerativeModel
    axes: Axes
    days: Days
    config: GenerateConfig
    conditions: Conditions | None
    met: float
    active_share: FloatArray
    most: int
    attributes: Combinations | None

    def draw(self, size: int, prior: Prior | None, *numbers: int) -> NDArray[np.float32]:
        """Draw dense profiles before any threshold, the same for the same numbers."""
        seed = np.random.SeedSequence([self.config.seed, *numbers]).generate_state(1)[0]
        generator = Generator().manual_seed(int(seed))
        codes = self.codes(size, *numbers)
        with torch.no_grad():
            given = None if codes is None else torch.from_numpy(codes)
            return self.model.sample(size, generator, prior, self.days, given).numpy()

    def codes(self, size: int, *numbers: int) -> NDArray[np.int64] | None:
        """Draw attribute codes of the users, [size, A]."""
        if self.attributes is None:
            return None
        return self.attributes.draw(
            size, np.random.default_rng([self.config.seed, ATTRIBUTES, *numbers])
        )

    def users(self, size: int, *numbers: int) -> pa.Table:
        """Table of the users with their attributes."""
        codes = self.codes(size, *numbers)
        columns = {} if self.attributes is None or codes is None else self.attributes.columns(codes)
        return pa.table({USER: np.arange(size), **columns})


class _Users:
    """Drawn users of one part of a population.

    Attributes:
        threshold: Values up to it become zero.
    """

    def __init__(self, draws: _Draws, part: Part, number: int) -> None:
        self.draws = draws
        self.part = part
        self.number = number
        self.own = [number] if number else []
        share = draws.active_share if part.active_share is None else np.asarray(part.active_share)
        self.threshold = self._threshold(share)

    def take(self, chunk: int, size: int, needed: int) -> tuple[Profiles, int]:
        """Draw this part's users of a chunk; return them and the number of rejected users.

        Args:
            chunk: Number of the chunk.
            size: Number of this part's users in the whole chunk.
            needed: Number of users to return, the first of these ``size``.

        Raises:
            ValueError: if hardly any drawn user meets the conditions.
        """
        pieces = list[Profiles]()
        taken = 0
        drawn = 0
        redrawn = 0
        while taken < needed:
            self._check_enough(taken, drawn)
            wanted = self._wanted(size - taken, taken, drawn)
            some = self._draw(chunk, len(pieces), wanted)
            met = self._met(some)[: needed - taken]
            pieces.append(some.take(met))
            taken = taken + len(met)
            drawn = drawn + wanted
            redrawn += (int(met[-1]) + 1 if taken == needed else wanted) - len(met)
        return concat(pieces), redrawn

    def _wanted(self, missing: int, taken: int, drawn: int) -> int:
        """Number to draw so that, as a rule, the missing users are among them."""
        met = taken / drawn if drawn else self.draws.met
        if not met:
            return self.draws.most
        expected = missing / met
        spare = 3 * math.sqrt(expected * (1 - met) / met)  # standard deviations
        return min(math.ceil(SPARE * self.draws.most), math.ceil(expected + spare))

    def _draw(self, chunk: int, attempt: int, size: int) -> Profiles:
        """Draw profiles for a chunk."""
        numbers = (AGAIN, chunk, self.number, attempt) if attempt else (FIRST, chunk, *self.own)
        x = self.draws.draw(size, self.part.prior, *numbers)
        if self.threshold:
            x = np.where(x > self.threshold, 1 if self.draws.axes.unit == "binary" else x, 0)
        profiles = Profiles.from_dense(self.draws.axes, x, self.draws.users(size, *numbers))
        return onto_slots_that_exist(profiles) if self.draws.axes.unit == "count" else profiles

    def _met(self, profiles: Profiles) -> IntArray:
        """Rows of the users who meet the conditions."""
        if self.draws.conditions is None:
            return np.arange(len(profiles))
        return np.flatnonzero(self.draws.conditions.met(profiles))

    def _check_enough(self, taken: int, drawn: int) -> None:
        if drawn >= PATIENCE and taken < drawn / PATIENCE:
            above = (
                f" above the threshold {self.threshold:g}; give a lower one, or"
                if self.threshold
                else ";"
            )
            raise ValueError(
                f"only {taken} of {drawn:,} users drawn have {self.draws.conditions}{above} keep "
                "the inactive"
            )

    def _threshold(self, active_share: FloatArray) -> float:
        """Threshold to apply: given, 0 where zeros are exact, or fitted on further drawn users."""
        config = self.draws.config
        most = self.draws.most
        if config.threshold is not None:
            return config.threshold
        if self.draws.model.exact_zeros:
            return 0.0
        size = min(THRESHOLD_PROFILES, max(config.users, most))
        streams = ((THRESHOLD, chunk, *self.own) for chunk in range(-(-size // most)))
        maxima = [self.draws.draw(most, self.part.prior, *stream).max((2, 3)) for stream in streams]
        return INACTIVE[config.inactive](active_share, np.concatenate(maxima))


def _named_in_text(about: dict[str, Any]) -> bool:
    """Tell whether the log names its users by texts, not numbers."""
    if not about.get("log"):
        return False
    form = log_format(about)
    return not is_number(form.schema.field(form.user).type)
