"""Sampling of users and days; :class:`UserSampler` is all that the model needs."""

from habitus.models.rhythm.sampling.history import RunningHistory
from habitus.models.rhythm.sampling.users import CPU, DrawnUsers, LogProbs, UserSampler

__all__ = ["CPU", "DrawnUsers", "LogProbs", "RunningHistory", "UserSampler"]
