"""Sampling of users and days; :class:`UserSampler` is all that the model needs."""

from habitus.models.rhythm.sampling.history import RunningHistory
from habitus.models.rhythm.sampling.users import DrawnUsers, LogProbs, UserSampler

__all__ = ["DrawnUsers", "LogProbs", "RunningHistory", "UserSampler"]
