"""Functions over numbers of one user after another, compiled for the processor they run on (Numba).

What is compiled is kept beside the package, by the file of the function alone: a compiled function calls others of
its own file only, or a change of theirs would go unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The same function of arrays, named tuples of arrays and numbers.

    Sums may be taken in any order, and numbers are taken to be finite.
    """
    allowed = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
    options = {"fastmath": allowed, "error_model": "numpy", "forceinline": True}
    return cast("_Function", njit(function, cache=True, **options))
