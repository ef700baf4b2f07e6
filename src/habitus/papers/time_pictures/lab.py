"""Fits, populations and evaluations of "Time pictures", made when first asked for and kept.

    OUT/runs/       a run for each model; one that was stopped goes on where it was
    OUT/sets/       what the runs generated and completed
    OUT/searched/   the same for the architectures of Table A.1, which are fitted to fewer profiles

Letters: U users, D days, S slots, C channels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from habitus.evaluation import Evaluation, Summary, compare, independent_cells, summarise
from habitus.evaluation.completion.paired import paired
from habitus.evaluation.floor import Floor, floor_from_train
from habitus.files import MARKER
from habitus.models.base import Model
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.papers.keeping import Once, begin, kept_run
from habitus.papers.time_pictures.paper import BEST_BETA
from habitus.papers.time_pictures.settings import LabSettings
from habitus.profiles.batches import Batches, Population
from habitus.profiles.completed import StoredCompleted
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.run import Run
from habitus.schema import Axes, Progress, no_progress
from habitus.synthesis import CompleteConfig, GenerateConfig, complete_to, generate_to
from habitus.synthesis.capabilities import latent_model
from habitus.training.config import FitConfig, for_profiles
from habitus.training.data import fingerprint
from habitus.training.fit import fit
from habitus.training.precision import in_memory_format

PIECE = 512  # users drawn together to look at them before small values are set to zero
HALVES = ("centre", "bottom")
METHODS = ("VAE", "VCE")


class Lab:
    """Experiments of the paper on given profiles: runs, sets and scores, made on request and kept.

    Args:
        train: Real profiles to fit to.
        test: Real profiles, of other users, to compare with.
        folder: Folder for runs, and for generated and completed sets.
        settings: Settings of the experiments; None for the paper's.
        channel: Channel to show along latent traversals; None for the busiest.
        on_progress: Called with units done, units in all, and the stage.

    Attributes:
        train: The training profiles that are used.
        test: The test profiles that are used.

    Raises:
        ValueError: if the sets are empty or not alike, there is no such channel, or the folder is
            another.
    """

    def __init__(
        self,
        train: Population,
        test: Population,
        folder: Path | str,
        settings: LabSettings | None = None,
        channel: str | None = None,
        on_progress: Progress = no_progress,
    ) -> None:
        _check_alike(train, test)
        self.settings = settings or LabSettings()
        self.folder = Path(folder)
        self.channel = _checked_channel(channel, train.axes)
        most = self.settings.profiles
        seed = self.settings.seed
        self.train = _at_most(train, most, seed)
        self.test = _at_most(test, most, seed)
        self.on_progress = on_progress
        self._once = Once()
        marks = {"train": fingerprint(self.train), "test": fingerprint(self.test)}
        begin(self.folder, "time-pictures", {**self.settings.fixed(), **marks})

    @property
    def axes(self) -> Axes:
        """Axes of the profiles in the unit that models read."""
        return self.train.axes.with_unit(self.unit)

    @property
    def unit(self) -> Literal["binary", "peak"]:
        """Profiles as the models read them: shares of each user's peak, unless they are binary."""
        return "binary" if self.train.axes.unit == "binary" else "peak"

    @property
    def users(self) -> int:
        """Number of users that each model generates."""
        return min(len(self.test), self.settings.users)

    @property
    def shown_channel(self) -> int:
        """The channel of latent walks and slices: the one asked for, or the busiest."""
        if self.channel is not None:
            return self.axes.channels.index(self.channel)
        return int(self.reference.mean_picture.sum((0, 1)).argmax())

    def vae(self, beta: float, architecture: str = "conv", latents: int | None = None) -> Run:
        """The beta-VAE of a beta, fitted."""
        latents = latents or self.settings.latents
        config = BetaVAEConfig(
            beta=beta,
            latents=latents,
            architecture=cast("Any", architecture),
            normalisation=self.unit,
        )
        plain = (architecture, latents) == ("conv", self.settings.latents)
        return self._run(
            f"vae-{beta:g}" if plain else f"{architecture}-{latents}-{beta:g}", BetaVAE, config
        )

    def vce(self, hole: str) -> Run:
        """Fit, or load, the variational context encoder of a missing region: centre or bottom."""
        config = ContextVAEConfig(
            beta=BEST_BETA, latents=self.settings.latents, normalisation=self.unit, mask=hole
        )
        return self._run(f"vce-{hole}", ContextVAE, config)

    def generated(
        self, run: Run, prior: Literal["normal", "mixture"] | None = None
    ) -> StoredProfiles:
        """Population of a run, as large as the test set, small values set to zero (5.3.2)."""
        assert run.path is not None
        prior = prior or self.settings.prior
        path = self.folder / "sets" / f"{run.path.name}-{prior}"

        def make() -> StoredProfiles:
            if (path / MARKER).is_file():
                return StoredProfiles.open(path)
            config = GenerateConfig(
                self.users, self.settings.seed, prior, inactive=self.settings.inactive
            )
            return generate_to(path, run, config, self._of(path.name))

        return self._once(("generated", path.name), make)

    def evaluation(self, run: Run, prior: Literal["normal", "mixture"] | None = None) -> Evaluation:
        """The population of a run against the test profiles: what ``habitus evaluate`` finds."""

        def make() -> Evaluation:
            population = self.generated(run, prior)
            ours = summarise(population)
            return Evaluation(
                generated=ours,
                reference=self.reference,
                floor_sample=self.floor.sample,
                floor_reference=self.floor.reference,
                figures=compare(ours, self.reference),
                floor=self.floor.figures,
                baselines={"independent_cells": compare(self.baseline, self.reference)},
                baseline_summaries={"independent_cells": self.baseline},
                floor_note=self.floor.note,
                zero_threshold=population.about["zero_threshold"],
            )

        assert run.path is not None
        return self._once(("evaluation", run.path.name, prior or self.settings.prior), make)

    def totals_before_zeroing(self, run: Run, prior: str | None = None) -> NDArray[np.float32]:
        """Daily totals [U, D] of as many users before small values are set to zero; not kept."""
        assert run.path is not None
        name = run.path.name
        prior = prior or self.settings.prior
        seed = self.settings.seed

        def make() -> NDArray[np.float32]:
            model = in_memory_format(latent_model(run.model), torch.channels_last).eval()
            source = run.prior(prior)
            generator = torch.Generator().manual_seed(seed)
            totals = list[NDArray[np.float32]]()
            for first in range(0, self.users, PIECE):
                with torch.no_grad():
                    x = model.sample(min(PIECE, self.users - first), generator, source)
                totals.append(x.sum((2, 3)).numpy())
                self.on_progress(first + len(x), self.users, f"{name}, before zeroing")
            return np.concatenate(totals)

        return self._once(("totals", name, prior), make)

    def completed(self, method: str, hole: str) -> StoredCompleted:
        """Test profiles with missing cells filled by VAE, fitted to whole profiles, or VCE."""
        path = self.folder / "sets" / f"{method.lower()}-{hole}"

        def make() -> StoredCompleted:
            if (path / MARKER).is_file():
                return StoredCompleted.open(path)
            run = self.vae(BEST_BETA) if method == "VAE" else self.vce(hole)
            config = CompleteConfig(hole, self.settings.samples, self.settings.seed)
            return complete_to(path, run, self.test, config, on_progress=self._of(path.name))

        return self._once(("completed", method, hole), make)

    def completed_summary(self, method: str, hole: str) -> Summary:
        """Summarise the test profiles with their missing region filled by the first draw."""
        return self._once(
            ("summary", method, hole), lambda: summarise(self.completed(method, hole))
        )

    def expected_totals(self, method: str, hole: str) -> NDArray[np.float32]:
        """Daily totals [U, D] of the test profiles with expected values in missing cells."""

        def make() -> NDArray[np.float32]:
            days = self.axes.days
            totals = list[NDArray[np.float32]]()
            for piece in paired(self.completed(method, hole), self.test):
                piece.pictures[piece.filled.row, piece.filled.cell] = piece.filled.mean
                totals.append(piece.pictures.reshape(len(piece.pictures), days, -1).sum(2))
            return np.concatenate(totals)

        return self._once(("expected", method, hole), make)

    @cached_property
    def reference(self) -> Summary:
        """Sums over the test profiles."""
        return summarise(self.test)

    @cached_property
    def trained_on(self) -> Summary:
        """Sums over the training profiles."""
        return summarise(self.train)

    @cached_property
    def floor(self) -> Floor:
        """Samples of the training profiles, of the generated size, against the test profiles."""
        rng = np.random.default_rng(self.settings.seed)
        return floor_from_train(self.train, self.reference, self.users, rng)

    @cached_property
    def baseline(self) -> Summary:
        """Sums over a population whose cells know nothing of each other."""
        return summarise(independent_cells(self.train, self.users, self.settings.seed))

    @cached_property
    def searched(self) -> Lab:
        """The lab of Table A.1: fewer profiles, fewer epochs."""
        settings = self.settings
        fewer = min(
            settings.architecture_profiles, settings.profiles or settings.architecture_profiles
        )
        settings = replace(settings, epochs=settings.architecture_epochs, profiles=fewer)
        return Lab(
            self.train,
            self.test,
            self.folder / "searched",
            settings,
            self.channel,
            self.on_progress,
        )

    def _of(self, name: str) -> Progress:
        """Progress with a name in place of its stage."""
        return lambda done, total, stage: self.on_progress(done, total, name)

    def _run(self, name: str, kind: type[Model], config: Any) -> Run:
        """The run of a name: loaded, taken up where it was stopped, or fitted."""
        return self._once(("run", name), lambda: self._fitted(name, kind, config))

    def _fitted(self, name: str, kind: type[Model], config: Any) -> Run:
        path = self.folder / "runs" / name
        how = FitConfig(
            epochs=self.settings.epochs, batch=self.settings.batch, seed=self.settings.seed
        )

        def make(resume: bool) -> Run:
            return fit(
                kind,
                self.train,
                config,
                fit=how,
                out=path,
                resume=resume,
                on_progress=lambda done, total, stage: self.on_progress(
                    done, total, f"{name}, {stage}"
                ),
            )

        return kept_run(path, config, for_profiles(how, len(self.train)), make)


def _check_alike(train: Population, test: Population) -> None:
    for name, data in (("training", train), ("test", test)):
        if not len(data):
            raise ValueError(f"expected {name} profiles, got none; split the profiles again")
    if mismatch := train.axes.mismatch(test.axes):
        raise ValueError(
            "training and test profiles must have the same days, slots and channels, but "
            f"{mismatch}; profile both in the same way"
        )
    if train.axes.unit != test.axes.unit:
        raise ValueError(
            f"training and test profiles must have the same unit, got {train.axes.unit} and "
            f"{test.axes.unit}"
        )


def _checked_channel(channel: str | None, axes: Axes) -> str | None:
    if channel is not None and channel not in axes.channels:
        raise ValueError(
            f"there is no channel {channel!r}; --channel takes {', '.join(axes.channels)}"
        )
    return channel


def _at_most(data: Population, most: int | None, seed: int) -> Population:
    """The profiles, or a random part of them."""
    if most is None or len(data) <= most:
        return data
    part: Profiles = Batches(data, np.ones(len(data), bool), data.axes.unit, 1, seed).sample(most)
    return part
