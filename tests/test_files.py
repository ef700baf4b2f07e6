"""Outputs appear whole, replace only their like, and leave nothing behind when a process dies."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from habitus import files
from habitus.files import Mark, check_outputs, claiming, clear_leftovers, replacing, write_json

PROFILES = Mark("profile", "profiles")
METRICS = Mark("evaluate", "metrics")
CALLS = ("os.", "open", "shutil.", "fcntl.")
"""Beginnings of the audit events of system calls that change or look at files."""
MOST_CALLS = 400


def write_folder(out: Path, text: str) -> None:
    """An output of two files in a folder and one below it."""
    with replacing(out, PROFILES) as part:
        (part / "below").mkdir(parents=True)
        (part / "habitus.json").write_text('{"kind": "profiles"}')
        (part / "table").write_text(text)
        (part / "below" / "table").write_text(text)


def read_folder(out: Path) -> str:
    """The text of an output that is whole."""
    first, second = ((out / name).read_text() for name in ("table", "below/table"))
    assert first == second
    assert (out / "habitus.json").is_file()
    return first


def write_file(out: Path, text: str) -> None:
    write_json(out, {"text": text}, METRICS)


def read_file(out: Path) -> str:
    return out.read_text().split('"text": ')[1].split('"')[1]


def in_a_child(work: Callable[[], object]) -> int:
    """Run a function in a fork of this process; return its exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_before(number: int, work: Callable[[], object]) -> bool:
    """Run a function in a child that dies before its n-th system call; False where it ended."""

    def doomed() -> None:
        left = number

        def count(event: str, args: object) -> None:
            nonlocal left
            if event.startswith(CALLS):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(count)
        work()
        os._exit(0)

    code = in_a_child(doomed)
    assert code in (0, 9)
    return code == 9


KINDS = {
    "folder": ("out", PROFILES, write_folder, read_folder),
    "file": ("out.json", METRICS, write_file, read_file),
}


class TestKills:
    """A process that dies before any of its system calls leaves the old output, or the new one."""

    @pytest.mark.parametrize("exchange", [True, False], ids=["one step", "two steps"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_old_or_new_and_no_leftover_after_the_next_start(
        self, tmp_path, capsys, monkeypatch, kind, exchange
    ):
        name, mark, write, read = KINDS[kind]
        if not exchange:
            monkeypatch.setattr(files, "_exchange", lambda one, other: False)
        found = set()
        for number in range(MOST_CALLS):
            folder = tmp_path / str(number)
            folder.mkdir()
            out = folder / name
            write(out, "old")
            if not killed_before(number, lambda out=out: write(out, "new")):
                break
            if exchange:  # at every moment
                assert read(out) in ("old", "new"), number
            left = len(list(folder.iterdir())) > 1
            check_outputs(mark.command, {mark.kind: out})
            said = capsys.readouterr().err
            assert [path.name for path in folder.iterdir()] == [name], number
            found.add(read(out))
            if left:
                assert said.startswith("habitus: removed what a stopped command had left: ")
                assert said.count("\n") == 1
                assert f".{name}." in said
        else:
            raise AssertionError("the child never came to its end")
        assert read(out) == "new"
        assert found == {"old", "new"}
        assert number > 10

    def test_a_kill_while_leftovers_are_cleared(self, tmp_path):
        for number in range(MOST_CALLS):
            folder = tmp_path / str(number)
            folder.mkdir()
            write_folder(folder / "out", "old")
            leave(folder / "out")
            if not killed_before(number, lambda folder=folder: clear_leftovers(folder)):
                break
            clear_leftovers(folder)
            assert [path.name for path in folder.iterdir()] == ["out"], number
        assert read_folder(folder / "out") == "old"

    def test_an_input_whose_replacement_was_not_finished_is_found(self, tmp_path, monkeypatch):
        """Between the two steps of an exchange it is not at its place."""
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
        out = tmp_path / "data" / "out"
        write_folder(out, "old")
        number = 0
        while out.exists():
            killed_before(number, lambda: write_folder(out, "new"))
            number += 1
            assert number < MOST_CALLS
        check_outputs("generate", {"profiles": tmp_path / "made"}, [out])
        assert read_folder(out) == "new"
        assert list(out.parent.iterdir()) == [out]


def leave(out: Path) -> None:
    """Let a process die while it writes an output."""

    def work() -> None:
        with replacing(out, PROFILES) as part:
            part.mkdir()
            (part / "table").write_text("half")
            os._exit(9)

    assert in_a_child(work) == 9


def interrupted() -> bool:
    raise KeyboardInterrupt


class TestLeftovers:
    def test_those_of_a_living_process_stay(self, tmp_path, capsys):
        out = tmp_path / "out"
        go_on, ready = os.pipe(), os.pipe()

        def work() -> None:
            with replacing(out, PROFILES) as part:
                part.mkdir()
                (part / "habitus.json").write_text('{"kind": "profiles"}')
                os.write(ready[1], b"!")
                os.read(go_on[0], 1)

        child = os.fork()
        if not child:
            try:
                work()
            finally:
                os._exit(0)
        os.read(ready[0], 1)
        check_outputs("profile", {"profiles": out})
        assert capsys.readouterr().err == ""
        os.write(go_on[1], b"!")
        os.waitpid(child, 0)
        assert (out / "habitus.json").is_file()

    def test_those_of_this_process_stay(self, tmp_path):
        with replacing(tmp_path / "out", PROFILES) as part:
            part.mkdir()
            (part / "habitus.json").write_text('{"kind": "profiles"}')
            clear_leftovers(tmp_path)
        assert (tmp_path / "out" / "habitus.json").is_file()

    def test_in_a_folder_that_is_gone_on_with(self, tmp_path, capsys):
        run = tmp_path / "run"
        (run / "trials").mkdir(parents=True)
        (run / "habitus.json").write_text('{"kind": "sweep"}')
        leave(run / "trials" / "metrics.json")
        check_outputs("sweep", {"sweep": run}, continued=True)
        assert list((run / "trials").iterdir()) == []
        assert "metrics.json" in capsys.readouterr().err

    def test_what_only_looks_like_one_stays(self, tmp_path):
        for name in (".mine.12345678.part", ".theirs.1234abcd.part"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "letter.txt").write_text("dear")
        (tmp_path / ".link.12345678.part").symlink_to(tmp_path / ".mine.12345678.part")
        (tmp_path / ".file.12345678.part").write_text("a file")
        clear_leftovers(tmp_path)
        assert len(list(tmp_path.rglob("letter.txt"))) == 2
        assert len(list(tmp_path.iterdir())) == 4

    def test_none_after_an_error(self, tmp_path):
        write_folder(tmp_path / "out", "old")
        with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "out", PROFILES) as part:
            part.mkdir(0o700, parents=interrupted())
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert read_folder(tmp_path / "out") == "old"

    def test_of_processes_that_write_the_same(self, tmp_path):
        """The last one wins, and each one's output is whole."""
        out = tmp_path / "out"

        def work(text: str) -> None:
            for _ in range(30):
                write_folder(out, text)

        children = []
        for text in "ab":
            child = os.fork()
            if not child:
                code = 1
                try:
                    work(text)
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        assert read_folder(out) in "ab"
        clear_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [out]


class TestPlaces:
    """What stands at an output, besides files and folders."""

    @contextmanager
    def refused(self, says: str) -> Iterator[None]:
        with pytest.raises(ValueError, match=says) as error:
            yield
        assert "\n" not in str(error.value)

    def test_a_device_gets_the_bytes_and_stays_one(self):
        before = os.stat("/dev/null")
        check_outputs("evaluate", {"metrics": "/dev/null"}, ["/dev/null"])
        write_json(Path("/dev/null"), {"a": 1}, METRICS)
        assert os.path.samestat(before, os.stat("/dev/null"))

    def test_a_pipe_gets_the_bytes(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        got = []
        reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
        reader.start()
        write_json(pipe, {"a": 1}, METRICS)
        reader.join(10)
        assert '"a": 1' in got[0]
        assert pipe.is_fifo()

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_no_folder_goes_to_a_device(self, overwrite):
        with self.refused("expected a folder"):
            check_outputs("profile", {"profiles": "/dev/null"}, overwrite=overwrite)

    def test_a_socket_is_refused(self, tmp_path):
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(tmp_path / "s"))
            with self.refused("socket"):
                check_outputs("evaluate", {"metrics": tmp_path / "s"}, overwrite=True)

    def test_a_link_to_an_earlier_output_is_followed(self, tmp_path):
        write_folder(tmp_path / "real", "old")
        (tmp_path / "link").symlink_to("real")
        write_folder(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert read_folder(tmp_path / "real") == "new"

    def test_a_link_to_nothing_is_followed(self, tmp_path):
        (tmp_path / "link.json").symlink_to("real.json")
        write_file(tmp_path / "link.json", "new")
        assert (tmp_path / "link.json").is_symlink()
        assert read_file(tmp_path / "real.json") == "new"

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_link_to_anything_else_is_not(self, tmp_path, overwrite):
        (tmp_path / "real").write_text("mine")
        (tmp_path / "link").symlink_to("real")
        with self.refused("is a link to"):
            check_outputs("evaluate", {"metrics": tmp_path / "link"}, overwrite=overwrite)

    def test_a_link_to_itself_is_refused(self, tmp_path):
        (tmp_path / "link").symlink_to("link")
        with self.refused("link"):
            check_outputs("evaluate", {"metrics": tmp_path / "link"}, overwrite=True)

    def test_the_working_folder_is_refused(self, tmp_path, monkeypatch):
        write_folder(tmp_path / "out", "old")
        (tmp_path / "out" / "inner").mkdir()
        monkeypatch.chdir(tmp_path / "out" / "inner")
        for path in (".", "..", tmp_path, "/"):
            with self.refused("working folder"):
                check_outputs("profile", {"profiles": path}, overwrite=True)

    def test_the_home_folder_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "home" / "me").mkdir(parents=True)
        monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
        with self.refused("home folder"):
            check_outputs("profile", {"profiles": tmp_path / "home"}, overwrite=True)

    def test_what_comes_while_it_is_written_stays(self, tmp_path):
        out = tmp_path / "out"
        with self.refused("did not write"), replacing(out, PROFILES) as part:
            part.mkdir()
            (part / "habitus.json").write_text('{"kind": "profiles"}')
            out.mkdir()
            (out / "notes.txt").write_text("mine")
        assert (out / "notes.txt").read_text() == "mine"

    def test_a_file_in_a_kept_folder_that_is_a_link_stays(self, tmp_path):
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "kept.json").symlink_to("mine")
        with self.refused("is a link"):
            write_json(tmp_path / "kept.json", {})
        assert (tmp_path / "kept.json").is_symlink()
        assert (tmp_path / "mine").read_text() == "mine"

    def test_an_empty_file_and_an_empty_folder_are_replaced(self, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out.json").touch()
        write_folder(tmp_path / "out", "new")
        write_file(tmp_path / "out.json", "new")
        assert read_folder(tmp_path / "out") == "new"
        assert read_file(tmp_path / "out.json") == "new"

    def test_a_file_of_another_size_is_foreign(self, tmp_path):
        """A user has put a file of their own over one of an output."""
        write_folder(tmp_path / "out", "old")
        (tmp_path / "out" / "table").write_text("my own table")
        with self.refused("holds table, which habitus profile did not write"):
            write_folder(tmp_path / "out", "new")

    def test_a_folder_that_is_claimed_by_two_is_made_once(self, tmp_path):
        for text in ("first", "second"):
            with claiming(tmp_path / "out") as part:
                part.mkdir()
                (part / "habitus.json").write_text(text)
        assert (tmp_path / "out" / "habitus.json").read_text() == "first"
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_no_space_names_the_output(self, tmp_path):
        with pytest.raises(OSError, match="out"), replacing(tmp_path / "out.json", METRICS):
            raise OSError(28, "No space left on device")
