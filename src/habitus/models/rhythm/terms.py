"""Terms of Rhythm's bound for some profiles, and of the weight of a draw of its latents.

Letters: B users, D days, S slots, C channels, H hidden units, F features of the history, Z latents
of a user, Y of a day, N active days of all users, E features of an embedding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Independent

from habitus.models.parts.examples import Days
from habitus.models.parts.gaussians import Diagonal, kl_of_diagonals
from habitus.models.rhythm.active_slots import ActiveSlots
from habitus.models.rhythm.day import DayTerms
from habitus.models.rhythm.history.features import DayHistory


class Inputs(NamedTuple):
    """Values for some profiles that do not depend on the latents."""

    x: Tensor  # active days, [N, S, C]
    at: ActiveSlots  # their users (as ``day``) and days (as ``slot``)
    active: Tensor  # whether each day is active, bool [B, D]
    days: Days  # calendar, [B, D]
    encoded: Tensor  # features of the active days, [N, H]
    history: Tensor  # features of the history before each day, [B, D, F]
    day_history: DayHistory  # history that the counts of each day depend on, [B, D, ...]
    state: Tensor  # state before each day, [B, D, H]
    calendar: Tensor  # calendar features c_d, [B, D, 2 E]
    attributes: Tensor  # features of attributes, [B, E A]
    q_u: Independent  # q(u | x), [B, Z]


class Draw(NamedTuple):
    """One draw of the latents, their distributions, and the terms -log p given them."""

    u: Tensor  # latents of users, [B, Z]
    of_user: Tensor  # log q(u) - log p(u), [B]
    active_days: Tensor  # -log p(a_d), [B, D]
    at: ActiveSlots  # user and day of the N active days
    days: DayTerms  # -log p(x_d), each [N]
    z: Tensor  # latents of days, [N, Y]
    q_z: Diagonal  # q(z_d | x_d, k_d)
    p_z: Diagonal  # p(z_d | k_d)

    @property
    def terms(self) -> dict[str, Tensor]:
        """Terms of the bound by their names in the history of a fit, each [B]."""
        of_days = {**self.days._asdict(), "kl_day": kl_of_diagonals(self.q_z, self.p_z)}
        zero = torch.zeros_like(self.of_user)
        by_user = {name: zero.index_add(0, self.at.day, term) for name, term in of_days.items()}
        return {"gates": self.active_days.sum(1), **by_user, "kl_user": self.of_user}

    @property
    def nll_terms(self) -> dict[str, Tensor]:
        """Negative log-likelihood by parts: user [B]; days, hours, channels and amounts [B, D].

        Latents contribute log q - log p at the draw and not its mean, the KL divergence, so that
        all parts sum to minus the logarithm of the draw's importance weight.
        """
        zero = torch.zeros_like(self.active_days)
        of_days = {
            "days": self.q_z.log_prob(self.z) - self.p_z.log_prob(self.z),
            "hours": self.days.slots,
            "channels": self.days.channels,
            "amounts": self.days.amounts,
        }
        where = (self.at.day, self.at.slot)
        parts = {name: zero.index_put(where, term) for name, term in of_days.items()}
        return {"user": self.of_user, **parts, "days": parts["days"] + self.active_days}
