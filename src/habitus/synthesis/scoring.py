"""Likelihood of users under a fitted model, and oddness among users who are about as active.

    n_u = -log p(x_u) / max(k_u, 1)                     nats per active slot, k_u of them
    oddness_u = (n_u - median n_v) / (1.4826 MAD n_v)   v: peers, a tenth of the users, those
                                                        about as active as u

More activity is less likely as such, so users are compared with equally active peers. Median and
median absolute deviation (MAD) are not moved by a few odd ones among the peers; for Gaussian n_v
the oddness has variance 1. The same is computed of each part of -log p, and of the day on which it
is largest: they tell what is odd.

Letters: U users (profiles), D days, S slots, C channels, P parts, V users that others are compared
with.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.events.writing import file_format
from habitus.files import Mark, replacing
from habitus.memory import check_memory
from habitus.models.base import ScoringModel
from habitus.profiles.batches import Population, pieces
from habitus.profiles.sparse import Profiles, window_starts
from habitus.run import Run
from habitus.schema import IntArray, Progress, no_progress, starts_of_runs
from habitus.synthesis.capabilities import scoring_model
from habitus.synthesis.completion import check_axes
from habitus.training.encoding import Known, examples_of, known_to, observed_of

MOST_PROFILES = 256  # profiles scored together, at most
CELLS = 1 << 20  # cells of profiles scored together, at most
PEER_SHARE = 0.1  # share of the users compared with who are a user's peers
LEAST_PEERS = 50
MOST_PEERS = 2000
CONSISTENT = 1.4826  # standard deviation of a Gaussian over its median absolute deviation
LEAST_SPREAD = 1e-6  # floor of the peers' robust standard deviation, in nats
ALL = "all"
ONE_DAY = "one_day"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Likelihoods:
    """Likelihoods of U users under a model.

    Attributes:
        log_likelihood: Log p(x) in nats, a bound that more samples make tighter, [U].
        parts: -log p by what it is for, in nats; they add up to about that, each [U].
        active_slots: Slots of observed days with any activity, [U].
        events: Sums of values on these days, [U].
        day: The day with the largest -log p, [U].
        day_nats: -log p of it, the user's own part left out, [U].
    """

    log_likelihood: Floats
    parts: dict[str, Floats]
    active_slots: NDArray[np.int64]
    events: Floats
    day: NDArray[np.int64]
    day_nats: Floats

    def per_active_slot(self, nats: Floats) -> Floats:
        """Nats [U] per active slot; inactive users count as having one."""
        return nats / np.maximum(self.active_slots, 1)

    @property
    def compared(self) -> dict[str, Floats]:
        """Compared quantities, each [U]: nats per active slot, by part, and of the oddest day."""
        of_parts = {name: self.per_active_slot(nats) for name, nats in self.parts.items()}
        return {ALL: self.per_active_slot(-self.log_likelihood), **of_parts, ONE_DAY: self.day_nats}


@dataclass(frozen=True)
class Scores:
    """Users with how likely and how odd they are.

    Attributes:
        users: Users, in the order of the profiles.
        likelihoods: Likelihoods of the users.
        oddness: Robust standard deviations by which they are less likely than users about as
            active, [U].
        oddness_of: The same for each part of -log p, and for the day on which it is largest, [U].
        date: The day with the largest -log p, datetime64[D] [U].
    """

    users: pa.Table
    likelihoods: Likelihoods
    oddness: Floats
    oddness_of: dict[str, Floats]
    date: NDArray[np.datetime64]

    @property
    def rank(self) -> NDArray[np.int64]:
        """Rank by oddness, from 1 for the oddest, [U]."""
        rank = np.empty(len(self.oddness), np.int64)
        rank[np.argsort(-self.oddness, kind="stable")] = np.arange(1, len(rank) + 1)
        return rank

    @property
    def oddest_part(self) -> list[str]:
        """Name of the largest of ``oddness_of`` for each user, [U]."""
        names = list(self.oddness_of)
        return [names[at] for at in np.argmax(np.stack(list(self.oddness_of.values())), 0)]

    def table(self) -> pa.Table:
        """Table with a row per profile: the user, then the scores; docs/rhythm.md has the columns.

        Raises:
            ValueError: if an attribute has the name of such a column.
        """
        found = self.likelihoods
        table = self.users
        columns = {
            "rank": self.rank,
            "oddness": self.oddness,
            "log_likelihood": found.log_likelihood,
            "nats_per_active_slot": found.per_active_slot(-found.log_likelihood),
            "active_slots": found.active_slots,
            "events": found.events,
            "oddest_part": self.oddest_part,
            "least_likely_day": self.date,
            **{f"oddness_of_{name}": values for name, values in self.oddness_of.items()},
        }
        for name, values in columns.items():
            if name in self.users.column_names:
                raise ValueError(
                    f"the users have an attribute {name!r}, as a score is called; profile without "
                    "it"
                )
            table = table.append_column(name, pa.array(values))
        return table


def score(
    run: Run,
    profiles: Population,
    *,
    against: Population | None = None,
    samples: int = 10,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Scores:
    """Score users under a run's model; profiles are read piece by piece.

    Args:
        run: A run whose model says how likely profiles are, such as one of rhythm.
        profiles: The users.
        against: Users that they are compared with; each other where none are given.
        samples: Draws of the latents; more of them bring the bound nearer to log p.
        seed: Decides the draws.
        on_progress: Called with profiles done and profiles in all, those compared with included.

    Raises:
        ValueError: for a run without a likelihood, profiles on other axes or in another unit, or
            too few to compare with.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    model = scoring_model(run.model)
    others = profiles if against is None else against
    for each in (profiles, others):
        check_axes(model, each.axes)
    if not len(profiles):
        raise ValueError("expected profiles to score, got none")
    if len(others) < LEAST_PEERS:
        raise ValueError(
            f"oddness needs at least {LEAST_PEERS} users to compare with, got {len(others)}; give "
            "more with --against, such as those that the model was fitted to, or users that it "
            "generates"
        )
    total = len(profiles) + (0 if against is None else len(against))
    found = likelihoods(
        model, profiles, samples, seed, lambda done, _, stage: on_progress(done, total, stage)
    )
    theirs = found
    if against is not None:
        theirs = likelihoods(
            model, against, samples, seed,
            lambda done, _, stage: on_progress(len(profiles) + done, total, stage),
        )  # fmt: skip
    values, of_others = (np.stack(list(each.compared.values()), 1) for each in (found, theirs))
    odd = oddness(found.active_slots, values, theirs.active_slots, of_others)
    by_name = dict(zip(found.compared, odd.T, strict=True))
    date = window_starts(profiles.users, profiles.axes) + found.day.astype("timedelta64[D]")
    return Scores(profiles.users, found, by_name.pop(ALL), by_name, date)


def likelihoods(
    model: ScoringModel,
    profiles: Population,
    samples: int,
    seed: int,
    on_progress: Progress = no_progress,
) -> Likelihoods:
    """Compute users' likelihoods, in order; a piece's draws depend on the seed and its number only.

    Raises:
        ValueError: for profiles that cannot be brought into the model's unit.
    """
    found = list[Likelihoods]()
    done = 0
    model, known = model.eval(), known_to(model, profiles)
    size = max(1, min(MOST_PROFILES, CELLS // profiles.axes.cells))
    together = min(size, len(profiles))
    check_memory(
        16 * samples * together * profiles.axes.days,
        f"{samples:,} draws for {together} profiles",
        f"samples ({samples:,})",
    )
    for number, piece in enumerate(pieces(profiles, model.unit, size)):
        seeds = np.random.SeedSequence([seed, number]).generate_state(1)
        with torch.no_grad():
            found.append(
                _of_piece(model, piece, known, samples, Generator().manual_seed(int(seeds[0])))
            )
        done += len(piece)
        on_progress(done, len(profiles), "scoring")
    return _joined(found)


def _of_piece(
    model: ScoringModel, piece: Profiles, known: Known | None, samples: int, generator: Generator
) -> Likelihoods:
    found = model.score(examples_of(piece, known), samples, generator)
    piece = observed_of(piece, known)
    parts = {name: part.double().numpy() for name, part in found.terms.items()}
    of_days = np.sum([part for part in parts.values() if part.ndim == 2], 0)  # [B, D]
    return Likelihoods(
        found.log_likelihood.double().numpy(),
        {name: part.reshape(len(piece), -1).sum(1) for name, part in parts.items()},
        _active_slots(piece),
        np.asarray(np.bincount(piece.row_of_cell(), piece.values, len(piece)), np.float64),
        of_days.argmax(1),
        of_days.max(1),
    )


def _active_slots(profiles: Profiles) -> NDArray[np.int64]:
    """Number of slots with any activity, [U]."""
    days, slots, channels = profiles.axes.shape
    slot = profiles.row_of_cell() * days * slots + profiles.cells // channels
    return np.bincount(slot[starts_of_runs(slot)] // (days * slots), minlength=len(profiles))


def _joined(pieces: list[Likelihoods]) -> Likelihoods:
    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    names = [field.name for field in fields(Likelihoods) if field.name != "parts"]
    parts = {
        name: np.concatenate([piece.parts[name] for piece in pieces]) for name in pieces[0].parts
    }
    return Likelihoods(parts=parts, **{name: joined(name) for name in names})


def oddness(active_slots: IntArray, nats: Floats, their_slots: IntArray, theirs: Floats) -> Floats:
    """Distance of values above the median of peers, in their robust standard deviations, [U, P].

    Peers are a tenth of the users compared with, but 50 to 2,000, whose active slots are nearest by
    ratio, and all others who are as near.

    Args:
        active_slots: Active slots of the users, [U].
        nats: Their values, [U, P].
        their_slots: Active slots of the users compared with, [V].
        theirs: Their values, [V, P].
    """
    order = np.argsort(their_slots, kind="stable")
    their_slots = np.log1p(their_slots[order])
    theirs = theirs[order]
    count = min(len(order), max(LEAST_PEERS, min(MOST_PEERS, round(PEER_SHARE * len(order)))))
    out = np.empty(nats.shape)
    for slots in np.unique(active_slots):
        away = np.abs(their_slots - np.log1p(slots))
        peers = theirs[away <= np.partition(away, count - 1)[count - 1]]
        middle = np.median(peers, 0)
        spread = CONSISTENT * np.median(np.abs(peers - middle), 0)
        own = active_slots == slots
        out[own] = (nats[own] - middle) / np.maximum(spread, LEAST_SPREAD)
    return out


def write_scores(path: Path | str, scores: Scores, *, overwrite: bool = False) -> None:
    """Write the table as Parquet or CSV, as the name ends.

    Args:
        path: Where.
        scores: The scores.
        overwrite: Replace whatever file stands there, not only earlier scores in Parquet.

    Raises:
        ValueError: as :func:`scores_format` does, or if something else stands at ``path`` and
            ``overwrite`` is not given.
    """
    mark = Mark("score", "scores")
    write = pyarrow.csv.write_csv if scores_format(path) == "csv" else pq.write_table
    with replacing(path, mark, overwrite=overwrite) as part:
        write(scores.table().replace_schema_metadata(mark.parquet), part)


def scores_format(path: Path | str) -> str:
    """Choose Parquet or CSV by the end of the file's name.

    Raises:
        ValueError: if it ends in neither, or there is a folder of that name.
    """
    return file_format(Path(path), what="a table of scores")
