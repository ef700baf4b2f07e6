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
    """Settings of Rhythm.

    Attributes:
        likelihood: Distribution of a count that is not zero: binned, negative-binomial or poisson.
        latents: Latents of a user, Z.
        day_latents: Latents of a day, Y.
        components: Components of the prior of users.
        hidden: Units of every layer and state, H.
        channel_width: Units of each channel of an active slot.
        free_nats: Nats that the user's latent may encode at no cost during the fit (Kingma et al.
            2016). The history says so much of later days that the latent would encode nothing
            otherwise.
        warm_up: Share of the fit over which the weight of the KL terms rises from 0 to 1.
        hidden_share: Share of users whose last days are hidden from the encoder during the fit, so
            that it can place users of whom only a beginning is known.
        dropout: Share of the units of a day's context that are dropped during the fit.
        attributes: User attributes to condition on: names separated by commas, all, or none.
        vocabulary: Values of each attribute, which come from the data.
        holidays: Whether there are holidays, which comes from the data.
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

    def adapted_to(self, vocabulary: Vocabulary, holidays: bool) -> RhythmConfig:
        """Add the attributes of the data that the settings ask for, and whether there are holidays.

        Raises:
            ValueError: for an attribute that the users do not have.
        """
        names = {ALL: list(vocabulary), NONE: []}.get(self.attributes, self.attributes.split(","))
        for name in names:
            if name not in vocabulary:
                raise ValueError(
                    f"the users have no attribute {name!r} of at least two and at most 100 values; "
                    f"they have {', '.join(vocabulary) or 'none'}"
                )
        chosen = {name: vocabulary[name] for name in names}
        return replace(self, vocabulary=chosen, holidays=holidays)
