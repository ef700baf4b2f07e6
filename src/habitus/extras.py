"""Packages that only some of habitus needs, and the extras that install them."""

from __future__ import annotations

EXTRAS = {
    "optuna": "sweeps",
    "pandas": "pandas",
    "sqlalchemy": "sweeps",
    "statsmodels": "baselines",
}


def how_to_install(error: ModuleNotFoundError) -> str | None:
    """Command that installs what an import did not find, in a sentence; None if it is no extra.

    >>> how_to_install(ModuleNotFoundError(name="optuna.trial"))
    'optuna is not installed; pip install habitus[sweeps]'
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return f"{package} is not installed; pip install habitus[{EXTRAS[package]}]"
