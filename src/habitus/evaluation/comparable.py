"""Checks before sets of profiles are compared, and the unit in which they are compared."""

from __future__ import annotations

from habitus.evaluation.blocks import is_binary
from habitus.schema import PEAK, ProfileSource


def check_sets(
    generated: ProfileSource, reference: ProfileSource, train: ProfileSource | None = None
) -> None:
    """Refuse what has no meaningful comparison, before anything is read.

    Raises:
        ValueError: if a set is empty, their axes differ, or only the reference is binary.
    """
    roles = {"the generated set": generated, "the reference": reference}
    if train is not None:
        roles["the training set"] = train
    for role, profiles in roles.items():
        if not len(profiles):
            raise ValueError(f"expected at least one profile in {role}, got none; "
                             "generate or profile it again")  # fmt: skip
    for role, profiles in roles.items():
        check_same_axes(profiles, reference, role)
    if is_binary(reference.axes) and not is_binary(generated.axes):
        raise ValueError("the reference holds binary values and the generated set does not; "
                         "profile the reference again")  # fmt: skip


def check_same_axes(source: ProfileSource, reference: ProfileSource, name: str) -> None:
    """Refuse a set, named in the message, whose axes differ from those of the reference.

    Raises:
        ValueError: saying what differs.
    """
    if mismatch := source.axes.mismatch(reference.axes):
        raise ValueError(f"{name} and the reference must have the same days, slots and channels, "
                         f"but {mismatch}; profile both in the same way")  # fmt: skip


def shared_unit(*sources: ProfileSource | None) -> str:
    """Unit that all sets can be brought into: binary if one is, else peak if one is, else count."""
    units = {source.axes.unit for source in sources if source is not None}
    return next(unit for unit in ("binary", PEAK, "count") if unit in units)
