"""The threshold up to which drawn values become zero, as a setting."""

from __future__ import annotations


def check_threshold(threshold: float | None) -> None:
    """Refuse a threshold that is out of range; None means that one is fitted.

    Raises:
        ValueError: naming the range.
    """
    if threshold is not None and not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and below 1, got {threshold}")
