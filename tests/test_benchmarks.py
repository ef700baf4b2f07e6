"""Every benchmark runs, on sizes at which its figures mean nothing."""

from pathlib import Path

import pytest

from forked import run_program
from quick_fits import few_batches, few_populations

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("fit_throughput.py", "habitus float32 chunk 500"),
        ("population.py", "| daily_mean.kld |"),
        ("scale.py", "evaluate  time per user"),
        ("completion.py", "| context mixture, any mask |"),
        ("complete_throughput.py", "40 profiles: "),
        ("region_sizes.py", "| week from day 0 |"),
        ("factors.py", "| own habits |"),
        ("series.py", "| independent | disc. original"),
        ("series_throughput.py", "64 series of 20 steps: "),
        ("profiles_as_series.py", "| daily_mean.kld |"),
        ("events_throughput.py", "events per second to Parquet"),
        ("restarts.py", "collapsed: 0 of 1"),
        ("rhythm.py", "method rhythm, ahead"),
        ("peers/compare.py", "| two-sample AUC |"),
        ("privacy.py", "| training users themselves | 1 of 1 |"),
        ("house.py", "| lines of src |"),
        ("same_outputs.py", "0 not compared, 0 differs"),
        ("same_speed.py", "| evaluate |"),
        ("kills.py", '{"faults": 0}'),
        ("mutations.py", "| logit of the gap capped at 1 | test_log_probs.py::"),
    ],
)
def test_quick(script, expected):
    with few_populations(), few_batches():
        done = run_program(FOLDER / script, "--quick")
    assert done.code == 0, done.err[-2000:]
    assert expected in done.out
