"""A password of a real PostgreSQL, given in every way, in nothing that habitus prints or writes.

Starts a server of its own in a temporary folder (PostgreSQL's programs are looked for in PATH, in
``/usr/lib/postgresql`` and in ``--postgres``), profiles a table of it and runs a sweep whose trials
it keeps, with the password in each form, right and wrong, exports the profiles, and looks for the
password in all output and in every file. It ends with 1 where it finds one.

    python benchmarks/passwords.py

Needs ``psycopg`` and the extra ``sweeps``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import ibis.backends.duckdb
import optuna
import psycopg

import habitus
import habitus.cli

USER = "bob"
# A word of letters, and one with every character that ends a part of a URL or of a quoted text.
PASSWORDS = ("s3cretpassword", "hunter2 @:/?#&=%+'\"ü")
WRONG = "wr0ngpassword!"
COLUMNS = ("--user", "user_id", "--time", "at", "--channel", "channel")


PRELOADED = (habitus.profile, habitus.evaluate, ibis.postgres, optuna.create_study)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgres", type=Path, help="folder of initdb and pg_ctl")
    programs = postgres_programs(parser.parse_args().postgres)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        found = 0
        print(f"{'command':<9}{'password':<26}{'ends':>5}{'files':>7}{'found':>7}")
        with server(programs, Path(folder)) as port:
            for number, password in enumerate(PASSWORDS):
                with psycopg.connect(
                    f"host=127.0.0.1 port={port} user=admin dbname=postgres"
                ) as con:
                    make_table(con, password)
                for row in attempts(port, password, Path(folder) / f"work{number}"):
                    found += row[-1]
                    print("{:<9}{:<26}{:>5}{:>7}{:>7}".format(*row))
    print(f"{found} occurrences")
    sys.exit(bool(found))


def attempts(port: int, password: str, work: Path) -> Iterator[tuple[str, str, int, int, int]]:
    """Run commands with the password in each form; command, form, exit code, files, occurrences."""
    work.mkdir()
    source = work / "source"
    at = f"127.0.0.1:{port}"
    pgpass = work / "elsewhere" / ".pgpass"
    pgpass.parent.mkdir()
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    pgpass.write_text(f"127.0.0.1:{port}:*:{USER}:{escaped}\n")
    pgpass.chmod(0o600)
    forms = {
        "in the URL": (f"postgres://{USER}:{quote(password, safe='')}@{at}/postgres", {}),
        "?password=": (f"postgres://{USER}@{at}/postgres?password={quote_plus(password)}", {}),
        "${NAME}": (f"postgres://{USER}:${{SHOP}}@{at}/postgres", {"SHOP": password}),
        "?password=${NAME}": (
            f"postgres://{USER}@{at}/postgres?password=${{SHOP}}", {"SHOP": password},
        ),
        "PGPASSWORD": (f"postgres://{USER}@{at}/postgres", {"PGPASSWORD": password}),
        "pgpass file": (f"postgres://{USER}@{at}/postgres", {"PGPASSFILE": str(pgpass)}),
        "unescaped": (f"postgres://{USER}:{password}@{at}/postgres", {}),
        "wrong database": (f"postgres://{USER}:{quote(password, safe='')}@{at}/none", {}),
        "wrong port": (f"postgres://{USER}:{quote(password, safe='')}@127.0.0.1:1/x", {}),
        "wrong host": (f"postgres://{USER}:{quote(password, safe='')}@nowhere.invalid/x", {}),
        "no @host": (f"postgres://{USER}:{password}", {}),
        "one slash": (f"postgres:/{USER}:{password}@{at}/postgres", {}),
        "no scheme": (f"{USER}:{password}@{at}/postgres", {}),
        "wrong password": (f"postgres://{USER}:{quote(WRONG, safe='')}@{at}/postgres", {}),
        "wrong ?password=": (f"postgres://{USER}@{at}/postgres?password={quote(WRONG)}", {}),
        "unknown option": (f"postgres://{USER}@{at}/x?sslpasswd={quote(password)}&a=b", {}),
    }  # fmt: skip
    secrets = [password, WRONG]

    def run(
        name: str, form: str, more: dict[str, str], *args: str
    ) -> tuple[str, str, int, int, int]:
        code, said = forked(args, work, more)
        files = [path for path in work.rglob("*") if path.is_file() and path != pgpass]
        found = sum(occurrences(text, secrets) for text in (said, *(f.read_bytes() for f in files)))
        if found or code not in (0, 2) or b"Traceback" in said:
            print(said.decode(errors="replace"), file=sys.stderr)
        return name, form, code, len(files), found

    for form, (url, more) in forms.items():
        out = "source" if not source.exists() else f"profiles-{len(list(work.iterdir()))}"
        yield run("profile", form, more, "profile", f"{url}#clicks", *COLUMNS, "--out", out)
    yield run("profile", "wrong table", {}, "profile", f"{forms['in the URL'][0]}#none", *COLUMNS,
              "--out", "p")  # fmt: skip
    yield run("profile", "filter that fails", {}, "profile", f"{forms['in the URL'][0]}#clicks",
              *COLUMNS, "--filter", "1 / (user_id - user_id) = 1", "--out", "p")  # fmt: skip
    yield run("profile", "one argument too many", {}, "profile", "a", f"{forms['in the URL'][0]}")
    yield run("export", "from profiles", {}, "export", "source", "--out", "again.csv")
    yield run("describe", "from profiles", {}, "describe", "source")
    for form, (url, more) in forms.items():
        out = f"sweep-{len(list(work.iterdir()))}"
        yield run(
            "sweep", form, more, "sweep", "source", "--against", "source", "--model", "beta-vae",
            "--grid", "beta=1", "--epochs", "1", "--batch", "20", "--set", "latents=2",
            "--storage", url.replace("postgres://", "postgresql+psycopg://"), "--name", out,
            "--out", out,
        )  # fmt: skip


def forked(args: tuple[str, ...], work: Path, more: dict[str, str]) -> tuple[int, bytes]:
    """Run a command in a copy of this process, which has seen no password; its code and output."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.chdir(work)
            os.environ |= more
            code = 1
            try:
                habitus.cli.main(list(args))
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 0
            except BaseException as error:
                sys.excepthook(type(error), error, error.__traceback__)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return code, output.read()


def occurrences(text: bytes, secrets: list[str]) -> int:
    """How often secrets occur in a text, as they are or encoded as in URLs or Python."""
    forms = {form for each in secrets for form in (each, quote(each), quote(each, safe=""),
             quote_plus(each), repr(each)[1:-1])}  # fmt: skip
    return sum(text.count(form.encode()) for form in forms)


def make_table(con: psycopg.Connection, password: str) -> None:
    """Make the table and the role that may read it, with a password."""
    literal = password.replace("'", "''")
    con.execute(
        f"DROP TABLE IF EXISTS clicks; DROP OWNED BY {USER}"
        if con.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER]).fetchone()
        else f"CREATE ROLE {USER} LOGIN"
    )
    con.execute(f"ALTER ROLE {USER} PASSWORD '{literal}'")
    con.execute(
        "CREATE TABLE clicks AS SELECT (i % 40)::bigint AS user_id, CASE WHEN i % 3 = 0 THEN "
        "'web' ELSE 'phone' END AS channel, TIMESTAMP '2018-02-01' + i * INTERVAL '1 hour 7 "
        "minutes' AS at FROM generate_series(1, 600) AS i"
    )
    con.execute(f"GRANT SELECT ON clicks TO {USER}; GRANT ALL ON SCHEMA public TO {USER}")


def postgres_programs(given: Path | None) -> Path:
    """The folder of initdb and pg_ctl."""
    there = shutil.which("initdb")
    places = [
        given,
        there and Path(there).parent,
        *sorted(Path("/usr/lib/postgresql").glob("*/bin")),
    ]
    for place in places:
        if place and (place / "initdb").is_file() and (place / "pg_ctl").is_file():
            return place
    sys.exit("no PostgreSQL here; give --postgres the folder of initdb and pg_ctl")


@contextlib.contextmanager
def server(programs: Path, folder: Path) -> Iterator[int]:
    """A server that asks all but its admin for a password; its port."""
    data = folder / "data"
    data.mkdir()
    how = {}
    if os.getuid() == 0:  # which PostgreSQL refuses to run as
        how = {
            "user": "postgres"
            if "postgres" in {each.pw_name for each in pwd.getpwall()}
            else "nobody"
        }
        shutil.chown(data, how["user"])

    def call(program: str, *args: str) -> None:
        subprocess.run(
            [str(programs / program), "-D", str(data), *args],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **how,
        )  # fmt: skip

    call("initdb", "--username", "admin", "--auth", "trust")
    (data / "pg_hba.conf").write_text(
        f"host all admin 127.0.0.1/32 trust\nhost all {USER} 127.0.0.1/32 scram-sha-256\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{data}' -c fsync=off"
    )
    call("pg_ctl", "start", "-w", "-s", "-l", str(data / "log"), "-o", options)
    try:
        yield port
    finally:
        call("pg_ctl", "stop", "-s", "-m", "immediate")


if __name__ == "__main__":
    main()
