"""What Rhythm knows of profiles, and finds with a draw of its latents: the terms of its bound, and of a weight.

Letters: B users, D days, S slots, C channels, H hidden units, F numbers of a memory, Z latents of a user, Y of a
day, N active days of all users.
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
from habitus.models.rhythm.history import Past


class Given(NamedTuple):
    """What does not depend on the latents."""

    x: Tensor  # active days, [N, S, C]
    at: ActiveSlots  # their users and days
    active: Tensor  # whether each day is, bool [B, D]
    days: Days  # [B, D]
    e: Tensor  # features of active days, [N, H]
    features: Tensor  # of the memory before each day, [B, D, F]
    past: Past  # what days are drawn from, each [B, D, ...]
    h: Tensor  # the state before each day, [B, D, H]
    calendar: Tensor  # c_d, [B, D, 2 TOLD]
    about: Tensor  # what is told of attributes
    q_u: Independent  # q(u | x), [B, Z]


class Draw(NamedTuple):
    """-log of the parts of p, and the latents' distributions."""

    u: Tensor  # [B, Z]
    of_user: Tensor  # log q(u) - log p(u), [B]
    gates: Tensor  # -log p(a_d), [B, D]
    at: ActiveSlots  # user and day of the N active days
    days: DayTerms  # -log p(x_d), each [N]
    z: Tensor  # [N, Y]
    q_z: Diagonal
    p_z: Diagonal

    @property
    def terms(self) -> dict[str, Tensor]:
        """The terms of the bound, each [B]."""
        of_days = {**self.days._asdict(), "kl_day": kl_of_diagonals(self.q_z, self.p_z)}
        nothing = torch.zeros_like(self.of_user)
        by_user = {name: nothing.index_add(0, self.at.day, term) for name, term in of_days.items()}
        return {"gates": self.gates.sum(1), **by_user, "kl_user": self.of_user}

    @property
    def surprise(self) -> dict[str, Tensor]:
        """The user as such [B]; sorts of days, hours, channels and amounts [B, D].

        Of latents it has log q - log p at the draw and not its mean, the KL term, as the weight of a draw has to.
        """
        nothing = torch.zeros_like(self.gates)
        where = (self.at.day, self.at.slot)
        of_days = {
            "days": self.q_z.log_prob(self.z) - self.p_z.log_prob(self.z),
            "hours": self.days.slots,
            "channels": self.days.channels,
            "amounts": self.days.amounts,
        }
        parts = {name: nothing.index_put(where, term) for name, term in of_days.items()}
        return {"user": self.of_user, **parts, "days": parts["days"] + self.gates}
