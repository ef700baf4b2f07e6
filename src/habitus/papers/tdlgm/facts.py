"""Lead, tiles and foot of the tDLGM page: the data and the settings."""

from __future__ import annotations

from habitus.papers.tdlgm.lab import Lab


def facts(lab: Lab) -> tuple[str, list[tuple[str, str]]]:
    """Return the sentence below the heading, and short facts as (name, value)."""
    settings = lab.settings
    lead = (
        "The paper's models, the two that it names and does not run (TimeGAN draws whole series "
        "and reads no past, so it has no row here), and methods that learn nothing, beside the "
        "numbers that the paper prints."
    )
    tiles = [
        ("Series", settings.column),
        ("Steps to fit to", f"{len(lab.train.values):,}"),
        ("Steps to test on", f"{len(lab.test.values):,}"),
        (
            "Seeds",
            f"{settings.seed}"
            if settings.seeds == 1
            else f"{settings.seed} to {settings.each_seed[-1]}",
        ),
        ("Epochs", f"{settings.epochs}"),
        ("Windows", f"{settings.window} steps"),
    ]
    return lead, tiles


def origin(lab: Lab) -> dict[str, str]:
    """Settings of the reproduction, for the foot of its page."""
    settings = {**lab.settings.fixed(), "seeds": lab.settings.seeds}
    return {"Settings": ", ".join(f"{name} {value}" for name, value in settings.items())}
