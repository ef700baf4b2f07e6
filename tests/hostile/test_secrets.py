"""A password given in any form is in nothing that a command prints or writes, however it ends."""

import datetime as dt
import logging
import sys
import warnings
from pathlib import Path
from urllib.parse import quote

import duckdb
import ibis
import pyarrow as pa
import pytest
from sqlalchemy.exc import OperationalError

from command_line import call
from conftest import random_profiles
from habitus import databases
from habitus.cli._console import masked_reports
from habitus.events import sources
from habitus.profiles.store import save
from habitus.schema import Axes
from habitus.sweeps import storage

PASSWORDS = ("s3cretword", "hunt3r @:/?#&=%+'\"ü")
FORMS = {
    "in the URL": "postgres://bob:{encoded}@host/x", "in the query": "postgres://bob@host/x?password={encoded}",
    "of the key": "postgres://bob@host/x?sslmode=require&sslpassword={encoded}", "a token": "duckdb://md:x?motherduck_token={encoded}",
    "a variable": "postgres://bob:${SHOP}@host/x", "in the query, a variable": "postgres://bob@host/x?password=${SHOP}",
    "in the environment": "postgres://bob@host/x", "without @host": "postgres://bob:{encoded}",
    "not escaped": "postgres://bob:{plain}@host/x", "with one slash": "postgres:/bob:{encoded}@host/x",
    "without a scheme": "bob:{encoded}@host/x", "of another scheme": "nothing://bob:{encoded}@host/x",
}  # fmt: skip
COLUMNS = ("--user", "who", "--time", "at", "--channel", "what")


Error = type("Error", (Exception,), {"__module__": "psycopg"})


@pytest.fixture
def password(request, monkeypatch, tmp_path):
    """A password that nobody has seen yet, in the environment, and an empty folder."""
    text = getattr(request, "param", PASSWORDS[1])
    databases._known.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    yield text
    databases._known.clear()


@pytest.fixture
def run(capsys, password):
    """Run a command; its exit code, once the password is in no output and no file."""

    def run(*args: str) -> int:
        code, out, err = call(capsys, *args)
        texts = [
            out,
            err,
            *(p.read_bytes().decode(errors="replace") for p in Path().rglob("*") if p.is_file()),
        ]
        for secret in (password, quote(password, safe=""), repr(password)[1:-1]):
            assert [text for text in texts if secret in text] == []
        assert "Traceback" not in err
        if code == 2 and "Usage" not in err:
            assert err.count("\n") == 1, err
        return code

    return run


def source_of(form: str, password: str, monkeypatch: pytest.MonkeyPatch) -> str:
    databases._known.clear()
    for name in {
        "a variable": ["SHOP"],
        "in the query, a variable": ["SHOP"],
        "in the environment": ["PGPASSWORD"],
    }.get(form, []):
        monkeypatch.setenv(name, password)
    return FORMS[form].replace("{encoded}", quote(password, safe="")).replace("{plain}", password)


def connecting(fails: str, password: str):
    """A connection of a driver that repeats the password in what it says, or one to some rows."""

    def connect(url: str, **rest: object):
        if fails == "connection":
            raise Error(f'connection to "{url}" failed for {password!r}\nIs the server running?')
        con = ibis.duckdb.connect()
        rows = {"who": [1, 2], "at": [dt.datetime(2018, 2, 1)] * 2, "what": ["a", "b"]}
        con.con.register("t", pa.table(rows))
        return con

    return connect


@pytest.mark.parametrize(
    ("fails", "password"),
    [("connection", PASSWORDS[0]), ("nothing", PASSWORDS[1])],
    indirect=["password"],
)
@pytest.mark.parametrize("form", FORMS)
def test_profile_and_export(form, fails, run, password, monkeypatch):
    monkeypatch.setattr(sources.ibis, "connect", connecting(fails, password))
    source = source_of(form, password, monkeypatch)
    code = run("profile", f"{source}#t", *COLUMNS, "--days", "2", "--out", "p")
    assert code in (0, 2)
    assert (code == 0) == Path("p").exists()
    if fails == "connection":
        assert code == 2
    if code == 0:
        assert run("export", "p", "--out", "again.csv") == 0
        assert run("describe", "p") == 0
    for args in (("profile", source), ("profile", "a", f"{source}#t"), (f"{source}#t",)):
        databases._known.clear()  # as in a process of its own
        assert run(*args, *COLUMNS, "--out", "q") == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_storage_that_cannot_be_used(form, run, password, monkeypatch, tmp_path):
    call_storage(monkeypatch, password, None)
    make_profiles()
    assert (
        run(
            *SWEEP,
            "--storage",
            source_of(form, password, monkeypatch).replace("postgres:", "postgresql:"),
        )
        == 2
    )


def test_a_sweep_in_a_database(run, password, monkeypatch, tmp_path):
    call_storage(monkeypatch, password, tmp_path / "shared.db")
    make_profiles()
    at = f"postgresql://bob:{quote(password, safe='')}@host/x?sslpassword={quote(password)}"
    assert run(*SWEEP, "--storage", at) == 0
    another = ["2" if each == "1" else each for each in SWEEP]
    assert run(*another[:-1], "other", "--storage", at) == 2  # the storage holds another sweep


SWEEP = (
    "sweep", "p", "--against", "p", "--model", "beta-vae", "--grid", "beta=0.5", "--set", "latents=2", "--epochs", "1",
    "--batch", "20", "--precision", "float32", "--metric", "held_out_loss", "--out", "s",
)  # fmt: skip


def make_profiles() -> None:
    """Write profiles of 40 users into p."""
    axes = Axes(dt.date(2018, 2, 1), 4, 360, ("web", "phone"))
    save("p", [random_profiles(axes, 40, density=0.3)], axes)


def call_storage(monkeypatch, password: str, path: Path | None) -> None:
    """Let every storage be an SQLite file under its own URL, or fail as drivers do."""
    real = storage._Storage

    def opened(url: str, **rest: object):
        if path is None:
            raise OperationalError(
                f"SELECT {password}", {"p": password}, Error(f"no {url!r}: {password}")
            )
        made = real(
            storage.sqlite_url(path), **{k: v for k, v in rest.items() if k != "engine_kwargs"}
        )
        made.url = url
        return made

    monkeypatch.setattr(storage, "_Storage", opened)


def test_reports_of_python_and_libraries_are_masked(password, capsys, monkeypatch):
    url = databases.resolved(f"postgres://bob:{quote(password, safe='')}@host/x")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def work() -> None:
        with masked_reports([]):
            record = logging.getLogger("x").makeRecord("x", 40, "f", 1, "at %s", (url,), None)
            assert record.getMessage() == "at postgres://bob:***@host/x"
            said = warnings.formatwarning(f"no {password}", UserWarning, "f.py", 1, "")
            assert password not in said
            raise KeyError(url)

    with pytest.raises(KeyError) as error:
        work()
    sys.excepthook(error.type, error.value, error.tb)
    assert "KeyError: 'postgres://bob:***@host/x'" in capsys.readouterr().err


def test_errors_of_the_embedded_engine_are_masked(password):
    databases.resolved(f"postgres://bob:{quote(password, safe='')}@host/x")

    def fail() -> None:
        with sources.engine_errors("cannot read"):
            raise duckdb.IOException(f"no way to {password}!\nat all")

    with pytest.raises(ValueError, match=r"^cannot read: no way to \*\*\*!$"):
        fail()
