"""Profiles: sparse counts[user, day, slot, channel], from events, on disk, and in batches.

The names below are loaded when they are first asked for: the engines take half a second to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from habitus.profiles.batches import Batches
    from habitus.profiles.build import ProfileConfig, profile, profile_to
    from habitus.profiles.convert import from_pandas, to_pandas
    from habitus.profiles.logs import to_events
    from habitus.profiles.sparse import Profiles, concat
    from habitus.profiles.store import StoredProfiles, save
    from habitus.schema import Axes

_HOME = {
    "Axes": "habitus.schema",
    "Batches": "habitus.profiles.batches",
    "ProfileConfig": "habitus.profiles.build",
    "Profiles": "habitus.profiles.sparse",
    "StoredProfiles": "habitus.profiles.store",
    "concat": "habitus.profiles.sparse",
    "from_pandas": "habitus.profiles.convert",
    "profile": "habitus.profiles.build",
    "profile_to": "habitus.profiles.build",
    "save": "habitus.profiles.store",
    "to_events": "habitus.profiles.logs",
    "to_pandas": "habitus.profiles.convert",
}

__all__ = [
    "Axes",
    "Batches",
    "ProfileConfig",
    "Profiles",
    "StoredProfiles",
    "concat",
    "from_pandas",
    "profile",
    "profile_to",
    "save",
    "to_events",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'habitus.profiles' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value
