"""Elementary functions of the compiled loops against NumPy's."""

import numpy as np

from habitus.models.rhythm.sampling.kernels import compiled


def test_exponentials_and_logarithms_are_numpys():
    x = np.linspace(-80, 80, 2001, dtype=np.float32)
    found = np.array([compiled.exp(each) for each in x], np.float64)
    np.testing.assert_allclose(
        found, np.exp(np.float64(x)), rtol=6e-6
    )  # |x| log2(e) is rounded to 2^-18
    x = np.logspace(-6, 6, 2001, dtype=np.float32)
    found = np.array([compiled.log(each) for each in x], np.float64)
    np.testing.assert_allclose(found, np.log(np.float64(x)), rtol=2e-7, atol=2e-7)


def test_what_is_compiled_need_not_be_kept():
    """Here there is no file that it is of, as where none can be written."""
    names = {"compiled": compiled.compiled}
    exec("@compiled\ndef twice(x):\n    return 2 * x", names)
    assert names["twice"](3.0) == 6.0
