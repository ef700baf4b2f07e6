"""Sampling of users and days; :class:`UserSampler` is all that the model needs.

``user_sampler`` and ``day_sampler`` lay out weights and call the compiled loops of ``kernels``:
a user's days are decided in ``kernels/users``, a day is drawn in ``kernels/days``, its next slot in
``kernels/slots`` and the counts of that slot in ``kernels/counts``.
"""

from habitus.models.rhythm.sampling.running_history import RunningHistory
from habitus.models.rhythm.sampling.user_sampler import DrawnUsers, LogProbs, UserSampler

__all__ = ["DrawnUsers", "LogProbs", "RunningHistory", "UserSampler"]
