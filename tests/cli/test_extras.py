"""Extras that are not installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from habitus.extras import EXTRAS

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from habitus.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("package", ["optuna", "sqlalchemy"])
def test_a_sweep_says_what_to_install(package, tmp_path):
    command = (
        "sweep",
        "absent",
        "--against",
        "absent",
        "--grid",
        "beta=1",
        "--out",
        str(tmp_path / "s"),
    )
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(package=package), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"habitus: {package} is not installed; pip install habitus[sweeps]\n"


def test_everything_else_works_without_the_extras(tmp_path):
    for package in EXTRAS:
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED.format(package=package), "models"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "rhythm" in done.stdout


def test_an_extra_holds_what_it_is_said_to():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = [re.match(r"[\w-]+", each)[0] for each in project["dependencies"]]
    assert len(needed) == len(set(needed))
    assert EXTRAS.keys() & set(needed) == set()
    for package, extra in EXTRAS.items():
        listed = project["optional-dependencies"][extra]
        assert any(re.match(rf"{package}\b", each) for each in listed), package
