"""What cannot be fitted, or not be given to a run, is refused in one line."""

import numpy as np
import pytest

from habitus.series import Series, SeriesAxes, check_fit, check_variables

RISING = np.arange(6.0)


@pytest.mark.parametrize(
    ("arrays", "window", "says"),
    [
        (
            [np.stack([RISING, np.full(6, 2.5)], 1)],
            3,
            "the variable 'b' is 2.5 in every row; there is nothing to learn",
        ),
        (
            [np.stack([RISING, np.full(6, np.nan)], 1)],
            3,
            "the variable 'b' has no value in any row; leave it out",
        ),
        (
            [np.stack([RISING, RISING], 1)] * 2,
            7,
            r"shorter than a window of 7 rows \(the longest has 6\)",
        ),
        ([np.stack([RISING, RISING], 1)], 6, "expected at least 2 windows of 6 rows, got 1"),
        ([], 6, "the variable 'a' has no value"),
    ],
)
def test_series_that_cannot_be_fitted(arrays, window, says):
    with pytest.raises(ValueError, match=says):
        check_fit(Series.from_arrays(arrays, ["a", "b"]), window)


def test_series_that_can():
    constant_where_seen = np.array([1.0, np.nan, 1.0, 2.0])
    check_fit(Series.from_arrays([constant_where_seen, RISING[:2]], ["a"]), 3)
    check_fit(Series.from_arrays([RISING, RISING[:1]], ["a"]), 6, windows=1)


def test_variables_of_a_run():
    run = SeriesAxes(("a", "b"), 0.1, "t")
    check_variables(run, SeriesAxes(("a", "b")))
    for names, says in [
        (
            ("a",),
            r"fitted to 2 variables \(a, b\), the series have 1 \(a\); choose --column a --column "
            r"b",
        ),
        (("b", "a"), r"the series have 2 \(b, a\)"),
        (("a", "c"), r"the series have 2 \(a, c\)"),
    ]:
        with pytest.raises(ValueError, match=says):
            check_variables(run, SeriesAxes(names))
