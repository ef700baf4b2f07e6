"""The machine and commit that a figure was measured on, for the first line of every benchmark."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import torch


def describe() -> str:
    """Processor, cores, commit, torch."""
    cpu = next(
        (x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")),
        "?",
    )
    has = torch.cpu.get_capabilities()
    units = (
        ", ".join(name for name in ("amx_bf16", "avx512_bf16", "avx512_f", "avx2") if has.get(name))
        or "none"
    )
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        or "unknown"
    )
    name = cpu.split(":")[-1].strip()
    return f"{name}, {os.cpu_count()} cores ({units}); commit {commit}; torch {torch.__version__}"
