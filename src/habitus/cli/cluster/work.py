"""Work of ``habitus cluster``."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from habitus.cli._console import bar, out, out_table, plain, spinner
from habitus.files import check_apart, check_replaceable, replacing
from habitus.profiles.store import StoredProfiles
from habitus.report.cohorts import write_cohort_page
from habitus.report.figures import cohort_pictures
from habitus.report.png import save_png
from habitus.run import Run, load
from habitus.synthesis.latents.cohorts import Cohorts, remember, write_cohorts
from habitus.synthesis.latents.cohorts.clustering import cluster


def execute(run: Path, profiles: Path, out_: Path, k: str, seed: int) -> None:
    """Find cohorts: groups of users with like habits, in a run's latent space."""
    fitted = load(run)
    source = StoredProfiles.open(profiles)
    wanted = k_of(k)
    check_replaceable(out_)
    check_apart(out_, run, profiles)
    with bar("Encoding", "profiles") as advance:
        found = cluster(fitted, source, wanted, seed=seed, on_progress=advance)
    with spinner("Drawing"):
        _write(out_, found, fitted, source)
    out_table(_table(found))
    out(found.reason)
    out(
        f"{out_}: {len(found.groups)} cohorts of {found.users:,} users; look at "
        f"{out_ / 'cohorts.html'}"
    )


def k_of(text: str) -> int | str:
    """Parse a number of cohorts, or the word auto.

    Raises:
        ValueError: if it is neither.

    >>> k_of("auto"), k_of("7")
    ('auto', 7)
    """
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--k must be auto or a number from 1, got {text!r}") from None


def _write(path: Path, found: Cohorts, fitted: Run, source: StoredProfiles) -> None:
    """Everything in the folder, and what the run remembers."""
    about = {"run": str(fitted.path), "profiles": str(source.path)}
    with replacing(path) as part:
        part.mkdir()
        write_cohorts(part, found, about)
        write_cohort_page(part / "cohorts.html", found, about)
        names = [group.name for group in found.groups]
        pictures = [group.picture.sum(-1) for group in found.groups]
        save_png(
            cohort_pictures(found.axes, pictures, names, [g.size for g in found.groups]),
            part / "cohorts.png",
        )
    remember(fitted, found)


def _table(found: Cohorts) -> Table:
    table = Table("cohort", "name", "users", "share", "stability", box=None)
    for group in found.groups:
        numbers = (f"{group.size:,}", f"{group.share:.1%}", f"{group.stability:.2f}")
        table.add_row(str(group.number), plain(group.name), *numbers)
    return table
