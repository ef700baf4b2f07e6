"""A population with known factors, as an event log: for demonstration and as ground truth.

How one user's log comes about, from the factors in :class:`Factors`:

1. A day between ``first_day`` and ``last_day`` is active with a probability whose weekly mean is
``regularity`` and
   whose odds on a weekend day are exp(``weekend_preference``) times those on a weekday. Activity
   persists: with probability ``burstiness`` a day reuses yesterday's draw, so the probability of
   each day stays as it is while days come in runs (for equal days: a two-state Markov chain with
   ``burstiness`` as its autocorrelation).
2. An active day has 1 + Poisson sessions, rate^0.8 on average. A session is on one channel, drawn
from the user's
   mix ``p_*``; its middle is at a wrapped normal hour with mean ``preferred_hour`` and deviation
   ``hour_width``.
3. A session holds a geometric number of events, rate^0.2 on average, spread evenly over an
exponential time: the
   events of an hour come in clumps.

Users are drawn in blocks of a fixed size, each from its own random stream, so memory does not grow
with the population and a user's events do not depend on how many users are asked for.
"""

from habitus.simulate.log import CHANNELS, START, SimulatedBlock, factors_path, simulate, write_log
from habitus.simulate.population import DAY_TYPES, Factors

__all__ = [
    "CHANNELS",
    "DAY_TYPES",
    "START",
    "Factors",
    "SimulatedBlock",
    "factors_path",
    "simulate",
    "write_log",
]
