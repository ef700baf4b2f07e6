"""What every comparison asks of its sets before it reads them, and the unit in which they are compared."""

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
    _check(generated, reference, "the generated set")
    if train is not None:
        _check(train, reference, "the training set")
    if is_binary(reference.axes) and not is_binary(generated.axes):
        raise ValueError(
            "the reference holds binary values and the generated set does not; profile the reference again"
        )


def _check(source: ProfileSource, reference: ProfileSource, name: str) -> None:
    for role, profiles in ((name, source), ("the reference", reference)):
        if not len(profiles):
            raise ValueError(
                f"expected at least one profile in {role}, got none; generate or profile it again"
            )
    if mismatch := source.axes.mismatch(reference.axes):
        raise ValueError(
            f"{name} and the reference must have the same days, slots and channels, but {mismatch}; "
            "profile both in the same way"
        )


def shared_unit(*sources: ProfileSource | None) -> str:
    """The unit that all sets can be brought into: binary if one is, else peak if one is, else count."""
    units = {source.axes.unit for source in sources if source is not None}
    return next(unit for unit in ("binary", PEAK, "count") if unit in units)
