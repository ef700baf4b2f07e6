"""Every command, whatever stands where its output is to go: nothing is lost, and it is said early."""

import datetime as dt
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import call
from conftest import random_profiles
from habitus.events import EventLog
from habitus.files import Mark, replacing
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.build import ProfileConfig, profile_to
from habitus.profiles.store import save
from habitus.run import Run

COMMANDS = {
    "profile": ("profiles", "log.parquet", "profile log.parquet --user user --time time --out OUT"),
    "split": ("profiles", "people", "split people --out OUT second"),
    "split, second": ("profiles", "people", "split people --out first OUT"),
    "fit": ("run", "people", "fit people --model beta-vae --out OUT"),
    "generate": ("profiles", "run", "generate run --users 5 --out OUT"),
    "generate log": ("log", "run", "generate run --users 5 --as events --out OUT.parquet"),
    "generate like": ("profiles", "people", "generate run --like people --out OUT"),
    "complete": ("profiles", "people", "complete run people --mask centre --out OUT"),
    "forecast": ("profiles", "people", "forecast run people --days 1 --out OUT"),
    "export": ("log", "people", "export people --out OUT.parquet"),
    "export csv": ("log", "people", "export people --out OUT.csv"),
    "score": ("scores", "people", "score run people --out OUT.parquet"),
    "cluster": ("cohorts", "people", "cluster run people --out OUT"),
    "traverse": ("picture", "run", "traverse run --out OUT.png"),
    "explain json": ("explanation", "people", "explain run people --json OUT.json"),
    "explain html": ("page", "people", "explain run people --html OUT.html"),
    "evaluate json": ("metrics", "people", "evaluate other --against people --json OUT.json"),
    "evaluate html": ("report", "people", "evaluate other --against people --html OUT.html"),
    "evaluate train": ("report", "people", "evaluate o --against o --train people --html OUT.html"),
    "evaluate series": ("metrics", "s.csv", "evaluate made.parquet --against s.csv --json OUT"),
    "reproduce": ("reproduction", "people", "reproduce time-pictures --all --data people other"
                                            " --out OUT"),
    "sweep": ("sweep", "people", "sweep people --against other --model beta-vae --grid beta=0,1"
                                 " --out OUT"),
}  # fmt: skip
"""Kind of a command's output, something that it reads, and its options."""

FOLDERS = {name for name, (kind, *_) in COMMANDS.items() if kind in
           ("profiles", "run", "cohorts", "reproduction", "sweep")}  # fmt: skip
CONTINUED = {"reproduce", "sweep"}  # commands that go on in their folder, and never replace one


@pytest.fixture(scope="module")
def world(tmp_path_factory, axes):
    """A log, profiles, a run and series."""
    path = tmp_path_factory.mktemp("world")
    people = random_profiles(axes, 30)
    for name in ("people", "other", "o"):
        save(path / name, [people], axes)
    about = {"profiles": 30, "active_share": [0.5] * axes.days}
    model = BetaVAE(axes, BetaVAEConfig(latents=2))
    Run(model, None, {}, {"step": [1.0], "loss": [2.0]}, about).save(path / "run")
    shutil.copytree(path / "run", path / "fitted")
    time = [dt.datetime(2018, 2, 1, hour) for hour in range(3)]
    pq.write_table(pa.table({"user": list("aba"), "time": time}), path / "log.parquet")
    (path / "s.csv").write_text("value\n1\n2\n")
    return path


@pytest.fixture
def here(world, tmp_path, monkeypatch):
    own = tmp_path / "world"
    shutil.copytree(world, own)
    monkeypatch.chdir(own)
    return own


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder: kind, and content or the target of a link."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = b""
        if stat.S_ISLNK(mode):
            content = os.readlink(path).encode()
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (stat.S_IFMT(mode), content)
    return found


def parts(name: str) -> tuple[Mark, str, list[str], str]:
    """Mark of a command's output, what the command reads, its arguments, and the ending of OUT."""
    kind, source, text = COMMANDS[name]
    arguments = text.split()
    out = next(word for word in arguments if word.startswith("OUT"))
    return Mark(arguments[0], kind), source, arguments, out.removeprefix("OUT")


def inner_file(source: str) -> Path:
    """A file of an input."""
    return Path(source) / "habitus.json" if Path(source).is_dir() else Path(source)


Stand = Callable[[str, str, Mark], str]
"""Puts something at an output, given its ending, an input and a mark; returns the output's path."""


def somebody_s_file(end: str, source: str, mark: Mark) -> str:
    Path(f"x{end}").write_text("mine")
    return f"x{end}"


def somebody_s_folder(end: str, source: str, mark: Mark) -> str:
    Path(f"x{end}").mkdir()
    Path(f"x{end}", "notes.txt").write_text("mine")
    return f"x{end}"


def output_of_another_command(end: str, source: str, mark: Mark) -> str:
    write_output(f"x{end}", mark._replace(command="another"))
    return f"x{end}"


def fitted_run(end: str, source: str, mark: Mark) -> str:
    return "fitted"


def own_output_with_notes(end: str, source: str, mark: Mark) -> str:
    write_output(f"x{end}", mark)
    Path(f"x{end}", "notes.txt").write_text("mine")
    return f"x{end}"


def input_itself(end: str, source: str, mark: Mark) -> str:
    return source


def link_to_the_input(end: str, source: str, mark: Mark) -> str:
    Path(f"x{end}").symlink_to(source)
    return f"x{end}"


def link_to_a_file_of_the_input(end: str, source: str, mark: Mark) -> str:
    Path(f"x{end}").symlink_to(inner_file(source))
    return f"x{end}"


def hard_link_to_the_input(end: str, source: str, mark: Mark) -> str:
    os.link(inner_file(source), f"x{end}")
    return f"x{end}"


def file_of_the_input(end: str, source: str, mark: Mark) -> str:
    return str(inner_file(source))


def parent_of_the_input(end: str, source: str, mark: Mark) -> str:
    return ".."


def path_in_the_input(end: str, source: str, mark: Mark) -> str:
    return f"{source}/x{end}"


def link_to_a_folder(end: str, source: str, mark: Mark) -> str:
    Path("mine").mkdir()
    Path("mine", "notes.txt").write_text("mine")
    Path(f"x{end}").symlink_to("mine")
    return f"x{end}"


def device(end: str, source: str, mark: Mark) -> str:
    return "/dev/null"


def write_output(path: str, mark: Mark) -> None:
    """An earlier output, as far as its mark goes."""
    with replacing(path, mark, overwrite=True) as part:
        part.mkdir()
        (part / "habitus.json").write_text(f'{{"kind": "{mark.kind}"}}')


ONCE: dict[Stand, bool] = {
    somebody_s_file: True,
    somebody_s_folder: True,
    output_of_another_command: False,
    fitted_run: False,
    own_output_with_notes: False,
}
"""What is refused without --overwrite -> whether for files as well."""
ALWAYS: dict[Stand, str] = {
    input_itself: "both",
    link_to_the_input: "both",
    link_to_a_file_of_the_input: "both",
    hard_link_to_the_input: "both",
    file_of_the_input: "both",
    parent_of_the_input: "both",
    path_in_the_input: "folder input",
    link_to_a_folder: "both",
    device: "folder",
}
"""What is refused with --overwrite as well -> for which outputs."""


def is_refused(capsys, here: Path, arguments: list[str], overwrite: bool) -> None:
    """Run a command that must end with one line and exit code 2, everything as it was."""
    before = snapshot(here)
    null = os.stat("/dev/null")
    code, out, err = call(capsys, *arguments, *(["--overwrite"] if overwrite else []))
    assert (code, out) == (2, ""), err
    assert err.startswith("habitus: ")
    assert err.count("\n") == 1, err
    assert snapshot(here) == before
    assert os.path.samestat(os.stat("/dev/null"), null)


def cases() -> list[tuple[str, Stand, bool]]:
    found = []
    for name in COMMANDS:
        folder = name in FOLDERS
        found += [(name, stand, False) for stand, files_too in ONCE.items() if folder or files_too]
        reads_folder = COMMANDS[name][1] in ("people", "run")
        wanted = {"both": True, "folder": folder, "folder input": reads_folder}
        found += [
            (name, stand, name not in CONTINUED) for stand, what in ALWAYS.items() if wanted[what]
        ]
    # A sweep or a reproduction goes on in its own folder, whatever else lies there.
    return [
        each for each in found if each[0] not in CONTINUED or each[1] is not own_output_with_notes
    ]


@pytest.mark.parametrize(
    ("name", "stand", "overwrite"),
    cases(),
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_nothing_is_lost(here, capsys, name, stand, overwrite):
    mark, source, arguments, end = parts(name)
    out = stand(end, source, mark)
    is_refused(
        capsys, here, [out if word == f"OUT{end}" else word for word in arguments], overwrite
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "split people --out z z/in",
        "split people --out z/in z",
        "split people --out z z",
        "split people --out z ./y/../z",
        "evaluate other --against people --json x --html x",
        "evaluate other --against people --json x --html ./x",
        "explain run people --json x --html x",
    ],
)
def test_two_outputs_lie_apart(here, capsys, arguments):
    is_refused(capsys, here, arguments.split(), False)
    is_refused(capsys, here, arguments.split(), True)


@pytest.mark.parametrize(
    "arguments",
    [
        "split people --out first second",
        "profile log.parquet --user user --time time --days 1 --out made",
        "generate run --users 5 --prior normal --out made",
        "export people --out made.parquet",
        "simulate --users 10 --days 3 --out made.parquet",
    ],
)
def test_an_own_earlier_output_is_replaced(here, capsys, arguments):
    for _ in range(2):
        code, _, err = call(capsys, *arguments.split())
        assert code == 0, err
    assert [path for path in here.iterdir() if path.name.startswith(".")] == []


def test_anything_is_replaced_where_it_is_asked_for(here, capsys):
    somebody_s_folder("", "people", Mark("", ""))
    arguments = "split people --out x fitted"
    is_refused(capsys, here, arguments.split(), False)
    code, _, err = call(capsys, *arguments.split(), "--overwrite")
    assert code == 0, err
    assert not Path("x/notes.txt").exists()
    assert not Path("fitted/weights.safetensors").exists()


def test_the_log_in_the_folder_that_is_written(here, capsys):
    """The first case of all: the log was copied into a folder of profiles."""
    arguments = "profile made/log.parquet --user user --time time --days 1 --out made"
    first = arguments.replace("made/log", "log").split()
    assert call(capsys, *first)[0] == 0
    shutil.copy("log.parquet", "made")
    is_refused(capsys, here, arguments.split(), False)
    is_refused(capsys, here, arguments.split(), True)
    is_refused(capsys, here, first, False)


def test_the_log_in_the_folder_that_python_writes(here):
    Path("made").mkdir()
    shutil.copy("log.parquet", "made")
    before = Path("made/log.parquet").read_bytes()
    log = EventLog.open("made/log.parquet", user="user", time="time")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"made holds made/log\.parquet, which is read"):
            profile_to("made", log, ProfileConfig(days=1), overwrite=overwrite)
    assert Path("made/log.parquet").read_bytes() == before
