"""Settings of Rhythm."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from habitus.models.parts.checks import check_positive, check_shares, one_of
from habitus.models.rhythm.amounts import AMOUNTS
from habitus.schema import Vocabulary

ALL = "all"
NONE = "none"


@dataclass(frozen=True)
class RhythmConfig:
    """Settings.

    Attributes:
        likelihood: Of a count that is not zero: binned, negative-binomial or poisson.
        latents: Of a user, Z.
        day_latents: Of a day, Y.
        components: Of the prior of users.
        hidden: Units of every layer and state, H.
        channel_width: Units that a channel of an active slot has.
        free_nats: What a user's latent may tell without a cost while it learns (Kingma et al. 2016): the memory
            tells later days so much that else it would tell nothing.
        warm_up: Share of the fit over which the weight of the KL terms rises from 0 to 1.
        hidden_share: Share of users whose last days the encoder is not told while it learns, so that it can place
            users of whom only a beginning is known.
        dropout: Share of what is known of a day that is dropped while it learns.
        attributes: Of users that days depend on: names separated by commas, all, or none.
        vocabulary: The values of each, which come from the data.
        holidays: Whether there are any, which comes from the data.
    """

    likelihood: str = "binned"
    latents: int = 16
    day_latents: int = 8
    components: int = 16
    hidden: int = 96
    channel_width: int = 32
    free_nats: float = 3.0
    warm_up: float = 0.2
    hidden_share: float = 0.3
    dropout: float = 0.0
    attributes: str = ALL
    vocabulary: Vocabulary = field(default_factory=dict)
    holidays: bool = False

    def __post_init__(self) -> None:
        one_of("likelihood", self.likelihood, tuple(AMOUNTS))
        check_positive(self, "latents", "day_latents", "components", "hidden", "channel_width")
        if not self.free_nats >= 0:
            raise ValueError(f"free_nats must be at least 0, got {self.free_nats}")
        check_shares(self, "warm_up", "hidden_share", "dropout")

    def told_of(self, vocabulary: Vocabulary, holidays: bool) -> RhythmConfig:
        """With the attributes that it asks for, of those that users have, and whether there are holidays.

        Raises:
            ValueError: for one that they have not.
        """
        names = {ALL: list(vocabulary), NONE: []}.get(self.attributes, self.attributes.split(","))
        for name in names:
            if name not in vocabulary:
                raise ValueError(
                    f"the users have no attribute {name!r} of at least two and at most 100 values; they "
                    f"have {', '.join(vocabulary) or 'none'}"
                )
        return replace(
            self, vocabulary={name: vocabulary[name] for name in names}, holidays=holidays
        )
