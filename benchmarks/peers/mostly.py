"""MOSTLY AI's engine: an autoregressive network on tables, here a user's rows (hour, event, count).

A row is a non-empty cell in order of time; ``hour`` counts slots from the start of the window. All settings are the
defaults. The engine stops when users that it holds out no longer gain, or when the time is over.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from mostlyai.engine import TabularARGN
from profiles_io import Population, of_cells
from protocol import Settings, Trained, main

KEY = "user"


def train(real: Population, settings: Settings) -> Trained:
    """Fit the engine to the rows of the profiles."""
    channels = real.axes["channels"]
    frame = pd.DataFrame(
        {
            KEY: real.rows,
            "hour": real.cells // len(channels),
            "event": np.array(channels)[real.cells % len(channels)],
            "count": real.values.astype(np.int64),
        }
    )
    engine = TabularARGN(
        tgt_context_key=KEY,
        ctx_primary_key="id",
        ctx_data=_users(len(real)),
        max_training_time=settings.minutes,
        random_state=settings.seed,
        verbose=1,
    )
    engine.fit(frame)
    return Trained(lambda users: _population(engine, users, real), {"rows": len(frame)})


def _users(count: int) -> pd.DataFrame:
    return pd.DataFrame({"id": np.arange(count)})


def _population(engine: TabularARGN, users: int, real: Population) -> Population:
    """Sampled rows as profiles; rows of the same cell are added up."""
    rows = engine.sample(ctx_data=_users(users), rare_category_replacement_method="sample").dropna()
    _, slots, channels = real.shape
    event = pd.Categorical(rows["event"], categories=real.axes["channels"]).codes
    hour = rows["hour"].to_numpy(np.int64).clip(0, real.axes["days"] * slots - 1)
    counts = rows["count"].to_numpy(np.int64).clip(1)
    return of_cells(real.axes, users, rows[KEY].to_numpy(np.int64), hour * channels + event, counts)


if __name__ == "__main__":
    main("mostlyai-engine", train, __doc__)
