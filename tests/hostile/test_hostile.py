"""A share of the hostile cases of ``attack.py``, and the types of all options with all bad numbers."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import attack
import pytest
import typer
import world
from hypothesis import example, given
from strategies import DATES, NUMBERS, numbers
from typer.models import ParameterInfo

from command_line import call
from habitus.cli import COMMANDS
from habitus.memory import check_memory, free_memory
from habitus.models import MODELS
from habitus.models.base import shapes_of
from habitus.schema import Axes, SeriesAxes
from habitus.sweeps import grid_of

SEED = 19
CASES = 120


def options() -> list[tuple[str, Any, ParameterInfo]]:
    """Name, type and information of every parameter of every command."""
    found = []
    for name in COMMANDS:
        module = getattr(import_module(f"habitus.cli.{name}"), name)
        hints = get_type_hints(module.registered_commands[0].callback, include_extras=True)
        for parameter, hint in hints.items():
            if get_origin(hint) is Annotated:
                kind, info = get_args(hint)[:2]
                found.append((f"{name} {parameter}", kind, info))
    return found


TYPED = {
    name: info.parser
    for name, kind, info in options()
    if {int, float}.intersection((kind, *get_args(kind))) or "date" in str(kind)
}


def test_every_option_of_a_number_or_a_date_has_a_shared_type():
    assert len(TYPED) > 40
    assert [name for name, parser in TYPED.items() if parser is None] == []


def read(parser: Any, text: str) -> tuple[Any, str]:
    """Value of a text, and the message of its refusal."""
    try:
        return parser(text), ""
    except typer.BadParameter as error:
        return None, error.message


@given(numbers)
@example("9" * 5000)
def test_types_give_a_number_or_one_line(text):
    for parser in set(TYPED.values()):
        value, refusal = read(parser, text)
        if refusal:
            assert refusal.startswith("must be ")
            assert "\n" not in refusal
            assert len(refusal) < 200
        else:
            assert abs(float(value)) <= 1e30


def test_types_of_dates_take_dates_that_nanoseconds_hold():
    (parser,) = {parser for name, parser in TYPED.items() if name.endswith((" start", " end"))}
    found = [read(parser, text) for text in (*DATES, *NUMBERS)]
    taken = [str(value) for value, refusal in found if not refusal]
    assert taken == ["1678-01-01", "2261-12-31", "2018-02-01"]


def test_every_command_has_a_line_to_attack():
    assert {line.split()[0] for line in world.LINES} == COMMANDS.keys()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """Inputs that are made quickly, as the current folder."""
    world.build(tmp_path, slow=False)
    monkeypatch.chdir(tmp_path)
    with attack.oddities():
        yield tmp_path


def test_hostile_cases_end_in_one_line_or_well(folder):
    ended = Counter[str]()
    with attack.little_memory():
        failed = attack.attack(CASES, SEED, ended, [])
    assert not failed, "\n".join(failed)
    assert ended["2"] > CASES // 3


def test_memory_is_estimated_and_named():
    check_memory(1000, "nothing", "nothing")
    with pytest.raises(
        ValueError, match=r"a model would take about .* EB of memory, and .* lower latents"
    ):
        check_memory(1e30, "a model", "latents")
    assert 0 < free_memory() < 1 << 50


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_known_without_a_model_and_leave_nothing_behind(name, axes):
    kind = MODELS[name]
    own: Axes | SeriesAxes = axes if kind.axes_kind is Axes else SeriesAxes(("a", "b"))
    config = kind.Config()
    expected = shapes_of(kind, own, config)
    tensors = kind(own, config).state_dict()
    assert {name: tuple(each.shape) for name, each in tensors.items()} == expected
    assert {each.device.type for each in tensors.values()} == {"cpu"}


def test_a_grid_of_a_million_asks_first(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    values = ",".join(map(str, range(1, 1001)))
    code, _, err = call(
        capsys, "sweep", "absent", "--against", "absent", "--model", "beta-vae", "--out", "s",
        "--grid", f"latents={values}", "--grid", f"seed={values}",
    )  # fmt: skip
    assert code == 2
    assert "the sweep has 1,000,000 trials, each of them a fit; give fewer values, or --yes" in err
    assert grid_of({"latents": range(1, 1001), "seed": range(1000)}).trials == 1_000_000
