"""Functions over numbers of one user after another, compiled for the processor they run on (Numba).

It takes some twenty seconds in all, once: what is compiled is kept beside the package or, where that can't be
written, in the user's cache. It is known by the file of the function alone, so that a compiled function calls
others of its own file only, or a change of theirs would go unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

ALLOWED = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}  # of LLVM's flags

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The same function of arrays, named tuples of arrays and numbers.

    Sums may be taken in any order, and numbers are taken to be finite.
    """
    options = {"fastmath": ALLOWED, "error_model": "numpy", "forceinline": True}
    try:
        return cast("_Function", njit(function, cache=True, **options))
    except RuntimeError:  # nowhere to keep it
        return cast("_Function", njit(function, **options))
