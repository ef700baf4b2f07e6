"""Precision that this machine is fast in, and settings of its memory allocator."""

from __future__ import annotations

import ctypes
import sys
from typing import TypeVar

import torch
from torch import nn

from habitus.training.config import FitConfig, Precision

M = TypeVar("M", bound=nn.Module)

PRECISIONS: dict[Precision, str] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
"""Name of each precision in Lightning Fabric."""

# From malloc.h, and the largest threshold that glibc takes.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
MMAP_BYTES = 32 * 2**20
TRIM_BYTES = 2**30


def processor_has_bfloat16() -> bool:
    """Tell whether the processor computes in bfloat16 and does not only emulate it."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


def chosen_precision(settings: FitConfig) -> Precision:
    """Resolve precision auto on this machine: bfloat16 only where hardware computes in it."""
    if settings.precision != "auto":
        return settings.precision
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if processor_has_bfloat16() else "float32"


def keep_freed_memory() -> bool:
    """Have glibc keep up to 1 GiB of freed memory instead of giving it back to the system at once.

    Each chunk of a fit or a completion allocates the same hundred megabytes as the chunk before.
    If these are returned to the system in between, it clears every page again, which took up to a
    third of the time. The setting holds for the whole process.

    Returns:
        True if the setting was made; false on a system without glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MMAP_BYTES) and mallopt(M_TRIM_THRESHOLD, TRIM_BYTES))


def quick_inference() -> torch.autocast:
    """Context of bfloat16 networks, where the processor has it; distributions stay float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=processor_has_bfloat16())


def in_memory_format(module: M, memory_format: torch.memory_format) -> M:
    """Lay out a module's 4-dimensional weights in a memory format, in place."""
    return module.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue]
