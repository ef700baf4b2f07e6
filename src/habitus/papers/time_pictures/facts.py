"""Lead and tiles of the "Time pictures" page: the data and the settings."""

from __future__ import annotations

from habitus.papers.time_pictures.lab import Lab


def facts(lab: Lab) -> tuple[str, list[tuple[str, str]]]:
    """The sentence below the heading, and short facts, (name, value)."""
    settings = lab.settings
    axes = lab.axes
    lead = (
        "Every number is from these profiles, beside the one that the paper prints for its own. It "
        f"had 2.85 million users to fit to and 1 million to test on; here are {len(lab.train):,} "
        f"and {len(lab.test):,}."
    )
    tiles = [
        ("Training profiles", f"{len(lab.train):,}"),
        ("Test profiles", f"{len(lab.test):,}"),
        ("Days × slots × channels", " × ".join(map(str, axes.shape))),
        ("Epochs", f"{settings.epochs}"),
        ("Latents drawn from", "N(0, I)" if settings.prior == "normal" else "a mixture"),
        ("Seed", f"{settings.seed}"),
    ]
    return lead, tiles
