"""Outputs that appear whole, replace only their like, and never what a command reads.

What is written first stands in a hidden folder beside its place, ``.NAME.XXXXXXXX.part``, and is
put in place in one step when it is complete. The folder holds a file, ``lock``, that stays locked
while its process lives: what a process that died left is found by its free lock, and cleared when
another command writes beside it.

An output carries a :class:`Mark`, the command and the kind of output: a folder in its
``habitus.json``, with the names and sizes of all files in it; Parquet, JSON, HTML and PNG files
where their format keeps such things. CSV has no place for one. Where no mark is found, only
``overwrite`` replaces what stands there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

MARKER = "habitus.json"
NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)

FOLDERS = ("profiles", "run", "cohorts", "sweep", "reproduction")
"""Kinds of outputs that are folders; all others are files."""
KEY = "habitus.output"  # of the mark in Parquet, JSON and PNG files
WRITTEN = "written"  # of the mark in a folder's habitus.json
HEAD_BYTES = 4096  # of a PNG or HTML file that hold the mark
MOST_JSON_BYTES = 2**26

PART = re.compile(r"\..*\.[0-9a-f]{8}\.part")
LOCK = "lock"  # file in a part's folder; holds the name of the output
NEW = "new"  # the output; its own name could be read as part of a folder of logs
OLD = "old"  # what an output replaces, where the exchange takes two steps
LONGEST_NAME = 60  # of an output, in the name of its part
AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)

OPTIONS = {"metrics": "--json", "explanation": "--json", "report": "--html", "page": "--html"}
"""Option of an output's path, by the kind of output, where it is not ``--out``."""

Outputs = Mapping[str, Path | str | Iterable[Path | str] | None]
"""Paths of a command's outputs by kind; None where one is not wanted."""


class Mark(NamedTuple):
    """What an output says of itself: the command that wrote it, and its kind."""

    command: str
    kind: str

    @property
    def text(self) -> str:
        """The mark as JSON."""
        return json.dumps(self._asdict())

    @property
    def elsewhere(self) -> str:
        """Advice to give another path."""
        return f"choose another {OPTIONS.get(self.kind, '--out')}"

    @property
    def parquet(self) -> dict[bytes, bytes]:
        """The mark as metadata of a Parquet file's schema."""
        return {KEY.encode(): self.text.encode()}

    @property
    def generator(self) -> str:
        """The mark as the content of a page's generator tag."""
        return f"habitus {self.command} {self.kind}"


def check_outputs(
    command: str,
    outputs: Outputs,
    reads: Iterable[Path | str | None] = (),
    *,
    overwrite: bool = False,
    continued: bool = False,
) -> None:
    """Refuse outputs that would destroy something, before any work; clear leftovers beside them.

    Args:
        command: Name of the command or function that writes.
        outputs: Paths by kind.
        reads: Files, folders and globs that the command reads; URLs among them are left out.
        overwrite: Replace whatever file or folder stands at an output.
        continued: The output is a folder that the command goes on in where it is there; the caller
            checks its content.

    Raises:
        ValueError: for an output that is read, lies in a folder that is read or holds something
            that is; for two that are the same or one in the other; for what is no place for an
            output of its kind; without ``overwrite``, also where something else stands than an
            earlier output of the same command and kind.
    """
    places = [
        (Path(path), Mark(command, kind))
        for kind, given in outputs.items()
        for path in _listed(given)
    ]
    sources = [source for path in reads for source in _sources(path)]
    for folder in dict.fromkeys(
        [*(_target(path).parent for path, _ in places), *(path.parent for path in sources)]
    ):
        clear_leftovers(folder)
    for number, (path, mark) in enumerate(places):
        for source in sources:
            _check_apart(path, source, mark)
        for other, _ in places[:number]:
            _check_two(other, path)
    for path, mark in places:
        if _is_stream(path, mark):
            continue
        _check_place(path, mark)
        if not continued:
            _check_replaceable(path, mark, overwrite)
        elif path.is_dir():
            if any(path.iterdir()) and not (path / MARKER).is_file():
                raise ValueError(f"{path} is a folder that habitus did not write; {mark.elsewhere}")
            for folder, _, _ in os.walk(path):
                clear_leftovers(Path(folder))


@contextmanager
def replacing(
    path: Path | str, mark: Mark | None = None, *, overwrite: bool = False
) -> Iterator[Path]:
    """Yield a path to write a file or folder at; put it in place when the block ends well.

    What stood at ``path`` stays untouched when the block fails. A character device or a pipe gets
    the bytes of the complete file.

    Args:
        path: The place.
        mark: What the output says of itself; None for a file in a folder that habitus keeps, which
            is replaced without a question.
        overwrite: Replace whatever file or folder stands there.

    Raises:
        ValueError: as :func:`check_outputs`, for what stands there when the block begins or ends.
    """
    path = Path(path)
    if mark is None:
        target = _target(path.parent) / path.name
        _check_kept(path)
    elif _is_stream(path, mark):
        with tempfile.TemporaryDirectory(prefix="habitus-") as folder:
            part = Path(folder) / NEW
            yield part
            _copy_to_stream(part, path)
        return
    else:
        target = _target(path)
        _check_place(path, mark)
        _check_replaceable(path, mark, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target
    try:
        with _beside(target) as part:
            yield part
            if mark is not None:
                if part.is_dir():
                    _sign(part, mark)
                _check_replaceable(path, mark, overwrite)  # something may have come meanwhile
            _put(part, target)
    except OSError as error:
        named = error.filename or (part if error.errno in NO_SPACE else "")
        if str(named).startswith(str(part.parent)):
            error.filename = str(path)  # the name that the user gave
        raise


@contextmanager
def claiming(path: Path) -> Iterator[Path]:
    """Yield a path to make a folder at; put it in place unless another process was faster."""
    target = _target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target) as part:
        yield part
        with suppress(OSError):
            part.rename(target)  # onto nothing or an empty folder only


def write_json(
    path: Path, content: Any, mark: Mark | None = None, *, overwrite: bool = False
) -> None:
    """Write JSON that is stable to diff and never holds NaN or infinity."""
    if mark is not None:
        content = {KEY: mark._asdict(), **content}
    with replacing(path, mark, overwrite=overwrite) as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def clear_leftovers(folder: Path) -> None:
    """Remove what processes that died left in a folder, and say so in one line on stderr.

    A replacement of which the old folder was moved aside and the new one not yet put in place is
    finished first. What cannot be removed, or not be known to be left, stays.
    """
    folder = _target(folder)
    try:
        with os.scandir(folder) as entries:
            parts = [
                folder / entry.name
                for entry in entries
                if PART.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return
    removed = list[str]()
    for part in sorted(parts):
        with suppress(OSError):
            if part not in _own and (what := _clear(part)) is not None:
                removed.append(f"{part}{what}")
    if removed:
        print(
            f"habitus: removed what a stopped command had left: {', '.join(removed)}",
            file=sys.stderr,
        )


def _clear(part: Path) -> str | None:
    """Finish and remove one part; a note of what was done, or None where its process lives."""
    try:
        lock = os.open(part / LOCK, os.O_RDWR)
    except FileNotFoundError:
        part.rmdir()  # only if empty: what has no lock and is not empty is not of habitus
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        name = os.read(lock, 4096).decode()
        note = ""
        if name and os.path.lexists(part / OLD):
            target = part.parent / name
            if not os.path.lexists(target):
                complete = os.path.lexists(part / NEW)
                (part / (NEW if complete else OLD)).rename(target)
                note = f" (after putting {target} in place)"
        _discard(part)
        return note
    finally:
        os.close(lock)


_own: set[Path] = set()
"""Folders of parts that this process is writing. A file system that emulates locks does not lock a
process out of what it has locked itself."""


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a path in a new, locked folder beside an output; remove the folder in the end."""
    folder, lock = _new_folder(target)
    _own.add(folder)
    try:
        yield folder / NEW
    finally:
        with suppress(OSError):  # cleared by the next command
            _discard(folder)
        _own.discard(folder)
        os.close(lock)


def _new_folder(target: Path) -> tuple[Path, int]:
    """Make a part's folder; return it and its lock."""
    while True:
        name = f".{target.name[:LONGEST_NAME]}.{uuid.uuid4().hex[:8]}.part"
        folder = target.with_name(name)
        folder.mkdir()
        # Between two of these steps another process may take the folder for a leftover.
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # without locks nobody can tell, and leftovers stay
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, target.name.encode())
        if (folder / LOCK).exists():
            return folder, lock
        os.close(lock)


def _discard(folder: Path) -> None:
    """Remove a part's folder, the lock last: without it the rest would not be known as left."""
    for entry in os.listdir(folder):
        if entry != LOCK:
            _remove(folder / entry)
    (folder / LOCK).unlink(missing_ok=True)
    folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put(part: Path, target: Path) -> None:
    """Put a complete part in place, in one step where the system can; the old goes to its folder.

    Where it cannot, an old folder is moved aside first: no folder can be renamed onto another.
    """
    if not target.is_dir():
        part.replace(target)
    elif not _exchange(part, target):
        old = part.with_name(OLD)
        target.rename(old)
        try:
            part.rename(target)
        except OSError:
            old.rename(target)
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where system or file system cannot."""
    sys.audit("os.rename", str(one), str(other), -1, -1)
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if not renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _listed(given: Path | str | Iterable[Path | str] | None) -> list[Path | str]:
    if given is None:
        return []
    return [given] if isinstance(given, Path | str) else list(given)


def _sources(path: Path | str | None) -> list[Path]:
    """Paths that an input names: itself, what its pattern matches, or the file of its URL."""
    if path is None:
        return []
    _, is_url, rest = str(path).partition("://")
    if is_url:
        name = re.split("[#?]", rest)[0]
        return [Path(each) for each in {name, name.lstrip("/")} if each and os.path.exists(each)]
    if not os.path.lexists(path) and any(character in str(path) for character in "*?["):
        return [Path(each) for each in glob.glob(str(path), recursive=True)]
    return [Path(path)]


def _target(path: Path) -> Path:
    """The place itself: absolute, without links."""
    return Path(os.path.realpath(path))


def _names(path: Path) -> set[Path]:
    """Places that a path stands for: its own, and that which it links to."""
    absolute = Path(os.path.abspath(path))
    return {_target(path), _target(absolute.parent) / absolute.name}


def _status(path: Path) -> os.stat_result | None:
    """Status of what a path leads to; None where there is nothing, or a link to itself."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _is_same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    return one is not None and other is not None and os.path.samestat(one, other)


def _check_apart(out: Path, source: Path, mark: Mark) -> None:
    """Refuse an output that is an input, lies in one or holds one, under whatever name."""
    target = _target(out)
    found = _status(target)
    if found is not None and stat.S_ISCHR(found.st_mode):
        return  # /dev/null may be read and written
    if target in _names(source) or _is_same(found, _status(source)):
        raise ValueError(f"{out} is read and would be replaced; {mark.elsewhere}")
    for name in _names(source):
        if target in name.parents:
            raise ValueError(
                f"{out} holds {source}, which is read and would be replaced; {mark.elsewhere}"
            )
    if not source.is_dir():
        return
    if _target(source) in target.parents:
        raise ValueError(f"{out} lies in {source}, which is read; {mark.elsewhere}")
    if found is None:
        return
    for folder, _, files in os.walk(source):
        for name in files:
            inner = Path(folder) / name
            if _is_same(found, _status(inner)) or (
                inner.is_symlink() and target in _target(inner).parents
            ):
                raise ValueError(f"{out} holds or is {inner}, which is read; {mark.elsewhere}")


def _check_two(one: Path, other: Path) -> None:
    """Refuse two outputs of one command of which one would replace the other."""
    first, second = _target(one), _target(other)
    if first == second or _is_same(_status(first), _status(second)):
        raise ValueError(f"expected different outputs, got {one} and {other}; give two paths")
    if first in second.parents or second in first.parents:
        raise ValueError(
            f"expected outputs apart from each other, got {one} and {other}; give two paths"
        )


def _check_kept(path: Path) -> None:
    """Refuse to replace what is no file in a folder that habitus keeps, such as a link."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError(f"{path} is a link, folder or device, expected a file; remove it")


def _is_stream(path: Path, mark: Mark) -> bool:
    """Tell whether a file output goes to a character device or a pipe, as it comes.

    Raises:
        ValueError: for a folder output to one, and for a block device or a socket.
    """
    found = _status(path)
    if found is None or stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return False
    streams = stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode)
    if not streams or mark.kind in FOLDERS:
        what = "a folder" if mark.kind in FOLDERS else "a file, a pipe or /dev/null"
        raise ValueError(f"{path} is a device, pipe or socket, expected {what}; {mark.elsewhere}")
    return True


def _copy_to_stream(part: Path, path: Path) -> None:
    """Write the bytes of a complete file to a device or a pipe; never make or truncate a file."""
    with part.open("rb") as file, os.fdopen(os.open(path, os.O_WRONLY), "wb") as stream:
        shutil.copyfileobj(file, stream)


def _check_place(path: Path, mark: Mark) -> None:
    """Refuse what is no place for an output of a kind, with overwriting or without.

    Raises:
        ValueError: for a file where a folder is to be, or the other way round, and where nothing
            can be written.
    """
    target = _target(path)
    if target.is_symlink():
        raise ValueError(f"{path} is a link to itself; {mark.elsewhere}")
    above = next((each for each in target.parents if os.path.lexists(each)), target)
    if not above.is_dir():
        raise ValueError(f"{above} is a file, expected a folder for {path.name}; {mark.elsewhere}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"{above} cannot be written to; {mark.elsewhere}")
    folder = mark.kind in FOLDERS
    if target.is_dir() and not folder:
        raise ValueError(f"{path} is a folder, expected a file to write; choose another name")
    if target.exists() and not target.is_dir() and folder:
        raise ValueError(f"{path} is a file, expected a folder to write; {mark.elsewhere}")


def _check_movable(path: Path, mark: Mark) -> None:
    """Refuse to replace the working folder, the home folder, one above them, and a mount point.

    Raises:
        ValueError: saying what stands there.
    """
    target = _target(path)
    if not target.is_dir():
        return
    for name, held in (("working", Path.cwd()), ("home", Path.home())):
        if target == _target(held) or target in _target(held).parents:
            raise ValueError(
                f"{path} is or holds the {name} folder; choose another path, such as "
                f"{path / mark.kind}"
            )
    if target.is_mount():
        raise ValueError(
            f"{path} is a mount point, which cannot be replaced; choose a folder in it, such as "
            f"{path / mark.kind}"
        )


def _check_replaceable(path: Path, mark: Mark, overwrite: bool) -> None:
    """Refuse to replace anything but an earlier output of the same command and kind.

    A link is followed to nothing and to such an output only, with overwriting or without.

    Raises:
        ValueError: saying what stands there.
    """
    _check_movable(path, mark)
    target = _target(path)
    what = _objection(target, mark)
    if what is None:
        return
    if path.is_symlink():
        raise ValueError(f"{path} is a link to {target}, {what}; give a path that is no link")
    if not overwrite:
        raise ValueError(f"{path} {what}; {mark.elsewhere}, or replace it with --overwrite")


def _objection(target: Path, mark: Mark) -> str | None:
    """Reason not to replace what stands at a place, or None."""
    if not target.exists():
        return None
    if target.is_dir():
        if not any(target.iterdir()):
            return None
        found, files = _folder_mark(target)
        if found is None:
            kind = _kind_of(target)
            what = "that habitus did not write" if kind is None else f"of habitus, a {kind}"
            return f"is a folder {what}"
        if found == mark and (foreign := _foreign_file(target, files)) is not None:
            return f"holds {foreign}, which habitus {mark.command} did not write"
    else:
        if not target.stat().st_size:
            return None
        found = _file_mark(target)
        if found is None:
            return f"is not known to be the {mark.kind} of habitus {mark.command}"
    if found != mark:
        return f"holds {found.kind} of habitus {found.command}, not {mark.kind} of {mark.command}"
    return None


def _sign(folder: Path, mark: Mark) -> None:
    """Write the mark, and names and sizes of all files, into a folder's JSON."""
    path = folder / MARKER
    content = json.loads(path.read_text())
    content[WRITTEN] = {"command": mark.command, "files": _sizes(folder)}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _sizes(folder: Path) -> dict[str, int]:
    """Size of each file in a folder but its JSON, by its path in the folder."""
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink())
    return {
        str(path.relative_to(folder)): path.lstat().st_size
        for path in files
        if path != folder / MARKER
    }


def _folder_mark(folder: Path) -> tuple[Mark | None, dict[str, int]]:
    """Mark of a folder that habitus wrote, and its files; None for another."""
    try:
        content = _json(folder / MARKER)
        written = content[WRITTEN]
        return Mark(written["command"], content["kind"]), dict(written["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, {}


def _kind_of(folder: Path) -> str | None:
    """Kind of a folder with a JSON of habitus, or None."""
    try:
        return str(_json(folder / MARKER)["kind"])[:LONGEST_NAME]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _foreign_file(folder: Path, files: Mapping[str, int]) -> str | None:
    """Name of a file in a folder that habitus did not write, or None."""
    found = _sizes(folder)
    return next((name for name, size in found.items() if files.get(name) != size), None)


def _file_mark(path: Path) -> Mark | None:
    """Mark of a file that habitus wrote, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if head.startswith(b"PAR1"):
                file.seek(-8, os.SEEK_END)
                size = int.from_bytes(file.read(4), "little")
                file.seek(-8 - size, os.SEEK_END)
                return _mark_in(KEY.encode(), file.read(size))
        if head.startswith(b"\x89PNG"):
            return _mark_in(KEY.encode(), head)
        if head.startswith(b"<!doctype html>"):
            found = re.search(rb'<meta name="generator" content="habitus (\S+) (\S+)">', head)
            return None if found is None else Mark(*(part.decode() for part in found.groups()))
        return Mark(**_json(path)[KEY])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _mark_in(key: bytes, data: bytes) -> Mark | None:
    """Find the mark that follows its key in binary data within a few bytes."""
    found = re.search(re.escape(key) + rb".{0,4}?(\{[^{}]*\})", data, re.DOTALL)
    return None if found is None else Mark(**json.loads(found.group(1)))


def _json(path: Path) -> Any:
    """Content of a small JSON file."""
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ValueError(f"{path} is too large")
    return json.loads(path.read_bytes())
