"""Settings of Rhythm."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Literal

from habitus.schema import Vocabulary
from habitus.settings import NotNegative, Positive, Share, configuration

ALL = "all"
NONE = "none"


@configuration
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

    likelihood: Literal["binned", "negative-binomial", "poisson"] = "binned"
    latents: Positive = 16
    day_latents: Positive = 8
    components: Positive = 16
    hidden: Positive = 96
    channel_width: Positive = 32
    free_nats: NotNegative = 3.0
    warm_up: Share = 0.2
    hidden_share: Share = 0.3
    dropout: Share = 0.0
    attributes: str = ALL
    vocabulary: Vocabulary = field(default_factory=dict)
    holidays: bool = False

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
