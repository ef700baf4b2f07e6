"""Estimates of memory: what does not fit is refused before any of it is allocated."""

from __future__ import annotations

import os
import resource
from pathlib import Path

SPARED = 0.9  # of the free memory, the most that one array or model may take
CONTAINERS = (  # control groups of Linux, versions 2 and 1: folder, limit, use, and cache in it
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def check_memory(needed: float, what: str, lower: str) -> None:
    """Refuse work whose arrays are larger than the memory there is.

    Args:
        needed: Estimate of what the arrays take, in bytes.
        what: What they hold, for the message.
        lower: Settings or options that make them smaller.

    Raises:
        ValueError: naming the estimate, the memory there is, and what to lower.
    """
    there = free_memory()
    if needed > SPARED * there:
        raise ValueError(
            f"{what} would take about {in_words(needed)} of memory, and {in_words(there)} are "
            f"free; lower {lower}"
        )


def free_memory() -> int:
    """Bytes that this process may still allocate: of the machine, its container and its limits."""
    found = [_of_machine()]
    for folder, limit, used, cache in CONTAINERS:
        try:
            lines = (folder / "memory.stat").read_text().splitlines()
            # Pages of files that were read count as used, yet are given back on demand.
            cached = next(int(line.split()[1]) for line in lines if line.split()[0] == cache)
            taken = int((folder / used).read_text()) - cached
            found.append(int((folder / limit).read_text()) - taken)
        except (OSError, ValueError, StopIteration):  # not Linux, another version, or no limit
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        found.append(soft - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found))


def _of_machine() -> int:
    """Bytes that the machine can give without swapping; all that it has where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def in_words(size: float) -> str:
    """A number of bytes in its largest unit.

    >>> in_words(1536), in_words(4e9), in_words(1e30)
    ('1.5 kB', '3.73 GB', '8.67e+11 EB')
    """
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} {UNITS[-1]}"
