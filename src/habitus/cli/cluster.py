"""``habitus cluster``: cohorts of users with like habits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import habitus
from habitus.cli._console import bar, out, out_table, plain, spinner
from habitus.cli._options import Overwrite, RunFolder, Seed, Stored, command
from habitus.files import Mark, check_outputs, replacing

K = Annotated[
    str,
    typer.Option(
        "--k", metavar="auto|NUMBER",
        help="How many cohorts, or auto: the largest number that is stable.",
    ),
]  # fmt: skip
Out = Annotated[Path, typer.Option("--out", help="Folder for the cohorts.", show_default=False)]


@command("Example: habitus cluster demo/runs/vae demo/train --k auto --out demo/cohorts")
def cluster(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    k: K = "auto",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Find cohorts: groups of users with like habits, in a run's latent space.

    The folder holds who is in which cohort, what each is like, and a page and a picture to look
    at. The run remembers its latest cohorts: habitus generate RUN --cohorts 0 draws users of one.
    """
    from habitus.profiles.store import StoredProfiles
    from habitus.report.cohorts import write_cohort_page
    from habitus.report.figures import cohort_pictures
    from habitus.report.png import save_png
    from habitus.run import load
    from habitus.synthesis.latents.cohorts import remember, write_cohorts

    fitted = load(run)
    source = StoredProfiles.open(profiles)
    wanted = k_of(k)
    mark = Mark("cluster", "cohorts")
    check_outputs(mark.command, {mark.kind: out_}, [run, profiles], overwrite=overwrite)
    with bar("Encoding", "profiles") as advance:
        found = habitus.cluster(fitted, source, wanted, seed=seed, on_progress=advance)
    about = {"run": str(fitted.path), "profiles": str(source.path)}
    with spinner("Drawing"), replacing(out_, mark, overwrite=overwrite) as part:
        part.mkdir()
        write_cohorts(part, found, about)
        write_cohort_page(part / "cohorts.html", found, about)
        names = [group.name for group in found.groups]
        sizes = [group.size for group in found.groups]
        pictures = [group.picture.sum(-1) for group in found.groups]
        save_png(cohort_pictures(found.axes, pictures, names, sizes), part / "cohorts.png")
    remember(fitted, found)
    table = Table("cohort", "name", "users", "share", "stability", box=None)
    for group in found.groups:
        numbers = (f"{group.size:,}", f"{group.share:.1%}", f"{group.stability:.2f}")
        table.add_row(str(group.number), plain(group.name), *numbers)
    out_table(table)
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
