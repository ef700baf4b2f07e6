"""Elementary functions of the compiled loops against NumPy's."""

import numpy as np
import pytest
import scipy.special
from rhythm_inputs import Numbers, python

from habitus.models.rhythm.sampling.kernels import compiled


def test_exponentials_and_logarithms_are_numpys():
    x = np.linspace(-80, 80, 2001, dtype=np.float32)
    found = np.array([compiled.exp(each) for each in x], np.float64)
    # |x| log2(e) is rounded to 2^-18
    np.testing.assert_allclose(found, np.exp(np.float64(x)), rtol=6e-6)
    x = np.logspace(-6, 6, 2001, dtype=np.float32)
    found = np.array([compiled.log(each) for each in x], np.float64)
    np.testing.assert_allclose(found, np.log(np.float64(x)), rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("logits", [[0.3, -1.0, 2.0, -1e4, 0.5], [700.0, 701.0, -1e4], [0.0]])
def test_choices_invert_the_distribution_function(logits):
    """The index changes where a uniform number passes a sum of probabilities."""
    choose = python(compiled.choose)
    bounds = np.cumsum(scipy.special.softmax(np.float64(logits)))
    for index, bound in enumerate(bounds):
        below, above = (choose(np.float32(logits), Numbers(bound + each)) for each in (-1e-4, 1e-4))
        if index == 0 or bound > bounds[index - 1]:
            assert below == index
        if bound < bounds[-1]:
            assert above == np.searchsorted(bounds, bound + 1e-4)
    assert choose(np.float32(logits), Numbers(0.0)) == 0


def test_weights_are_in_proportion_to_probabilities():
    logits = np.float32([0.3, -1.0, 2.0])
    expected = scipy.special.softmax(np.float64(logits))
    total = compiled.weigh(logits)
    np.testing.assert_allclose(logits / total, expected, rtol=1e-5)
    assert compiled.log_probability(logits, 1) == pytest.approx(np.log(expected[1]), abs=1e-5)


def test_functions_are_compiled_where_nothing_can_be_kept():
    """A function that is of no file, as where none can be written."""
    names = {"compiled": compiled.compiled}
    exec("@compiled\ndef twice(x):\n    return 2 * x", names)
    assert names["twice"](3.0) == 6.0


def test_what_is_compiled_is_kept_by_all_sources_that_it_depends_on():
    """Else a function that calls another, or reads a constant, would stay as it was."""
    folder = getattr(compiled.choose, "stats", None)
    if folder is not None:  # there is a compiler
        assert compiled._version() in folder.cache_path
