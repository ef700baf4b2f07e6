"""Pieces of work on several threads, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def in_order(pieces: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yield the result of each piece of work, in order, from a thread for each processor.

    Pieces are small, so that whole ones side by side are quicker than several threads on each
    operation. Few are begun ahead of what is taken, so that memory is bounded.
    """
    threads = torch.get_num_threads()
    ahead: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for piece in pieces:
            ahead.append(pool.submit(piece))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        # A consumer that stops early waits for the begun pieces only.
        pool.shutdown(wait=True, cancel_futures=True)
        # A worker's setting would hold for threads that begin later, too.
        torch.set_num_threads(threads)
