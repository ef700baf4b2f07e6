"""The interface of a model: everything that training, synthesis and reports may ask of one.

A model is a torch module with settings (``config``) and axes. Its class says which verbs it has:

    Model                        loss
    ├── ProfileModel             profiles [B, D, S, C]
    │   ├── GenerativeModel      sample: whole users that never existed
    │   │   ├── LatentModel      decode: the distribution of all cells given a user's latents
    │   │   └── CalibratedModel  logit offsets that match drawn users to training users in the mean
    │   ├── CompletingModel      complete: missing cells given the known ones
    │   └── ScoringModel         score: the log-likelihood of each user, term by term
    └── SeriesModel              windows of series [B, T, V]; generate
        └── AutoregressiveModel  the distribution of the next step given a state of the past

Whatever else differs between models is an attribute or a method with a neutral default, such as
``vocabulary``, which is empty for a model that reads no attributes of users.

Letters: B profiles or series of a batch, D days, S slots, C channels, Z latents, A attributes,
T steps, V variables, K draws, M missing cells, J logit offsets.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent

from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.priors import Prior, StandardNormal
from habitus.schema import Axes, BoolArray, SeriesAxes, Vocabulary

if TYPE_CHECKING:
    from habitus.models.recurrent.observations import Observation


class Loss(NamedTuple):
    """A loss to minimise, and the terms it is made of.

    Attributes:
        total: Scalar with a gradient.
        terms: Means over the batch, by name.
    """

    total: Tensor
    terms: dict[str, Tensor]


class Model(nn.Module, ABC):
    """A model of data on given axes, either profiles or series.

    Attributes:
        Config: Frozen dataclass of the settings.
        axes_kind: Type of the axes.
        config: Settings.
        axes: Axes of the data that the model was made for.
        fit_defaults: Settings of a fit that differ from those of :class:`habitus.FitConfig`.
        conditions_on_calendar: Whether the model reads attributes of users and the calendar
            of their days (:class:`Examples`), and so can draw any window of days.
        learns_prior: Whether the prior of users' latents is learnt with the model, so that none
            needs to be fitted to the posterior afterwards.
        fit_progress: Share of the fit that is behind, from 0 to 1; 1 for a fitted model.
        phase: Purpose of the next step of the optimiser, one of :meth:`phases`.
    """

    Config: ClassVar[type[Any]]
    axes_kind: ClassVar[type[Any]]
    fit_defaults: ClassVar[dict[str, Any]] = {}
    conditions_on_calendar: ClassVar[bool] = False
    learns_prior: ClassVar[bool] = False
    config: Any
    axes: Any
    fit_progress: float = 1.0
    phase: str = "all"

    @property
    def vocabulary(self) -> Vocabulary:
        """Attributes of users that the model is conditioned on, with their known values."""
        return {}

    @property
    def knows_holidays(self) -> bool:
        """True if some of the days that the model was fitted to were holidays."""
        return False

    def phases(self, fit_progress: float) -> tuple[str, ...]:
        """Phases of one batch in order, a step of the optimiser each; most models have one."""
        return ("all",)

    def phase_parameters(self, phase: str) -> list[nn.Parameter]:
        """Weights that a phase changes."""
        return list(self.parameters())

    def warm_up_weight(self, warm_up: float) -> float:
        """Weight of a term that rises from 0 to 1 over the first share ``warm_up`` of a fit."""
        return min(1.0, self.fit_progress / warm_up) if warm_up else 1.0

    @abstractmethod
    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute the loss of the current phase; ``generator`` supplies all randomness.

        Args:
            x: Profiles [B, D, S, C] in the model's unit, or windows of series [B, T, V + 1].
            generator: Source of the latents and masks that are drawn.
        """


def shapes_of(kind: type[Model], axes: Any, config: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's weights and buffers by name, of a model that is not allocated.

    Raises:
        ValueError: for sizes that no tensor can have.
    """
    try:
        with torch.device("meta"):
            return {name: tuple(x.shape) for name, x in kind(axes, config).state_dict().items()}
    except (RuntimeError, MemoryError, OverflowError, TypeError) as error:
        raise ValueError(
            f"no {kind.__name__} can be so large ({str(error).splitlines()[0]}); lower "
            f"{largest_setting(config)}"
        ) from None


def largest_setting(config: Any) -> str:
    """The largest whole number among a model's settings, which its size follows.

    >>> from habitus.models.pictures.beta_vae import BetaVAEConfig
    >>> largest_setting(BetaVAEConfig(latents=1000))
    'latents (1,000)'
    """
    sizes = {name: value for name, value in vars(config).items() if type(value) is int}
    name = max(sizes, key=lambda name: sizes[name])
    return f"{name} ({sizes[name]:,})"


class ProfileModel(Model):
    """A model of profiles.

    Where ``conditions_on_calendar`` is set, the model's inputs come as :class:`Examples`. It also
    takes bare profiles [B, D, S, C]: then no attribute is known, weekdays follow from the start
    of the axes, no day is a holiday, and all days are observed.

    Attributes:
        start_profiles: Number of training profiles that :meth:`start_from` gets at most; at 0 it
            is not called.
    """

    axes_kind = Axes
    start_profiles: ClassVar[int] = 0
    axes: Axes

    @property
    @abstractmethod
    def unit(self) -> str:
        """Unit of the values that the model reads and draws."""

    @property
    @abstractmethod
    def exact_zeros(self) -> bool:
        """True if drawn profiles have true zeros, so that they need no threshold."""

    @property
    def latents(self) -> int:
        """Number of latent dimensions of a whole user, Z; 0 for a model that has none."""
        return 0

    @classmethod
    def adapt_config(cls, config: Any, vocabulary: Vocabulary, holidays: bool) -> Any:
        """Settings for data with given attributes of users, and with or without holidays."""
        return config

    def start_from(self, x: Tensor) -> None:
        """Initialise weights from training profiles [B, D, S, C] before the first step."""

    def encode(self, x: Tensor) -> Independent:
        """Posterior q(z|x) of the latents of whole users, [B, Z], from profiles [B, D, S, C].

        Raises:
            ValueError: for a model without latents of whole users.
        """
        raise ValueError(f"a {type(self).__name__} has no latents of whole users")


class GenerativeModel(ProfileModel):
    """A model that draws whole profiles.

    Attributes:
        sample_batch: Number of profiles, of the size of those in "Time pictures", to draw in one
            call; which user comes out of a draw depends on it.
    """

    sample_batch: ClassVar[int] = 2048  # 30 MB a tensor

    @abstractmethod
    def sample(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Draw profiles [size, D', S, C] of users that never existed, in ``unit``.

        Args:
            size: Number of users.
            generator: Source of all randomness.
            prior: Prior of the latents; None for the model's own.
            days: Days to draw, [size, D'] or [1, D'], by a model that conditions on the calendar;
                None for those of its axes. Other models draw the days of their axes.
            codes: Attributes in the order of ``vocabulary``, [size, A]; None for unknown ones.
        """


class LatentModel(GenerativeModel):
    """A generative model whose latents z [B, Z] say everything that cells depend on."""

    @abstractmethod
    def decode(self, z: Tensor) -> Distribution:
        """Distribution p(x|z) over [B, D, S, C] for latents [B, Z]."""

    @abstractmethod
    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Draw profiles [B, D, S, C] from p(x|z)."""

    def sample(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Draw z from the prior, N(0, I) where none is given, then x from p(x|z)."""
        return self.draw((prior or StandardNormal(self.latents)).sample(size, generator), generator)


class ScoredSample(NamedTuple):
    """Drawn users, and how the log-probability of each changes with the logit offsets.

    The mean of any statistic of drawn users changes by its covariance with the scores
    (Williams 1992).

    Attributes:
        x: Profiles, [B, D, S, C].
        scores: d log p(x) / d logit offsets, [B, J].
    """

    x: Tensor
    scores: Tensor


class CalibratedModel(GenerativeModel):
    """A generative model with logit offsets that are found after a fit by matching moments.

    Attributes:
        logit_offsets: Logit offsets that apply where whole users are drawn, [J], one for each
            summary statistic: with them its mean over drawn users is that over training users.
    """

    logit_offsets: Tensor

    @abstractmethod
    def statistics(self, x: Tensor, days: Days) -> Tensor:
        """Summary statistics of profiles [B, D, S, C], empty on unobserved days: [B, J]."""

    def sample(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Draw users as :meth:`sample_with_scores` does, without the scores."""
        return self.sample_with_scores(size, generator, prior, days, codes).x

    @abstractmethod
    def sample_with_scores(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> ScoredSample:
        """Draw users with their scores; arguments as in :meth:`GenerativeModel.sample`."""


class Completion(NamedTuple):
    """Values for M missing cells, in the order of ``x[missing]``.

    Attributes:
        mean: Point forecasts, [M]: expected values on the scale of the squared error.
        draws: Draws, [K, M].
    """

    mean: Tensor
    draws: Tensor


class CompletingModel(ProfileModel):
    """A model that fills missing cells given the known ones."""

    @property
    @abstractmethod
    def forecast_days(self) -> int:
        """Number of days at the end of the window that can be filled; 0 for another mask."""

    @abstractmethod
    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Refuse a mask that the model was not fitted for.

        Args:
            missing: Missing cells [D, S, C]; None where they differ between profiles.
            text: The mask as the user wrote it.

        Raises:
            ValueError: naming the mask that the model was fitted for.
        """

    @abstractmethod
    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Fill the missing cells.

        Args:
            x: Profiles [B, D, S, C] in ``unit``; the values of missing cells are never read.
            missing: Bool [B, D, S, C].
            samples: Number of draws of each cell, K.
            generator: Source of all randomness.
        """


class Score(NamedTuple):
    """Log-likelihood of profiles, and the terms that it is made of.

    Attributes:
        log_likelihood: In nats, [B].
        terms: Negative log-likelihood terms in nats by name, [B, D] for a term of each day,
            [B] for a term of the user.
    """

    log_likelihood: Tensor
    terms: dict[str, Tensor]


class ScoringModel(ProfileModel):
    """A model that says how likely profiles are, and which part of a profile is unlikely."""

    @abstractmethod
    def nll_terms(
        self, x: Tensor | Examples, samples: int, generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield, for each draw of the latents, the terms of -log of an unbiased estimate of p(x).

        Each term is [B, D] or [B].
        """

    def score(self, x: Tensor | Examples, samples: int, generator: Generator) -> Score:
        """Bound log p(x) with several draws, and average each term over them.

        The log-likelihood is the importance-weighted bound (Burda et al. 2016, Eq 8). Each draw
        counts in the terms by its importance weight.
        """
        draws = list(self.nll_terms(x, samples, generator))
        totals = [
            torch.stack([t.flatten(1).sum(1) if t.dim() > 1 else t for t in draw.values()]).sum(0)
            for draw in draws
        ]
        log_weights = -torch.stack(totals)  # [K, B]
        shares = log_weights.softmax(0)
        terms = {
            name: torch.einsum(
                "kb,kb...->b...", shares, torch.stack([draw[name] for draw in draws])
            )
            for name in draws[0]
        }
        return Score(torch.logsumexp(log_weights, 0) - math.log(samples), terms)


class Windows(NamedTuple):
    """A batch of windows cut from series.

    Attributes:
        values: [B, T, V], 0 where nothing was observed.
        observed: Bool [B, T, V].
        clock: Number of each step in its series, [B, T].
    """

    values: Tensor
    observed: Tensor
    clock: Tensor

    @classmethod
    def unpack(cls, x: Tensor) -> Self:
        """Split a batch [B, T, V + 1] into values, NaN where missing, and the clock."""
        values = x[..., :-1]
        observed = ~values.isnan()
        return cls(torch.where(observed, values, 0.0), observed, x[..., -1])


class SeriesModel(Model):
    """A model of series."""

    axes_kind = SeriesAxes
    axes: SeriesAxes

    @classmethod
    def adapt_config(cls, config: Any, values: Tensor) -> Any:
        """Settings with whatever they leave to the data decided.

        Args:
            config: Settings as they were given.
            values: Training steps [R, V], NaN where missing.
        """
        return config

    @property
    @abstractmethod
    def window(self) -> int:
        """Number of steps in the windows that the model is fitted to."""

    @abstractmethod
    def start_from(self, values: Tensor) -> None:
        """Initialise from training steps [R, V], NaN where missing, before the first step."""

    @abstractmethod
    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Draw series [B, T, V] that never existed, from the model's own start."""


State = tuple[Tensor, ...]
"""A model's summary of the past, each tensor [B, ...]; the last is the next step's number, [B]."""


class AutoregressiveModel(SeriesModel):
    """A model of the next step given a state, which each observed step updates.

    Attributes:
        p_v: Observation model, from features to the distribution of a step.
        latent_draws: Number of draws that stand for a step's latents; 1 without latents.
    """

    p_v: Observation
    latent_draws: ClassVar[int] = 1

    @abstractmethod
    def begin(self, series: int, clock: Tensor | None = None) -> State:
        """State before the first step, whose number is ``clock`` [B], 0 by default."""

    @abstractmethod
    def predict(self, state: State, generator: Generator) -> Distribution:
        """Distribution of the next step, batch shape [B, V], given a draw of any latents."""

    @abstractmethod
    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        """State after a step [B, V]."""

    @abstractmethod
    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Distribution of every step given those before it, batch shape [B, T, V]."""

    @abstractmethod
    def anchors(self, x: Windows) -> Tensor:
        """Values that steps, and the one after the last, are relative to, [B, T + 1, V].

        0 where a step is modelled as it is, NaN before the first observed value.
        """

    @abstractmethod
    def distribution(self, features: Tensor, anchor: Tensor) -> Distribution:
        """Distribution p(v) from features [..., F], relative to an anchor [..., V]."""

    @abstractmethod
    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Log p(v) of windows [B], or an importance-weighted bound (Burda et al. 2016)."""

    @abstractmethod
    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Draw values from a distribution of steps, of its batch shape."""

    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Draw series step by step, each step given those drawn before it."""
        return self.continue_from(self.begin(series), steps, generator)

    def continue_from(self, state: State, steps: int, generator: Generator) -> Tensor:
        """Draw the steps after a state, [B, T, V]."""
        drawn = list[Tensor]()
        observed = torch.ones(len(state[-1]), len(self.axes.variables), dtype=torch.bool)
        for _ in range(steps):
            drawn.append(self.draw(self.predict(state, generator), generator))
            state = self.observe(state, drawn[-1], observed, generator)
        return torch.stack(drawn, 1)

    def read(self, x: Windows, generator: Generator) -> State:
        """State after windows; models with fused kernels override this loop over steps."""
        state = self.begin(len(x.values), x.clock[:, 0])
        for t in range(x.values.shape[1]):
            state = self.observe(state, x.values[:, t], x.observed[:, t], generator)
        return state
