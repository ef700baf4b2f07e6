"""Small populations that many tests use, and the same circumstances however the tests are started."""

import datetime as dt
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from habitus.profiles.sparse import Profiles
from habitus.schema import Axes

# Environment variables that change the width or colour of printed text, or turn errors into
# tracebacks.
PRINTING = (
    "COLUMNS", "LINES", "TERMINAL_WIDTH", "FORCE_COLOR", "NO_COLOR", "PY_COLORS",
    "TTY_COMPATIBLE", "TTY_INTERACTIVE", "GITHUB_ACTIONS", "HABITUS_DEBUG",
)  # fmt: skip


def pytest_configure() -> None:
    """Give commands the settings of an ordinary terminal, before Typer and Rich read theirs."""
    for name in PRINTING:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm"


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Let child processes take signals that a background job or ``nohup`` has them ignore."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    ignored = [number for number in handlers if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, handlers[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports whose figures are made but not drawn, for tests of their words; drawing is slow."""
    monkeypatch.setattr("habitus.report.svg._draw", lambda figure: "<svg></svg>")


def random_profiles(axes: Axes, users: int, seed: int = 0, density: float = 0.05) -> Profiles:
    """Profiles with independent cells and weekday habits; every profile has at least one cell."""
    rng = np.random.default_rng(seed)
    busy = rng.random((users, 1, axes.slots, 1)) < 0.3
    counts = rng.poisson(density * (1 + 5 * busy), (users, *axes.shape))
    counts[:, 0, 0, 0] += 1
    return Profiles.from_dense(axes, counts)


@pytest.fixture(scope="session")
def axes() -> Axes:
    """Axes that are not multiples of eight, on purpose."""
    return Axes(dt.date(2018, 2, 1), 9, 120, ("web", "phone", "tv"))


@pytest.fixture(scope="session")
def population(axes: Axes) -> Profiles:
    return random_profiles(axes, 120)
