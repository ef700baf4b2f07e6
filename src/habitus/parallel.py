"""Numbered pieces of work on several processes, their results in order.

Work of many small operations holds the interpreter most of the time, so that threads would wait for
each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


class _Pieces(Dataset[tuple["T | None", "Exception | None"]], Generic[T]):
    """Data set of each piece's result, or of its error, which the loader would wrap in a trace."""

    def __init__(self, work: Callable[[int], T], numbers: Sequence[int]) -> None:
        self.work = work
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> tuple[T | None, Exception | None]:
        try:
            with _single_thread():
                return self.work(self.numbers[place]), None
        except Exception as error:
            return None, error


@contextmanager
def _single_thread() -> Iterator[None]:
    """Use one thread: several that share such small operations mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def by_number(work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
    """Yield the result of work for each number, from one process per torch thread that has a core.

    Only a few pieces are computed in advance, which bounds the memory. Each process computes with a
    single thread. Processes are forked, so they share the data and imports of this one.
    """
    pieces = _Pieces(work, numbers)
    cores = len(os.sched_getaffinity(0))
    workers = min(torch.get_num_threads(), cores, len(numbers))
    alone = workers < 2
    how: dict[str, Any] = (
        {} if alone else {"num_workers": workers, "multiprocessing_context": "fork"}
    )
    # The loader's own collation would make tensors of arrays.
    for found, error in DataLoader(pieces, batch_size=None, collate_fn=lambda piece: piece, **how):
        if error is not None:
            raise error
        yield found
