"""The verb ``evaluate`` gives what the functions for each type give."""

import numpy as np
import pytest

from dense_profiles import DenseSource, counts
from habitus.evaluation import Evaluation, evaluate, evaluate_completion, evaluate_profiles
from habitus.evaluation.evaluate_series import (
    evaluate_cleaned,
    evaluate_forecast,
    evaluate_generated,
)
from habitus.evaluation.metrics.marginals import spreads
from habitus.schema import Filled, Forecast
from habitus.series import Series


class CompletedSource(DenseSource):
    """Dense profiles whose last day was filled with ones."""

    samples = 3

    def pieces(self):
        users = len(self)
        days, slots, channels = self.axes.shape
        row, place = np.divmod(np.arange(users * slots * channels), slots * channels)
        ones = np.ones(len(row), np.float32)
        cell = (days - 1) * slots * channels + place
        yield Filled(users, row, cell, ones, np.tile(ones, (self.samples, 1)))


def walk(seed, *lengths, variables=1):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(length, variables)).cumsum(axis=0) for length in lengths]
    return Series.from_arrays(arrays, [f"v{number}" for number in range(variables)])


def test_profiles():
    generated, reference, train = (DenseSource(counts(20, seed=seed)) for seed in range(3))
    found = evaluate(generated, reference, train, seed=1)
    assert isinstance(found, Evaluation)
    assert found.completion is None
    assert found.to_json() == evaluate_profiles(generated, reference, train, seed=1).to_json()


def test_completed_profiles_have_the_scores_of_their_filled_cells():
    pictures = counts(20, seed=0)
    completed = CompletedSource(pictures)
    reference = DenseSource(pictures)
    found = evaluate(completed, reference, seed=1)
    expected = evaluate_completion(completed, reference, seed=1)
    assert found.completion.figures == expected.figures
    content = found.to_json()
    assert content["region"]["crps"] == expected.figures["crps"]
    assert set(content["baselines"]) == set(expected.baselines)


@pytest.mark.parametrize("learnt", [None, walk(2, 80, 70)])
def test_generated_series(learnt):
    generated = walk(0, 60, 60)
    real = walk(1, 60, 50)
    train = None if learnt is None else learnt.arrays()
    expected = evaluate_generated(
        generated.arrays(), real.arrays(), train, buckets=8, baselines=["independent"], seed=3
    )
    found = evaluate(generated, real, learnt, buckets=8, baselines=["independent"], seed=3)
    assert found == expected


def test_cleaned_series():
    clean = walk(1, 60, 50)
    noisy = clean.with_values(clean.values + np.random.default_rng(0).normal(size=(110, 1)))
    expected = evaluate_cleaned(noisy.arrays(), clean.arrays(), noisy.arrays())
    assert evaluate(noisy, clean, noisy=noisy) == expected


def test_forecasts():
    """The second origin is the end of the first series, after which nothing is known."""
    real = walk(1, 150, 130, variables=2)
    draws = np.random.default_rng(0).normal(size=(3, 5, 4, 2)).astype(np.float32)
    forecast = Forecast(np.array([120, 150, 276]), draws, draws.mean(axis=1))
    first, second = real.arrays()
    truth = np.stack([first[120:124], second[126:130]])
    expected = evaluate_forecast(
        draws[[0, 2]],
        truth,
        [first[:120], second[:126]],
        [first[:120], second[:126]],
        scale=spreads(real.arrays()),
        baselines=["independent"],
        steps=(1, 4),
    )
    assert evaluate(forecast, real, baselines=["independent"], steps=(1, 4)) == expected
    with pytest.raises(ValueError, match="give series that go on"):
        evaluate(Forecast(np.array([150]), draws[:1], draws[:1, 0]), real)
