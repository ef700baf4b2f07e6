"""Work in processes of its own: in order, the same as in one, and errors as they were raised."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from habitus.parallel import by_number


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """As many threads of torch, on a machine of two cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def drawn(number: int) -> tuple[int, np.ndarray]:
    return os.getpid(), np.random.default_rng(number).normal(size=1000 * (7 - number))


def test_in_order_and_the_same_as_in_one(threads):
    found = list(by_number(drawn, range(1, 7)))
    for number, (_, values) in enumerate(found, 1):
        np.testing.assert_array_equal(values, drawn(number)[1])
    processes = {process for process, _ in found}
    assert (
        (processes == {os.getpid()})
        if threads == 1
        else (len(processes) == 2 and os.getpid() not in processes)
    )
    assert torch.get_num_threads() == threads


def test_threads_without_a_core_of_their_own_get_no_process(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    assert {process for process, _ in by_number(drawn, range(4))} == {os.getpid()}
    torch.set_num_threads(before)


def test_an_error_is_the_one_that_was_raised(threads):
    def failing(number: int) -> int:
        if number == 2:
            raise ValueError("only 3 of 20,480 users")
        return number

    pieces = by_number(failing, range(4))
    assert [next(pieces), next(pieces)] == [0, 1]
    with pytest.raises(ValueError, match=r"^only 3 of 20,480 users$"):
        next(pieces)


def test_few_are_begun_ahead(threads, tmp_path):
    """Whoever takes three of many finds few more begun: memory holds for any number."""

    def told(number: int) -> int:
        (tmp_path / str(number)).touch()
        return number

    pieces = by_number(told, range(1000))
    assert [next(pieces) for _ in range(3)] == [0, 1, 2]
    pieces.close()
    assert len(list(tmp_path.iterdir())) < 20
