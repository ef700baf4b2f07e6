"""What a model is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent

from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.priors import Prior, StandardNormal
from habitus.schema import Axes, BoolArray, SeriesAxes, Vocabulary

if TYPE_CHECKING:
    from habitus.models.recurrent.observations import Observation

ALL = "all"
Decode = Callable[[Tensor], Distribution]


class Loss(NamedTuple):
    """What is minimised, a scalar, and the terms it is made of (means over the batch)."""

    total: Tensor
    terms: dict[str, Tensor]


class Model(nn.Module, ABC):
    """A model of what has certain axes: profiles, or series.

    Attributes:
        Config: The frozen dataclass of its settings.
        axes_kind: The type of its axes.
        config: Its settings.
        axes: The axes of what it was made for.
        fit_defaults: Settings of a fit that suit it, where they are not those of :class:`habitus.FitConfig`.
        done: The share of the fit that is behind, from 0 to 1, for what is warmed up; 1 once it is fitted.
        turn: What the next step is for, one of :meth:`turns`.
    """

    Config: ClassVar[type[Any]]
    axes_kind: ClassVar[type[Any]]
    fit_defaults: ClassVar[dict[str, Any]] = {}
    config: Any
    axes: Any
    done: float = 1.0
    turn: str = ALL

    def turns(self, done: float) -> tuple[str, ...]:
        """The steps of the optimiser that a batch is used for, in order; most models take one, of all weights."""
        return (ALL,)

    def turn_parameters(self, turn: str) -> list[nn.Parameter]:
        """The weights that a turn moves."""
        return list(self.parameters())

    @abstractmethod
    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The loss of its turn on a batch; ``generator`` supplies all randomness."""


class ProfileModel(Model):
    """A model of profiles on given axes.

    Attributes:
        start_profiles: How many training profiles, at most, :meth:`start_from` is given; at 0 it is not called.
    """

    axes_kind = Axes
    start_profiles: ClassVar[int] = 0
    axes: Axes

    @property
    @abstractmethod
    def unit(self) -> str:
        """The unit of values that it reads and draws."""

    @property
    @abstractmethod
    def exact_zeros(self) -> bool:
        """Whether drawn profiles have true zeros, so that no threshold is needed."""

    def start_from(self, x: Tensor) -> None:
        """Set weights from some training profiles [B, D, S, C] before the first step; most models need not."""

    @abstractmethod
    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The loss on profiles [B, D, S, C] in ``unit``; ``generator`` supplies all randomness."""


class GenerativeModel(ProfileModel):
    """A model that draws whole profiles.

    Attributes:
        together: Profiles of "Time pictures"' size that are drawn at once; it decides which draw a user is.
    """

    together: ClassVar[int] = 2048  # 30 MB a tensor

    @abstractmethod
    def sample(self, size: int, generator: Generator, prior: Prior | None = None) -> Tensor:
        """Profiles [size, D, S, C] of users that never existed, in ``unit``."""


class Scored(NamedTuple):
    """Users who were drawn, and how log p of each changes with the shifts.

    The mean of anything of the users changes by its covariance with these scores (Williams 1992).

    Attributes:
        x: Profiles, [B, D, S, C].
        scores: d log p(x) / d shifts, [B, J].
    """

    x: Tensor
    scores: Tensor


class ConditionedModel(GenerativeModel):
    """A model that is told of users and days, and draws any of them from a prior of its own.

    What it learns from, scores, encodes and completes comes as :class:`Examples`, or bare: then attributes are not
    known, weekdays follow the start of its axes, no day is a holiday, and all are observed.

    Attributes:
        shifts: Added to some logits where whole users are drawn, [J]; found after a fit so that the means of
            :meth:`habits` over drawn users are those of the training users.
    """

    shifts: Tensor

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The attributes that it is told."""

    @abstractmethod
    def habits(self, x: Tensor, days: Days) -> Tensor:
        """What each shift is there for, [B, J]: of profiles [B, D, S, C], empty where they were not observed."""

    @classmethod
    @abstractmethod
    def told_of(cls, config: Any, vocabulary: Vocabulary, holidays: bool) -> Any:
        """The settings, for data whose users have attributes, or whose days are holidays at times."""

    @property
    @abstractmethod
    def knows_holidays(self) -> bool:
        """Whether it learnt what holidays are like."""

    def sample(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Profiles [size, D', S, C] of users that never existed; more days than it was fitted to may be drawn.

        Args:
            size: B.
            generator: Supplies all randomness.
            prior: Of users; the model's own where none is given.
            days: Which days, [B, D'] or [1, D']; those of its axes by default. All of them are drawn.
            codes: Of their attributes in the order of its vocabulary, [size, A]; not known by default.
        """
        return self.sample_scored(size, generator, prior, days, codes).x

    @abstractmethod
    def sample_scored(
        self,
        size: int,
        generator: Generator,
        prior: Prior | None = None,
        days: Days | None = None,
        codes: Tensor | None = None,
    ) -> Scored:
        """The same profiles, and what shifts would change."""


class Completion(NamedTuple):
    """What a model puts into M missing cells, in the order of ``x[missing]``."""

    mean: Tensor  # [M], point forecasts: what is expected, on the scale that squared errors are judged on
    draws: Tensor  # [K, M]


class CompletingModel(ProfileModel):
    """A model that fills what is missing from what is known."""

    @property
    @abstractmethod
    def forecast_days(self) -> int:
        """The most days at the end of the window that it can fill; 0 where its mask is another one."""

    @abstractmethod
    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Refuse a mask that the model was not fitted for: cells [D, S, C], or None where they differ by profile.

        Raises:
            ValueError: saying which one it was fitted for.
        """

    @abstractmethod
    def complete(
        self, x: Tensor, missing: Tensor, samples: int, generator: Generator
    ) -> Completion:
        """Fill the missing cells.

        Args:
            x: Profiles [B, D, S, C] in ``unit``; what stands in missing cells is never read.
            missing: Bool [B, D, S, C].
            samples: K, how many draws of each cell.
            generator: Supplies all randomness.
        """


class Surprise(NamedTuple):
    """How unlikely profiles are."""

    log_likelihood: Tensor  # [B], nats
    parts: dict[
        str, Tensor
    ]  # of -log p, nats: [B, D] where a part belongs to days, [B] where to the user


class ScoringModel(ProfileModel):
    """A model that says how likely profiles are, and which part of one is not."""

    @abstractmethod
    def surprises(
        self, x: Tensor | Examples, samples: int, generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """-log of an unbiased estimate of p(x) from each draw of the latents, in its parts, each [B, D] or [B]."""

    def score(self, x: Tensor | Examples, samples: int, generator: Generator) -> Surprise:
        """Log p(x) as :meth:`log_likelihood` has it, and its parts, for which draws count by their weights."""
        draws = list(self.surprises(x, samples, generator))
        weights = torch.stack([-_total(draw) for draw in draws])
        shares = weights.softmax(0)
        parts = {
            name: torch.einsum(
                "kb,kb...->b...", shares, torch.stack([draw[name] for draw in draws])
            )
            for name in draws[0]
        }
        return Surprise(torch.logsumexp(weights, 0) - math.log(samples), parts)

    def log_likelihood(self, x: Tensor | Examples, samples: int, generator: Generator) -> Tensor:
        """A bound of log p(x) in nats (the importance-weighted one of Burda et al. 2016, Eq 8), [B]."""
        return self.score(x, samples, generator).log_likelihood


def _total(parts: dict[str, Tensor]) -> Tensor:
    """The sum of parts [B, D] or [B], [B]."""
    return torch.stack(
        [part.flatten(1).sum(1) if part.dim() > 1 else part for part in parts.values()]
    ).sum(0)


class EncodingModel(GenerativeModel):
    """A model with latents z [B, Z] of a whole user."""

    @property
    @abstractmethod
    def latents(self) -> int:
        """The number of latent dimensions, Z."""

    @abstractmethod
    def encode(self, x: Tensor) -> Independent:
        """q(z|x) for profiles [B, D, S, C]."""


class LatentModel(EncodingModel):
    """A model whose latents z [B, Z] say everything that cells depend on."""

    @abstractmethod
    def decode(self, z: Tensor) -> Distribution:
        """p(x|z) for latents [B, Z], over [B, D, S, C]."""

    @abstractmethod
    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Profiles [B, D, S, C] from p(x|z)."""

    def sample(self, size: int, generator: Generator, prior: Prior | None = None) -> Tensor:
        """Draw z from the prior (N(0, I) where none is given), then x from p(x|z)."""
        return self.draw((prior or StandardNormal(self.latents)).sample(size, generator), generator)


class Windows(NamedTuple):
    """Windows of series as models read them.

    Attributes:
        values: [B, T, V], 0 where nothing was observed.
        observed: Bool [B, T, V].
        clock: Number of each step in its series, [B, T].
    """

    values: Tensor
    observed: Tensor
    clock: Tensor


def unpacked(x: Tensor) -> Windows:
    """Windows from a batch [B, T, V + 1]: values, NaN where missing, and the clock."""
    values = x[..., :-1]
    clock = x[..., -1]
    observed = ~values.isnan()
    return Windows(torch.where(observed, values, 0.0), observed, clock)


class SeriesModel(Model):
    """A model of series; letters: B series, T steps, V variables."""

    axes_kind = SeriesAxes
    axes: SeriesAxes

    @classmethod
    def suited(cls, config: Any, values: Tensor) -> Any:
        """The settings with what they leave to the data decided; some leave nothing.

        Args:
            config: Settings.
            values: Some training steps [R, V], NaN where missing.
        """
        return config

    @property
    @abstractmethod
    def window(self) -> int:
        """Steps in the windows that it is fitted to."""

    @abstractmethod
    def start_from(self, values: Tensor) -> None:
        """Set what is taken from training steps [R, V], NaN where missing, before the first step of the fit."""

    @abstractmethod
    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Series [B, T, V] that never existed, from the model's own start."""


State = tuple[Tensor, ...]
"""What a model knows of the past, each tensor [B, ...]; the last one is the number of the step to come, [B]."""


class AutoregressiveModel(SeriesModel):
    """A model that knows the distribution of the next step from a state, and takes that step into the state.

    Attributes:
        p_v: From features to that distribution.
        latent_draws: Draws of latents that stand for all of them; 1 where there are none.
    """

    p_v: Observation
    latent_draws: ClassVar[int] = 1

    @abstractmethod
    def begin(self, series: int, clock: Tensor | None = None) -> State:
        """The state before the first step; ``clock`` [B] is its number where the series began earlier."""

    @abstractmethod
    def predict(self, state: State, generator: Generator) -> Distribution:
        """The distribution of the next step, batch shape [B, V]; given a draw of latents where there are any."""

    @abstractmethod
    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        """The state after a step [B, V]."""

    @abstractmethod
    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """The distribution of every step given those before it, batch shape [B, T, V]; at once where it can be."""

    @abstractmethod
    def anchors(self, x: Windows) -> Tensor:
        """What each step, and the one after the last, is expected relative to, [B, T + 1, V]; 0 for nothing."""

    @abstractmethod
    def expected(self, features: Tensor, anchor: Tensor) -> Distribution:
        """p(v) from features [..., F] and what it is relative to [..., V]."""

    @abstractmethod
    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Log p(v) of windows [B], or an importance-weighted bound of it (Burda et al. 2016)."""

    @abstractmethod
    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Values from such a distribution, of its batch shape."""

    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Draw step by step, each from what was drawn before."""
        return self.go_on(self.begin(series), steps, generator)

    def go_on(self, state: State, steps: int, generator: Generator) -> Tensor:
        """Draw the steps after a state, [B, T, V]."""
        drawn = list[Tensor]()
        everything = torch.ones(len(state[-1]), len(self.axes.variables), dtype=torch.bool)
        for _ in range(steps):
            drawn.append(self.draw(self.predict(state, generator), generator))
            state = self.observe(state, drawn[-1], everything, generator)
        return torch.stack(drawn, 1)

    def read(self, x: Windows, generator: Generator) -> State:
        """The state after windows [B, T, V]; models with fused kernels need no loop."""
        state = self.begin(len(x.values), x.clock[:, 0])
        for t in range(x.values.shape[1]):
            state = self.observe(state, x.values[:, t], x.observed[:, t], generator)
        return state
