"""Processor time of fit, generate, complete and evaluate: this version over an earlier one.

Both versions do the same jobs on the same simulated log, in turn, round after round. Each job is a
fork of a process that has loaded what habitus depends on, and has one thread, so that neither the
start nor the other core counts. The ratio is taken within each round: its median and range are
printed. A round before the first lets Numba compile.

Usage: python benchmarks/same_speed.py [--before 25c7a5a] [--after COMMIT] [--rounds 5] [--quick]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median

from machine import describe
from same_outputs import BEFORE, Job, checkout, run_side

COLUMNS = "--user user_id --time timestamp --channel platform"
MEASURED = {
    "fit rhythm": "fit train --model rhythm --epochs 1 --set hidden=32 --seed 0 --out rhythm",
    "fit beta-vae": "fit train --model beta-vae --epochs 4 --batch 100 --seed 0 --out vae"
    " --precision float32",
    "generate": "generate rhythm --users {users} --seed 1 --out generated",
    "complete": "complete mixture test --mask centre --samples 20 --seed 0 --out completed",
    "evaluate": "evaluate generated --against test --train train --two-sample --json metrics.json"
    " --html report.html",
}


def measured(*, quick: bool) -> dict[str, str]:
    """Lines of the measured jobs by name; the quick ones leave out what takes a minute."""
    if not quick:
        return MEASURED
    lines = {name: line for name, line in MEASURED.items() if name != "fit rhythm"}
    shorter = (
        ("generate rhythm", "generate vae"),
        (" --two-sample", ""),
        (" --html report.html", ""),
    )
    for old, new in shorter:
        lines = {name: line.replace(old, new) for name, line in lines.items()}
    return lines


def jobs(users: int, lines: dict[str, str]) -> list[Job]:
    """List the jobs of a round: those that prepare what the measured ones read, and these."""
    prepare = {
        "simulate": f"simulate --users {users} --days 32 --seed 0 --out events.parquet",
        "profile": f"profile events.parquet {COLUMNS} --start 2018-02-01 --days 32 --timezone UTC"
        " --out profiles",
        "split": "split profiles --test 0.3 --seed 0 --out train test",
        "fit mixture": "fit train --model context-mixture --epochs 1 --seed 0 --out mixture"
        " --precision float32",
    }
    return [Job(name, line.format(users=users)) for name, line in (prepare | lines).items()]


def seconds(
    tree: Path, folder: Path, plan: list[Job], compiled: Path, *, after: bool, here: bool
) -> dict[str, float]:
    """Run a round with one version; seconds of processor by job.

    Raises:
        SystemExit: if a job fails.
    """
    run_side(tree, [folder], plan, compiled, after=after, here=here)
    record = json.loads((folder / "record.json").read_text())["jobs"]
    if failed := [name for name, job in record.items() if job["code"]]:
        raise SystemExit(f"failed: {', '.join(failed)}; see {folder / 'printed'}")
    return {name: job["seconds"] for name, job in record.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default=BEFORE, metavar="REV", help=f"default: {BEFORE}")
    parser.add_argument("--after", metavar="REV", help="default: the working tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--quick", action="store_true", help="this version twice, 50 users")
    settings = parser.parse_args()
    if settings.quick:
        settings.before = settings.after
        settings.users = 50
        settings.rounds = 1
    print(describe())
    print(f"{settings.users} users; seconds of processor, one thread")
    lines = measured(quick=settings.quick)
    plan = jobs(settings.users, lines)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in lines}
    with (
        tempfile.TemporaryDirectory(prefix="same-speed-") as folder,
        checkout(settings.before) as before,
        checkout(settings.after) as after,
    ):
        work = Path(folder)
        for number in range(0 if settings.quick else -1, settings.rounds):
            sides = [
                seconds(
                    tree,
                    work / f"{side}{number}",
                    plan,
                    work / side,
                    after=side == "after",
                    here=settings.quick,
                )
                for side, tree in (("before", before), ("after", after))
            ]
            if number >= 0:
                for name, both in found.items():
                    both.append((sides[0][name], sides[1][name]))
    print("| job | before, s | after, s | after / before: median | least to most |")
    print("|---|---|---|---|---|")
    for name, both in found.items():
        ratios = [after / before for before, after in both]
        times = (median(side) for side in zip(*both, strict=True))
        cells = [f"{each:.2f}" for each in times]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"| {name} | {' | '.join(cells)} | {median(ratios):.3f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
