"""Every benchmark runs, on sizes at which its figures mean nothing."""

import logging
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def as_a_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a program may set, as the end of its process would.

    Programs run in this process because a new one takes longer to import torch and Lightning than
    most of them take for their work.
    """
    threads = torch.get_num_threads()
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(FOLDER):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("fit_throughput.py", "habitus float32 chunk 500"),
        ("population.py", "| daily_mean.kld |"),
        ("scale.py", "evaluate  time per user"),
        ("completion.py", "| context mixture, any mask |"),
        ("complete_throughput.py", "400 profiles: "),
        ("region_sizes.py", "| week from day 0 |"),
        ("factors.py", "| own habits |"),
        ("series.py", "| independent | disc. original"),
        ("series_throughput.py", "64 series of 20 steps: "),
        ("profiles_as_series.py", "| daily_mean.kld |"),
        ("events_throughput.py", "events per second to Parquet"),
        ("restarts.py", "collapsed: 0 of 1"),
        ("rhythm.py", "method rhythm, ahead"),
        ("peers/compare.py", "| two-sample AUC |"),
        ("house.py", "| lines of src |"),
        ("same_outputs.py", "0 not compared, 0 differs"),
        ("mutations.py", "| logit of the gap capped at 1 | test_log_probs.py::"),
    ],
)
@pytest.mark.usefixtures("as_a_program")
def test_quick(script, expected, monkeypatch, capsys):
    path = FOLDER / script
    monkeypatch.setattr(sys, "argv", [str(path), "--quick"])
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
    assert expected in capsys.readouterr().out
