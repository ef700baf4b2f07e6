"""Terms of Rhythm's bound for some profiles, and of the weight of a draw of its latents.

Letters: B users, D days, S slots, C channels, H hidden units, F features of the history, Z latents of a user, Y of a
day, N active days of all users, E features of an embedding.
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
from habitus.models.rhythm.history import DayHistory


class Inputs(NamedTuple):
    """Values for some profiles that do not depend on the latents.

    Attributes:
        x: Active days, [N, S, C].
        at: Users (as ``day``) and days (as ``slot``) of these.
        active: Whether each day is active, bool [B, D].
        days: Calendar, [B, D].
        encoded: Features of the active days, [N, H].
        history: Features of the history before each day, [B, D, F].
        day_history: History that the slots and counts of each day depend on, [B, D, ...].
        state: State before each day, [B, D, H].
        calendar: Calendar features c_d, [B, D, 2 E].
        attributes: Features of attributes, [B, E A].
        q_u: q(u | x), [B, Z].
    """

    x: Tensor
    at: ActiveSlots
    active: Tensor
    days: Days
    encoded: Tensor
    history: Tensor
    day_history: DayHistory
    state: Tensor
    calendar: Tensor
    attributes: Tensor
    q_u: Independent


class Draw(NamedTuple):
    """One draw of the latents, their distributions, and the terms -log p given them.

    Attributes:
        u: Latents of users, [B, Z].
        of_user: log q(u) - log p(u), [B].
        active_days: -log p(a_d), [B, D].
        at: User and day of the N active days.
        days: -log p(x_d), each [N].
        z: Latents of days, [N, Y].
        q_z: q(z_d | x_d, k_d).
        p_z: p(z_d | k_d).
    """

    u: Tensor
    of_user: Tensor
    active_days: Tensor
    at: ActiveSlots
    days: DayTerms
    z: Tensor
    q_z: Diagonal
    p_z: Diagonal

    @property
    def terms(self) -> dict[str, Tensor]:
        """Terms of the bound by their names in the history of a fit, each [B]."""
        of_days = {**self.days._asdict(), "kl_day": kl_of_diagonals(self.q_z, self.p_z)}
        zero = torch.zeros_like(self.of_user)
        by_user = {name: zero.index_add(0, self.at.day, term) for name, term in of_days.items()}
        return {"gates": self.active_days.sum(1), **by_user, "kl_user": self.of_user}

    @property
    def nll_terms(self) -> dict[str, Tensor]:
        """Negative log-likelihood by parts: the user [B]; kinds of days, hours, channels and amounts [B, D].

        Latents contribute log q - log p at the draw rather than its mean, the KL term: the parts sum to the
        logarithm of a draw's weight.
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
