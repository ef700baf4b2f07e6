"""The database that the processes of a sweep share, with Optuna's reports and warnings silenced."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import (
    ExperimentalWarning,
    OptunaError,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from habitus.databases import masked, reason

HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 20
MOST_RETRIES = 10
TRIES = 40
PAUSE = 0.1  # while other processes make the same tables
LOCKED_SECONDS = 60
RACES = ("already exists", "locked", "unique", "duplicate", "no such table")
"""Words of databases where another process made a table first, or has not made it yet."""


@dataclass(frozen=True)
class Patience:
    """Limits by which a process that works on a trial is presumed dead.

    Attributes:
        heartbeat: Seconds between heartbeats of the process.
        grace: Seconds without a heartbeat after which another process takes over the trial.
        retries: Number of times that a trial is taken over before it is given up.
    """

    heartbeat: int = HEARTBEAT_SECONDS
    grace: int = GRACE_SECONDS
    retries: int = MOST_RETRIES


class _Storage(RDBStorage):
    """Optuna's storage, in which a heartbeat that cannot be recorded is left out.

    Optuna gives up heartbeats with the first that fails, while a database may be locked or away for
    a moment, and the trial may have been ended by another process.
    """

    def record_heartbeat(self, trial_id: int) -> None:
        with suppress(StorageInternalError, SQLAlchemyError, UpdateFinishedTrialError):
            super().record_heartbeat(trial_id)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from reporting what it does, and that heartbeats are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def opened(text: str, patience: Patience) -> Iterator[RDBStorage]:
    """Open a database by its URL, and make its tables where it has none.

    Raises:
        ValueError: if the URL is invalid, or the database cannot be opened or used.
    """
    url = storage_url(text)
    try:
        storage = _first_opened(url, patience)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (SQLAlchemyError, OptunaError) as error:
        raise ValueError(f"cannot use the storage {shown(text)}: {_reason(error)}") from None


def storage_url(text: str) -> URL:
    """Parse the URL of a database.

    Raises:
        ValueError: for an invalid URL, or one of an in-memory database, which other processes
            cannot share.
    """
    example = "give a URL such as sqlite:///sweep.db or postgresql://host/sweeps"
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            f"--storage must be the URL of a database, got {masked(text)!r}; {example}"
        ) from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError(f"--storage must be a database on disk, got {masked(text)!r}; {example}")
    return url


def sqlite_url(path: Path) -> str:
    """URL of an SQLite file, with characters escaped that would end the path, such as ``?``."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def shown(text: str) -> str:
    """Render a URL without its credentials."""
    return masked(make_url(text).render_as_string(hide_password=True))


def _first_opened(url: URL, patience: Patience) -> RDBStorage:
    """Open the database; try again while another process makes the same tables."""
    for _ in range(TRIES):
        try:
            return _open(url, patience)
        except (DBAPIError, StorageInternalError) as error:
            if not any(word in _reason(error).lower() for word in RACES):
                raise
            time.sleep(PAUSE * (0.5 + random.random()))
    return _open(url, patience)


def _open(url: URL, patience: Patience) -> RDBStorage:
    sqlite = url.get_backend_name() == "sqlite"
    try:
        storage = _Storage(
            url.render_as_string(hide_password=False),
            engine_kwargs={"connect_args": {"timeout": LOCKED_SECONDS}}
            if sqlite
            else {"pool_pre_ping": True},
            heartbeat_interval=patience.heartbeat,
            grace_period=patience.grace,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(patience.retries),
        )
    except ImportError:
        driver = url.get_driver_name()
        raise ValueError(
            f"the storage {shown(str(url))} needs the driver {driver}; install it"
        ) from None
    except RuntimeError as error:  # tables of another version of Optuna
        raise ValueError(f"cannot use the storage {shown(str(url))}: {_reason(error)}") from None
    if sqlite:
        _lock_before_reading(storage.engine)
    return storage


def _lock_before_reading(engine: Engine) -> None:
    """Have SQLite lock the database when a transaction begins, and not at its first write.

    Optuna looks whether a trial is waiting before it takes it, and asks for a lock on that row,
    which SQLite does not know: two processes that look at once would both have it.
    """

    def leave_transactions_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_transactions_to_us)
    event.listen(engine, "begin", begin)
    engine.dispose()  # connections that were opened before


def _reason(error: BaseException) -> str:
    """First line of the database's own message, which Optuna wraps."""
    return reason(error.__cause__ or error)
