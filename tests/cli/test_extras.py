"""Extras that are not installed."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from background import Background
from habitus.extras import EXTRAS


class Absent:
    """Finder in front of all others, with which packages are as if they were not installed."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def habitus_without(packages: tuple[str, ...], *command: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of a command where some packages are not installed."""

    def work() -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in ("habitus", *packages):
                del sys.modules[name]
        sys.meta_path.insert(0, Absent(packages))
        from habitus.cli import main

        main(list(command))

    process = Background(work)
    said = process.communicate()
    return process.returncode, *said


@pytest.mark.parametrize("package", ["optuna", "sqlalchemy"])
def test_a_sweep_says_what_to_install(package, tmp_path):
    command = ("absent", "--against", "absent", "--grid", "beta=1", "--out", str(tmp_path / "s"))
    code, _, err = habitus_without((package,), "sweep", *command)
    assert code == 2
    assert err == f"habitus: {package} is not installed; pip install habitus[sweeps]\n"


def test_everything_else_works_without_the_extras():
    code, out, err = habitus_without(tuple(EXTRAS), "models")
    assert (code, err) == (0, "")
    assert "rhythm" in out


def test_an_extra_holds_what_it_is_said_to():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = [re.match(r"[\w-]+", each)[0] for each in project["dependencies"]]
    assert len(needed) == len(set(needed))
    assert EXTRAS.keys() & set(needed) == set()
    for package, extra in EXTRAS.items():
        listed = project["optional-dependencies"][extra]
        assert any(re.match(rf"{package}\b", each) for each in listed), package
