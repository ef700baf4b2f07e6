"""Start-up: what help and an import load."""

import json
import subprocess
import sys
from typing import get_args, get_type_hints

from habitus.cli import COMMANDS
from habitus.cli._options import names
from habitus.events import MEMORY_LIMIT
from habitus.models.parts.masks import USAGE
from habitus.papers import PAPERS
from habitus.profiles.build import ProfileConfig
from habitus.recipes import RECIPES, SWEEPS
from habitus.simulate import CHANNELS, START
from habitus.sweeps import NAME as SWEEP_NAME
from habitus.synthesis.latents.explanation import WALKS
from habitus.synthesis.latents.traversal import ORDERS
from habitus.training.config import FitConfig

HEAVY = ("torch", "numpy", "pyarrow", "ibis", "sklearn", "scipy", "matplotlib", "numba", "optuna")
CHOICES = {
    "optimiser": names.OPTIMISERS,
    "schedule": names.SCHEDULES,
    "precision": names.PRECISIONS,
    "accelerator": names.ACCELERATORS,
}
HELPS = """
import contextlib, io, json, sys
from habitus.cli import COMMANDS, main
loaded = {}
for command in [[], *([name] for name in COMMANDS)]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    loaded[" ".join(command)] = sorted(set(sys.argv[1:]) & set(sys.modules))
print(json.dumps(loaded))
"""


def run(*args: str) -> str:
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, check=True
    ).stdout


def test_help_of_no_command_loads_what_takes_long():
    loaded = json.loads(run("-c", HELPS, *HEAVY))
    assert loaded.keys() == {"", *COMMANDS}
    assert {name: modules for name, modules in loaded.items() if modules} == {}


def test_the_import_loads_what_takes_long_when_it_is_used():
    script = "import sys, habitus; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    assert run("-c", script, *HEAVY) == "[]\n"
    assert run("-c", "import habitus; print(habitus.__version__ != '')") == "True\n"


def test_what_help_shows_is_what_holds():
    """Help repeats names and defaults of modules that it does not import."""
    assert tuple(RECIPES) == names.RECIPES
    assert tuple(SWEEPS) == names.SWEEPS
    assert names.MASKS == USAGE
    choices = {field: get_args(get_type_hints(FitConfig)[field]) for field in CHOICES}
    assert tuple(choices.values()) == tuple(CHOICES.values())
    assert names.ORDERS == ORDERS
    assert names.WALKS == WALKS
    assert names.MEMORY_LIMIT == MEMORY_LIMIT
    config = ProfileConfig()
    kept = names.WINDOW_DAYS, names.MIN_EVENTS, names.MIN_DAYS, names.MIN_USERS
    assert kept == (config.days, config.min_events, config.min_days, config.min_users)
    assert str(START) == names.SIMULATED_START
    assert ",".join(CHANNELS) == names.SIMULATED_CHANNELS
    assert names.SWEEP_NAME == SWEEP_NAME
    shown = {name: str(getattr(FitConfig(), name)) for name in names.FIT_DEFAULTS}
    assert {**shown, "batch": "500, fewer on small sets"} == names.FIT_DEFAULTS
    assert {name: paper.takes for name, paper in PAPERS.items()} == names.PAPER_DATA
    assert {name: paper.options for name, paper in PAPERS.items()} == names.PAPER_OPTIONS
