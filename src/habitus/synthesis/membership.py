"""Likelihoods of users under a run and under reference fits on other users, to attack membership.

The run was fitted to the training users; reference fits see a random half of training and held-out
users together, and each user is scored by those that did not see him (the offline attack of Carlini
and others 2022). Both kinds of users are treated alike, so that without a leak the difference

    log p(x_u; run) - mean over reference fits without u of log p(x_u; fit)

has one distribution for both.

A model without a likelihood gives its negative loss, the evidence lower bound weighted as it was
fitted, if it has latents of whole users.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.evaluation.privacy import RunLikelihoods, scored_rows
from habitus.models.base import LatentModel, ProfileModel, ScoringModel
from habitus.profiles.batches import Population, pieces
from habitus.profiles.sparse import USER, Profiles, concat, users_drawn
from habitus.run import Run
from habitus.schema import Progress, no_progress
from habitus.settings import MOST_SEED
from habitus.synthesis.completion import check_axes
from habitus.synthesis.scoring import likelihoods
from habitus.training.config import MOST_REPEATED, FitConfig
from habitus.training.encoding import examples_of, known_to
from habitus.training.fit import fit

DRAWS = 4  # of the latents, for each user
HALF = 0.5

Floats = NDArray[np.float64]


def can_score(model: ProfileModel) -> bool:
    """True for a model with a likelihood of users, or with a bound of one."""
    return isinstance(model, ScoringModel | LatentModel)


def membership_likelihoods(
    run: Run,
    train: Population,
    held_out: Population,
    *,
    references: int = 1,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> RunLikelihoods | str:
    """Compute likelihoods for the attack on membership, of users drawn at random.

    Args:
        run: The run that generated.
        train: Profiles that it was fitted to.
        held_out: Profiles of other users of the same population.
        references: Pairs of reference fits, each on half of the users; 0 for none.
        seed: Decides the users, the halves, the fits and the draws of latents.
        on_progress: Called with steps done, steps in all, and the stage.

    Returns:
        The likelihoods; or, of a model without any, why there are none.

    Raises:
        ValueError: for profiles on other axes than the model's, or a negative number of fits.
    """
    if references < 0:
        raise ValueError(f"expected 0 or more pairs of reference fits, got {references}")
    model = run.model
    if not isinstance(model, ProfileModel) or not can_score(model):
        return f"a {type(model).__name__} gives no likelihood of users that could be attacked"
    for each in (train, held_out):
        check_axes(model, each.axes)
    rows = scored_rows(train, held_out, seed)
    parts = [each.take(mask) for each, mask in zip((train, held_out), rows, strict=True)]
    both = _together(parts, train.about)
    steps = 1 + 4 * references
    found = _log_likelihood(model, both, seed)
    on_progress(1, steps, "scoring")
    sums = np.zeros(len(both))
    settings = _settings_of(run, len(both) // 2)
    half = np.zeros(len(both), bool)
    for number in range(2 * references):
        if number % 2 == 0:
            half = users_drawn(both.users, HALF, seed + number)
        seen = half if number % 2 == 0 else ~half
        how = replace(settings, seed=(seed + 1 + number) % MOST_SEED)
        with tempfile.TemporaryDirectory(prefix="habitus-") as folder:
            reference = fit(
                type(model), both.take(seen), model.config, fit=how, out=Path(folder) / "run"
            )
        on_progress(2 + 2 * number, steps, "reference fits")
        other = cast("ProfileModel", reference.model)  # of the same kind
        sums[~seen] += _log_likelihood(other, both.take(~seen), seed)
        on_progress(3 + 2 * number, steps, "reference fits")
    kind = "log-likelihood" if isinstance(model, ScoringModel) else "negative loss (a bound)"
    calibrated = (
        f"against {2 * references} reference fits on half of them each"
        if references
        else "without reference fits, so that it also says how usual a user is"
    )
    counts = f"{len(parts[0]):,} training and {len(parts[1]):,} held-out profiles"
    note = f"{kind} of {counts}, {calibrated}"
    whole = [_spread(found, mask, at) for mask, at in _places(rows)]
    if not references:
        return RunLikelihoods(whole[0], whole[1], None, None, note)
    elsewhere = [_spread(sums / references, mask, at) for mask, at in _places(rows)]
    return RunLikelihoods(whole[0], whole[1], elsewhere[0], elsewhere[1], note)


def _together(parts: list[Profiles], about: dict[str, object]) -> Profiles:
    """Concatenate training and held-out profiles, whose users are numbered so that none is both."""
    numbered = list[Profiles]()
    first = 0
    for part in parts:
        names = part.users[USER].combine_chunks().dictionary_encode()
        codes = names.indices.to_numpy(zero_copy_only=False).astype(np.int64) + first
        first += len(names.dictionary)
        at = part.users.column_names.index(USER)
        users = part.users.set_column(at, USER, pa.array(codes))
        numbered.append(replace(part, users=users))
    shared = [name for name in numbered[0].users.column_names
              if name in numbered[1].users.column_names]  # fmt: skip
    return replace(
        concat([replace(part, users=part.users.select(shared)) for part in numbered]), about=about
    )


def _settings_of(run: Run, profiles: int) -> FitConfig:
    """Settings of the run's fit, with epochs raised so that fewer users are seen about as often."""
    known = {
        name: value for name, value in run.fit.items() if name in FitConfig.__dataclass_fields__
    }
    settings = FitConfig(**known)
    fitted = run.about.get("profiles") or profiles
    more = min(MOST_REPEATED, max(1.0, fitted / max(1, profiles)))
    return replace(
        settings, epochs=round(settings.epochs * more), least_seen=0, batch=None, devices=1
    )


def _log_likelihood(model: ProfileModel, profiles: Profiles, seed: int) -> Floats:
    """Log-likelihood of each profile, or the negative loss of a model without one, [U]."""
    if isinstance(model, ScoringModel):
        return likelihoods(model, profiles, DRAWS, seed).log_likelihood
    model = model.eval()
    known = known_to(model, profiles)
    found = list[float]()
    with torch.no_grad():
        for piece in pieces(profiles, model.unit, 1):
            x = examples_of(piece, known)
            generator = Generator().manual_seed(seed)
            losses = [float(model.loss(x, generator).total) for _ in range(DRAWS)]  # pyright: ignore[reportArgumentType]
            found.append(-float(np.mean(losses)))
    return np.array(found)


def _places(rows: tuple[NDArray[np.bool_], ...]) -> list[tuple[NDArray[np.bool_], slice]]:
    """Mask of the scored profiles of each set, and their place among both."""
    first = int(rows[0].sum())
    return [(rows[0], slice(0, first)), (rows[1], slice(first, first + int(rows[1].sum())))]


def _spread(values: Floats, mask: NDArray[np.bool_], at: slice) -> Floats:
    """Values of the scored profiles in the places of all profiles, NaN elsewhere, [U]."""
    out = np.full(len(mask), np.nan)
    out[mask] = values[at]
    return out
