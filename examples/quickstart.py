"""From an event log to a generated population and a report, in ten lines.

Run ``python examples/quickstart.py``: it simulates a log first, in place of your own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import habitus
from habitus.simulate import write_log


def quickstart(folder: Path, users: int = 2000, epochs: int = 10) -> Path:
    """Write a log, learn from it, and write a report; return the report's path."""
    write_log(folder / "events.parquet", users, days=32, seed=0)

    log = habitus.EventLog.open(
        folder / "events.parquet", user="user_id", time="timestamp", channel="platform"
    )
    profiles = habitus.profile(log)
    train, test = profiles.split(test=0.26, seed=0)
    config = habitus.BetaVAEConfig(beta=0.1)
    how = habitus.FitConfig(epochs=epochs)
    run = habitus.fit(habitus.BetaVAE, train, config, fit=how, out=folder / "run")
    generated = habitus.generate(run, users=len(train), seed=1)
    found = habitus.evaluate(generated, test, train)
    for name, figure, floor in found.rows():
        print(f"{name}: {figure}, another real sample {floor}")
    habitus.write_report(folder / "report.html", found, generated, test)
    return folder / "report.html"


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart")
    print(f"open {quickstart(target)}")
