"""Mistakes in Rhythm's sampler, one at a time, and the test that notices each.

    python benchmarks/mutations.py            # a few minutes
    python benchmarks/mutations.py --quick    # one of them
    python benchmarks/mutants.py slots.py     # every operator and constant of a file, an hour

Rhythm is fitted by torch and drawn by compiled loops, a second implementation that has to stay the
same. Each mutation is made in a copy of the source, where a test has to fail; without any, all of
them have to pass. The copies run without the compiler (NUMBA_DISABLE_JIT): it is the same source,
and quicker for few draws.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SAMPLING = Path("src/habitus/models/rhythm/sampling")
TESTS = Path("tests/models/rhythm")
LONGEST = 600  # seconds for the tests of a mutation, which may not end by itself

DAYS = "test_log_probs.py::test_log_probabilities_of_drawn_days_are_the_terms_of_the_loss"
USERS = "test_log_probs.py::test_log_probabilities_of_drawn_users_are_the_terms_of_the_loss"
AFTER = (
    "test_log_probs.py::test_log_probabilities_of_days_after_known_ones_are_the_terms_of_the_loss"
)
ACTIVE = "test_log_probs.py::test_the_active_day_probability_of_drawn_users_is_that_of_the_loss"
POISSON = "test_amounts.py::test_poisson_draws_have_scipys_distribution"
NEGATIVE_BINOMIAL = "test_amounts.py::test_negative_binomial_draws_have_scipys_distribution"
HISTORY = "test_history.py::test_all_days_at_once_are_those_of_one_after_another"


class Mutation(NamedTuple):
    """A mistake in one place of the source.

    Attributes:
        name: What is wrong.
        file: File, below the folder of the sampler.
        right: Text that is there once.
        wrong: Text in its place.
        test: Test that notices.
    """

    name: str
    file: str
    right: str
    wrong: str
    test: str

    def applied(self, source: str) -> str:
        """Make the mistake.

        Raises:
            SystemExit: if the text is not there, or more than once.
        """
        found = source.count(self.right)
        if found != 1:
            raise SystemExit(
                f"mutation {self.name!r}: expected {self.right!r} once in {SAMPLING / self.file}, "
                f"found it {found} times; bring the mutation up to date"
            )
        return source.replace(self.right, self.wrong)


MUTATIONS = (
    Mutation(
        "28 days of history left out of the active-day probability", "user_sampler.py",
        "addmm_(history, self.of_history)", "addmm_(history, self.of_history, alpha=0)", ACTIVE,
    ),
    Mutation(
        "counts of the slot before told after any gap", "kernels/slots.py",
        "if gap != 1:", "if gap == 0:", DAYS,
    ),
    Mutation(
        "embedding of the gap capped at 1", "kernels/counts.py",
        "weights.of_gap[gap]", "weights.of_gap[min(gap, 1)]", DAYS,
    ),
    Mutation(
        "logit of the gap capped at 1", "kernels/slots.py",
        "row[slots + 1 + slot - begin]", "row[slots + 1 + min(slot - begin, 1)]", DAYS,
    ),
    Mutation(
        "progress of the day by halves", "kernels/slots.py",
        "math.tanh(left / 3)", "math.tanh(left / 2)", DAYS,
    ),
    Mutation(
        "the user's latent at half weight", "user_sampler.py",
        "torch.addmm(layer.bias, u, of_users)", "torch.addmm(layer.bias, 0.5 * u, of_users)", USERS,
    ),
    Mutation(
        "the day's latent at half weight", "user_sampler.py",
        "torch.cat([context, z], -1)", "torch.cat([context, 0.5 * z], -1)", USERS,
    ),
    Mutation(
        "no offset of the active-day logit", "user_sampler.py",
        "calendar_logits(day) + offset", "calendar_logits(day) + 0 * offset", ACTIVE,
    ),
    Mutation(
        "no offset of slots that never were active", "kernels/slots.py",
        "of_history[NEVER_ACTIVE] += offsets.new_slots", "of_history[NEVER_ACTIVE] += 0", USERS,
    ),
    Mutation(
        "drawn days count as observed only where they will be", "user_sampler.py",
        "day._replace(observed=torch.ones_like(day.observed))", "day", USERS,
    ),
    Mutation(
        "days that were not observed end like others", "kernels/history.py",
        "        if observed[user]:\n            end_day", "        if True:\n            end_day",
        AFTER,
    ),
    Mutation(
        "an active slot without an active channel", "kernels/counts.py",
        "certain = empty and channel == channels - 1", "certain = False", DAYS,
    ),
    Mutation(
        "a pair settled by counts of two or more only", "kernels/counts.py",
        "values[k] >= 1 else", "values[k] > 1 else", DAYS,
    ),
    Mutation(
        "a gap before the first slot", "kernels/days.py",
        "gap = slot - before if before >= 0 else 0", "gap = min(slot - before, slots - 1)", DAYS,
    ),
    Mutation(
        "states of open days in the wrong rows", "kernels/days.py",
        "write(space.h, open_days.h[left])", "write(space.h, open_days.h[i])", DAYS,
    ),
    Mutation(
        "the reset gate left out", "kernels/days.py",
        "reset * (of_state[2 * units + k]", "(of_state[2 * units + k]", DAYS,
    ),
    Mutation(
        "weekdays that do not wrap", "kernels/history.py",
        "which = (weekday + day) % DAYS_PER_WEEK", "which = min(weekday + day, DAYS_PER_WEEK - 1)",
        HISTORY,
    ),
    Mutation(
        "the largest count so far never exceeded", "kernels/counts.py",
        "features[k] += features[bins + 1]", "features[k] += 0", DAYS,
    ),
    Mutation(
        "later events of a Poisson count from its whole span", "kernels/counts.py",
        "poisson(max(rate - first, 0.0), rng)", "poisson(rate, rng)", POISSON,
    ),
    Mutation(
        "a size of a negative binomial count without its tail", "kernels/counts.py",
        "(count + size) / (count + 1) * rate", "size / (count + 1) * rate", NEGATIVE_BINOMIAL,
    ),
)  # fmt: skip


class Copy:
    """A copy of the source and of the tests, in which mistakes are made.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", folder / "src", ignore=without)
        shutil.copytree(ROOT / TESTS, folder / TESTS, ignore=without)
        shutil.copy(ROOT / "pyproject.toml", folder)

    def failing(self, test: str, mutation: Mutation | None = None) -> str | None:
        """Run a test, or all of a file, with a mistake or without; return the first that fails.

        Raises:
            SystemExit: if the tests do not run.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
        environment = {
            "PYTHONPATH": str(self.folder / "src"), "NUMBA_DISABLE_JIT": "1",
            "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        path = self.folder / SAMPLING / mutation.file if mutation else None
        source = path.read_text() if path else ""
        if path and mutation:
            path.write_text(mutation.applied(source))
        try:
            done = subprocess.run(
                [*command, str(TESTS / test)], cwd=self.folder, env=os.environ | environment,
                capture_output=True, text=True, timeout=LONGEST, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"{test} takes too long"
        finally:
            if path:
                path.write_text(source)
        if done.returncode == 0:
            return None
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
        if done.returncode != 1 or not failed:
            raise SystemExit(f"the tests of {mutation} do not run:\n{done.stdout}{done.stderr}")
        return failed[0].removeprefix(f"FAILED {TESTS}/").partition(" - ")[0]


def main() -> None:
    """Print the mutations and the tests that notice them; exit with 1 if none notices one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one mutation")
    arguments = parser.parse_args()
    mutations = MUTATIONS[3:4] if arguments.quick else MUTATIONS
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for test in sorted({mutation.test for mutation in mutations}):
            if failed := copy.failing(test):
                raise SystemExit(f"{failed} fails without a mutation; mend it first")
        print("| mutation | test that fails |\n|---|---|", flush=True)
        for mutation in mutations:
            failed = copy.failing(mutation.test, mutation)
            unnoticed += failed is None
            print(f"| {mutation.name} | {failed or 'NONE'} |", flush=True)
    if unnoticed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
