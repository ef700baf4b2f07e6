"""Privacy of training users: what attackers learn of them from a generated population.

Averages hide whom it concerns, and distances prove nothing, so besides copies there are attacks:

- membership by the nearest generated profile, cell by cell and day by day (events that were moved
  within a day are the same there), against the nearest other real users (Chen, Yu, Zhang and Fritz
  2020, "GAN-Leaks", with calibration);
- membership by the likelihood of the run, against that of reference fits on other users (Carlini
  and others 2022, the offline attack);
- inference of an attribute from the nearest generated profile.

Each comes with its floor, its interval, and the most unusual 1 % of the users apart. The user is
the unit: a user with many windows is one person. Held-out users have to come from the same
population as the training users, as with ``habitus split``: those of another time differ from them
without any leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.comparable import check_sets, shared_unit
from habitus.evaluation.metrics.auc import Auc
from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.privacy.attacks import Attack, Share, attack
from habitus.evaluation.privacy.attributes import Inference, Secret, infer, secrets
from habitus.evaluation.privacy.copies import Copies, find_copies
from habitus.evaluation.privacy.people import Floats, People, by_day, drawn_side
from habitus.evaluation.sample import Side
from habitus.schema import BoolArray, FloatArray, ProfileSource, Progress, no_progress

__all__ = [
    "Attack", "Auc", "Copies", "Inference", "Privacy", "RunLikelihoods", "Secret", "Share",
    "privacy", "scored_rows",
]  # fmt: skip

MOST_GENERATED = 5_000
MOST_HELD_OUT = 8_000
MOST_TRAIN = 40_000
MOST_SCORED = 2_000  # profiles whose likelihood is attacked, of either kind
FEWEST = 50
FEWEST_USERS = 20
NO_RUN = "no run was at hand whose likelihood could be attacked; give it with --run"


@dataclass(frozen=True)
class RunLikelihoods:
    """Log-likelihoods of users under the run that generated, and under fits without them.

    Attributes:
        train: Of each training profile under the run, NaN where it was not scored, [U].
        held_out: The same of each held-out profile.
        train_elsewhere: Mean of each training profile under reference fits on other users; None
            where nothing was fitted.
        held_out_elsewhere: The same of each held-out profile.
        note: What was computed, in words.
    """

    train: FloatArray
    held_out: FloatArray
    train_elsewhere: FloatArray | None
    held_out_elsewhere: FloatArray | None
    note: str


@dataclass(frozen=True)
class Privacy:
    """Leaks of training users into a generated population.

    Attributes:
        copies: Copies and near copies, a sanity check.
        attacks: Attacks on membership, the nearest generated profile first.
        inferences: Inferences of attributes.
        note: Description of the compared profiles, as text.
        likelihood_note: What was done of the attack by likelihood, as text.
        protection: Protection of rare values in the training profiles, as text; None if unknown.
    """

    copies: Copies
    attacks: tuple[Attack, ...]
    inferences: tuple[Inference, ...]
    note: str
    likelihood_note: str
    protection: str | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Findings by which training users are given away, as text; empty without."""
        parts = (self.copies, *self.attacks, *self.inferences)
        return tuple(reason for part in parts for reason in part.reasons)

    @property
    def warning(self) -> str | None:
        """Warning of one line where training users are given away beyond chance."""
        return f"training users are memorised: {'; '.join(self.reasons)}" if self.reasons else None

    @property
    def guarantee(self) -> str:
        """What is and what is not guaranteed, in one sentence."""
        found = "found what chance does not explain" if self.reasons else "found nothing"
        return (
            f"Nothing is guaranteed: {len(self.attacks) + len(self.inferences)} attacks {found} "
            "about the training users, which says how these attacks fare and not that no other "
            "would do better; no differential privacy is claimed, and few near copies prove "
            "nothing."
        )

    def to_json(self) -> dict[str, Any]:
        """Content of ``privacy`` in ``metrics.json``."""
        first = self.attacks[0]
        return {
            **self.copies.to_json(),
            **first.area.to_json("membership_auc"),
            "found_at_1_percent": first.found.value,
            "attacks": {each.name: each.to_json() for each in self.attacks},
            "inferences": [each.to_json() for each in self.inferences],
            "likelihood": self.likelihood_note,
            "rare_values": self.protection,
            "guarantee": self.guarantee,
            "warning": self.warning,
            "note": self.note,
        }


def privacy(
    generated: ProfileSource,
    reference: ProfileSource,
    train: ProfileSource,
    *,
    likelihoods: RunLikelihoods | str = NO_RUN,
    protection: str | None = None,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Privacy:
    """Attack the training users of a generated population.

    Args:
        generated: Generated profiles to evaluate; at most 5,000, of users drawn at random.
        reference: Held-out real profiles of users like the training ones; at most 8,000.
        train: Profiles that the model was trained on; at most 40,000.
        likelihoods: Likelihoods of users under the run, such as
            :func:`habitus.synthesis.membership.membership_likelihoods` computes; or why there are
            none.
        protection: Protection of rare values in the training profiles, in words.
        seed: Seed of the draws.
        on_progress: Called with steps done, steps in all, and the stage.

    Returns:
        Copies, attacks and inferences, with their floors.

    Raises:
        ValueError: if sets are too small or cannot be compared.
    """
    check_sets(generated, reference, train)
    count = min(map(len, (generated, reference, train)))
    if count < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} profiles in each set to look for copies, got {count}"
        )
    rng = np.random.default_rng(seed)
    unit = shared_unit(generated, reference, train)
    sides = {
        "generated": drawn_side(generated, MOST_GENERATED, seed),
        "held out": drawn_side(reference, MOST_HELD_OUT, seed),
        "train": drawn_side(train, MOST_TRAIN, seed),
    }
    users = min(len(People(side.users)) for side in sides.values())
    if users < FEWEST_USERS:
        raise ValueError(
            f"expected profiles of at least {FEWEST_USERS} users in each set to look for copies, "
            f"got {users}"
        )
    made, held_out, trained = (Cloud.of(side, unit) for side in sides.values())
    matched_side = drawn_side(train, len(held_out), seed)
    matched = Cloud.of(matched_side, unit)
    steps = 4
    copies = find_copies(made, held_out, trained, matched, rng)
    on_progress(1, steps, "copies")
    _, slots, channels = train.axes.shape
    (ours, unusual_ours), (theirs, unusual_theirs) = _nearness(matched, held_out, made)
    unusual = (unusual_ours, unusual_theirs)
    attacks = [attack("the nearest generated profile, cell by cell", ours, theirs, *unusual, rng)]
    on_progress(2, steps, "membership")
    days = [by_day(each, slots, channels) for each in (matched, held_out, made)]
    (ours, _), (theirs, _) = _nearness(days[0], days[1], days[2])
    attacks.append(attack("the nearest generated profile, day by day", ours, theirs, *unusual, rng))
    on_progress(3, steps, "membership")
    if isinstance(likelihoods, RunLikelihoods):
        chosen = (matched_side, sides["held out"])
        attacks.append(_by_likelihood(likelihoods, chosen, unusual, rng))
    three = (matched_side, sides["held out"], sides["generated"])
    clouds = (matched, held_out, made)
    inferences = tuple(
        infer(secret, *clouds, unusual[0]) for secret in secrets(three, clouds, train.axes)
    )
    on_progress(steps, steps, "attributes")
    counts = ", ".join(
        f"{len(side):,} {name} of {len(People(side.users)):,} users" for name, side in sides.items()
    )
    said = likelihoods.note if isinstance(likelihoods, RunLikelihoods) else likelihoods
    return Privacy(
        copies, tuple(attacks), inferences, f"profiles compared: {counts}", said, protection
    )


def scored_rows(train: ProfileSource, reference: ProfileSource, seed: int) -> tuple[BoolArray, ...]:
    """Choose training and held-out profiles whose likelihoods :func:`privacy` attacks, [U] each."""
    return tuple(drawn_side(each, MOST_SCORED, seed).rows for each in (train, reference))


def _nearness(
    matched: Cloud, held_out: Cloud, made: Cloud
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Scores and unusualness of training and held-out users, [m] twice and [n] twice.

    The score is how much nearer the nearest generated profile is than the nearest real profile of
    the other kind, in the window where that is most; the latter's distance says how unusual the
    user is.
    """
    found = []
    for ours, theirs in ((matched, held_out), (held_out, matched)):
        people = People(ours.users)
        real = nearest(ours, theirs)[0]
        near = nearest(ours, made)[0]
        found.append((people.largest(real - near), people.mean(real)))
    return found[0], found[1]


def _by_likelihood(
    likelihoods: RunLikelihoods,
    sides: tuple[Side, Side],
    unusual: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Attack:
    """Attack by the likelihood under the run less that under reference fits, mean over windows."""

    def scored(
        side: Side, run: FloatArray, elsewhere: FloatArray | None, odd: Floats
    ) -> tuple[Floats, Floats]:
        values = run if elsewhere is None else run - elsewhere
        mean = People(side.users).mean(values[side.rows])
        known = np.isfinite(mean)
        return mean[known], odd[known]

    ours, unusual_ours = scored(
        sides[0], likelihoods.train, likelihoods.train_elsewhere, unusual[0]
    )
    theirs, unusual_theirs = scored(
        sides[1], likelihoods.held_out, likelihoods.held_out_elsewhere, unusual[1]
    )
    calibrated = likelihoods.train_elsewhere is not None
    name = "the likelihood of the run" + (", against reference fits" if calibrated else "")
    return attack(name, ours, theirs, unusual_ours, unusual_theirs, rng)
