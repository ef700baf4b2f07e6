import datetime as dt
import math

import numpy as np
import pytest
import torch

from habitus.models.base import SeriesModel
from habitus.models.pictures.beta_vae import BetaVAE
from habitus.models.recurrent.dlgm import DLGM, DLGMConfig
from habitus.models.recurrent.lstm_gru import LSTM, RecurrentConfig
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.models.recurrent.timegan import TimeGAN, TimeGANConfig
from habitus.run import Run
from habitus.schema import Axes, SeriesAxes
from habitus.series import Series
from habitus.synthesis import (
    CleanConfig,
    clean,
    complete,
    forecast,
    forecasting,
    generate,
    generation,
    last_rows,
    rolling_rows,
)
from habitus.synthesis.noise import Noise
from linear_models import StateSpace, filtering, filtering_tdlgm

SPACE = StateSpace()
SMOOTH = StateSpace(rho=0.98, q=0.02, r=0.001)  # of which noise is easily told
NONE = CleanConfig(Noise(0.0))


def run_of(model: SeriesModel) -> Run:
    return Run(model.eval(), None, {}, {}, {})


def made(kind: type[SeriesModel], config: object, variables: tuple[str, ...] = ("a",)) -> Run:
    torch.manual_seed(0)
    return run_of(kind(SeriesAxes(variables), config))


@pytest.fixture(scope="module")
def lstm() -> Run:
    """A model that knows what to expect: the Kalman filter itself."""
    return run_of(filtering(LSTM, SPACE))


@pytest.fixture(scope="module")
def smooth() -> Run:
    model = filtering(LSTM, SMOOTH)
    model.p_v.scale.fill_(1.0)
    return run_of(model)


def series(space: StateSpace, lengths: list[int], seed: int = 0) -> Series:
    arrays = [space.series(1, rows, seed + number)[0] for number, rows in enumerate(lengths)]
    return Series.from_arrays(arrays, ["a"])


def with_gap(given: Series, *rows: int) -> Series:
    values = np.where(given.observed, given.values, np.nan)
    values[list(rows)] = np.nan
    return given.with_values(values)


def noisy(given: Series, sigma: float, share: float = 1.0, seed: int = 1) -> Series:
    rng = np.random.default_rng(seed)
    shape = given.values.shape
    return given.with_values(
        given.values + sigma * rng.normal(size=shape) * (rng.random(shape) < share)
    )


def error(one: Series, other: Series) -> float:
    return float(np.mean((one.values - other.values) ** 2))


class TestGenerate:
    @pytest.mark.parametrize("variables", [("a",), ("a", "b", "c")])
    @pytest.mark.parametrize(
        ("kind", "config"),
        [
            (TDLGM, TDLGMConfig(hidden=4)),
            (DLGM, DLGMConfig(hidden=4)),
            (TimeGAN, TimeGANConfig(hidden=4)),
        ],
    )
    def test_shapes_seeds_and_axes(self, kind, config, variables):
        run = made(kind, config, variables)
        first, again, other = (generate(run, series=5, steps=7, seed=seed) for seed in (1, 1, 2))
        assert first.lengths.tolist() == [7] * 5
        assert first.axes.variables == variables
        assert first.observed.all()
        np.testing.assert_array_equal(first.values, again.values)
        assert not np.array_equal(first.values, other.values)

    def test_pieces_make_up_the_whole(self, lstm, monkeypatch):
        monkeypatch.setattr(generation, "TOGETHER", 4)
        told = []
        made = generate(lstm, series=10, steps=3, on_progress=lambda done, *_: told.append(done))
        assert len(made) == 10
        assert told == [4, 8, 10]

    @pytest.mark.parametrize(("count", "steps"), [(0, 5), (5, 0), (-1, 1)])
    def test_nothing_to_draw_is_refused(self, lstm, count, steps):
        with pytest.raises(
            ValueError, match=rf"expected at least 1 series of 1 step, got {count} of {steps}"
        ):
            generate(lstm, series=count, steps=steps, seed=0)


class TestOrigins:
    def test_last_rows(self):
        assert last_rows(series(SPACE, [5, 3, 8])).tolist() == [5, 8, 16]

    def test_rolling_rows(self):
        """After half of each series, every other row, with three steps inside it."""
        assert rolling_rows(series(SPACE, [10, 4, 9]), 0.5, 2, 3).tolist() == [5, 7, 19]

    def test_there_is_a_past_at_each(self):
        assert rolling_rows(series(SPACE, [4, 4]), 0.0, 1, 2).tolist() == [1, 2, 5, 6]


class TestForecast:
    def test_shapes_and_seeds(self):
        run = made(TDLGM, TDLGMConfig(hidden=4), ("a", "b"))
        given = Series.from_arrays(np.random.default_rng(0).normal(size=(2, 30, 2)), ["a", "b"])
        origins = np.array([40, 5, 60])
        first, again, other = (
            forecast(run, given, origins=origins, steps=4, samples=6, seed=seed)
            for seed in (1, 1, 2)
        )
        assert first.origin.tolist() == [40, 5, 60]
        assert first.draws.shape == (3, 6, 4, 2)
        assert first.mean.shape == (3, 4, 2)
        np.testing.assert_allclose(first.mean, first.draws.mean(1))
        np.testing.assert_array_equal(first.draws, again.draws)
        assert not np.array_equal(first.draws, other.draws)

    def test_each_origin_goes_on_from_its_own_past(self, lstm):
        """Exact ones, whatever their order; in the second series nothing is known of the first."""
        given = series(SPACE, [40, 50])
        origins = np.array([90, 12, 41, 40, 70])
        found = forecast(lstm, given, origins=origins, steps=3, samples=4000, seed=0)
        for number, origin in enumerate(origins):
            begin = 0 if origin <= 40 else 40
            mean = SPACE.filtered(given.values[begin:origin].T)[1]
            for horizon in (1, 3):
                expected, variance = SPACE.ahead(mean, horizon)
                got = found.draws[number, :, horizon - 1, 0]
                assert got.mean() == pytest.approx(
                    expected.item(), abs=4.5 * math.sqrt(variance / 4000)
                )
                assert got.std() == pytest.approx(math.sqrt(variance), rel=0.06)

    def test_what_comes_after_an_origin_is_not_read(self, lstm):
        given = series(SPACE, [60])
        other = given.with_values(np.concatenate([given.values[:30], 9 - given.values[30:]]))
        first, second = (
            forecast(lstm, each, origins=np.array([30]), steps=5, samples=8, seed=0).draws
            for each in (given, other)
        )
        np.testing.assert_array_equal(first, second)

    def test_pieces_are_told(self, lstm, monkeypatch):
        monkeypatch.setattr(forecasting, "TOGETHER", 8)
        told = []
        given = series(SPACE, [30])
        found = forecast(
            lstm,
            given,
            origins=np.arange(10, 20),
            steps=2,
            samples=4,
            seed=0,
            on_progress=lambda *step: told.append(step),
        )
        assert told[-1] == (10, 10, "forecasting")
        assert len(told) == 10
        assert (np.abs(found.draws).sum((1, 2, 3)) > 0).all()

    def test_a_gap_in_the_past_is_no_obstacle(self, lstm):
        given = with_gap(series(SPACE, [30]), 28, 29)
        assert np.isfinite(
            forecast(lstm, given, origins=last_rows(given), steps=3, samples=4, seed=0).draws
        ).all()

    @pytest.mark.parametrize(("steps", "samples"), [(0, 3), (3, 0)])
    def test_nothing_to_draw_is_refused(self, lstm, steps, samples):
        with pytest.raises(ValueError, match="at least 1") as told:
            forecast(
                lstm,
                series(SPACE, [30]),
                origins=np.array([30]),
                steps=steps,
                samples=samples,
                seed=0,
            )
        assert "\n" not in str(told.value)


class TestWhatIsRefused:
    """One line each, that says what to take instead."""

    def check(self, run: Run, given: Series, told: str) -> None:
        for act in (
            lambda: forecast(run, given, origins=np.array([5]), steps=2, samples=2, seed=0),
            lambda: clean(run, given, NONE),
        ):
            with pytest.raises(ValueError, match=told) as found:
                act()
            assert "\n" not in str(found.value)

    def test_a_model_that_reads_no_past(self):
        self.check(
            made(TimeGAN, TimeGANConfig(hidden=4)),
            series(SPACE, [30]),
            "a TimeGAN .* reads no past; take",
        )

    def test_a_model_of_profiles(self):
        run = Run(BetaVAE(Axes(dt.date(2018, 2, 1), 4, 360, ("a",))), None, {}, {}, {})
        self.check(
            run,
            series(SPACE, [30]),
            "a BetaVAE is a model of profiles, not of series; give a run of lstm",
        )
        with pytest.raises(ValueError, match="is a model of profiles, not of series"):
            generate(run, series=1, steps=1, seed=0)

    def test_users_of_a_model_of_series(self, lstm):
        with pytest.raises(ValueError, match="a LSTM draws series, not users; give series="):
            generate(lstm, 5)
        with pytest.raises(
            ValueError, match="expected how many to generate, got none; give series="
        ):
            generate(lstm)

    def test_other_variables(self, lstm):
        self.check(
            lstm,
            Series.from_arrays([np.arange(30.0)], ["b"]),
            r"fitted to 1 variable \(a\).* --column a",
        )

    def test_no_origin(self, lstm):
        with pytest.raises(ValueError, match="expected rows to look ahead from, got none"):
            forecast(
                lstm, series(SPACE, [30]), origins=np.zeros(0, np.int64), steps=2, samples=2, seed=0
            )

    def test_counts_have_no_noise_to_remove_but_gaps_to_fill(self):
        run = made(LSTM, RecurrentConfig(hidden=4, likelihood="counts"))
        given = with_gap(Series.from_arrays([np.arange(30.0) % 5], ["a"]), 4)
        with pytest.raises(ValueError, match="no Gaussian noise to remove; take gaussian") as told:
            clean(run, given, CleanConfig(Noise(0.5)))
        assert "\n" not in str(told.value)
        assert clean(run, given, NONE).series.values[4, 0] >= 0

    def test_no_particles(self):
        with pytest.raises(ValueError, match="particles must be at least 1, got 0"):
            CleanConfig(particles=0)


class TestFill:
    @pytest.mark.parametrize(
        "gap", [(10,), (20, 21, 22, 23), (0, 1), (38, 39)], ids=["one", "four", "first", "last"]
    )
    @pytest.mark.parametrize(
        "made", [lambda s: filtering(LSTM, s), filtering_tdlgm], ids=["lstm", "tdlgm"]
    )
    def test_gaps_are_filled_with_what_past_and_future_lead_to_expect(self, made, gap):
        """E[v_gap | all the rest], from the dense covariance; latents only add to its noise."""
        space = StateSpace(rho=0.95, q=0.3, r=0.1)
        given = series(space, [40])
        run = run_of(made(space))
        covariance = space.covariance(40)
        missing = list(gap)
        known = [t for t in range(40) if t not in gap]
        gain = covariance[np.ix_(missing, known)] @ np.linalg.inv(covariance[np.ix_(known, known)])
        truth = gain @ given.values[known, 0]
        left = covariance[np.ix_(missing, missing)] - gain @ covariance[np.ix_(known, missing)]
        found = clean(run, with_gap(given, *gap), CleanConfig(Noise(0.0), particles=4000))
        assert found.filled == len(gap)
        assert found.noise == (Noise(0.0),)
        got = found.series.values[missing, 0]
        np.testing.assert_allclose(got, truth, atol=0.25 * math.sqrt(left.diagonal().max()))

    def test_what_is_known_stays_to_the_last_digit(self, lstm):
        given = series(SPACE, [60, 20])
        values = given.values + 1 / 3 + 1e-13  # of more digits than float32 has
        given = with_gap(given.with_values(values), 0, 7, 8, 30, 79)
        found = clean(lstm, given, NONE)
        assert found.series.observed.all()
        np.testing.assert_array_equal(
            found.series.values[given.observed], given.values[given.observed]
        )
        assert found.series.axes == given.axes
        assert found.series.ids == given.ids
        assert found.filled == 5
        assert found.noise == (Noise(0.0), Noise(0.0))

    def test_complete_fills_series_as_it_fills_profiles(self, lstm):
        given = with_gap(series(SPACE, [30]), 7, 8)
        filled = complete(lstm, given, seed=3)
        expected = clean(lstm, given, CleanConfig(Noise(0.0), seed=3)).series
        np.testing.assert_array_equal(filled.values, expected.values)

    def test_one_of_two_variables(self):
        """The other one stays."""
        run = made(TDLGM, TDLGMConfig(hidden=4), ("a", "b"))
        values = np.random.default_rng(0).normal(size=(30, 2))
        values[5, 0] = values[6, 1] = np.nan
        given = Series.from_arrays([values], ["a", "b"])
        found = clean(run, given, NONE).series
        assert np.isfinite(found.values).all()
        np.testing.assert_array_equal(found.values[given.observed], given.values[given.observed])

    def test_same_seed_same_fillings(self, lstm):
        given = with_gap(series(SPACE, [30]), 3, 4, 20)
        first, again, other = (
            clean(lstm, given, CleanConfig(Noise(0.0), seed=seed)).series.values
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_series_that_is_all_gap_or_empty(self, lstm):
        given = Series.from_arrays([np.full(6, np.nan), np.zeros(0), np.arange(5.0)], ["a"])
        for config in (NONE, CleanConfig(), CleanConfig(Noise(0.3))):
            found = clean(lstm, given, config)
            assert found.series.observed.all()
            assert found.series.lengths.tolist() == [6, 0, 5]
            assert len(found.noise) == 3

    def test_progress_is_told_in_steps(self, lstm):
        told = []
        clean(lstm, series(SPACE, [10, 20]), NONE, lambda *step: told.append(step))
        assert told == [(10, 30, "completing"), (30, 30, "completing")]


class TestDenoise:
    @pytest.mark.parametrize("sigma", [0.3, 1.0])
    def test_told_the_noise_the_error_is_near_that_of_the_exact_smoother(self, smooth, sigma):
        """E[v | y] of a Gaussian series is C (C + sigma^2 I)^-1 y."""
        truth = series(SMOOTH, [800])
        given = noisy(truth, sigma)
        found = clean(smooth, given, CleanConfig(Noise(sigma)))
        assert found.noise == (Noise(sigma),)
        c = SMOOTH.covariance(800)
        exact = truth.with_values(c @ np.linalg.solve(c + sigma**2 * np.eye(800), given.values))
        assert error(found.series, truth) < 1.25 * error(exact, truth)
        assert error(found.series, exact) < 0.35 * error(exact, truth)

    def test_few_values_with_much_noise_are_put_right(self, smooth):
        truth = series(SMOOTH, [800])
        given = noisy(truth, 2.0, 0.2)
        found = clean(smooth, given, CleanConfig(Noise(2.0, 0.2)))
        assert error(found.series, truth) < 0.02 * error(given, truth)

    def test_series_side_by_side_are_as_good_as_alone(self, smooth):
        truth = series(SMOOTH, [150, 150, 90])
        given = noisy(truth, 1.0)
        together = clean(smooth, given, CleanConfig((Noise(1.0), Noise(1.0), Noise(1.0)))).series
        alone = [
            clean(smooth, given.one(at), CleanConfig(Noise(1.0))).series.values for at in range(3)
        ]
        apart = np.mean((together.values - np.concatenate(alone)) ** 2)
        assert apart < 0.3 * error(together, truth)

    def test_as_many_noises_as_series(self, smooth):
        with pytest.raises(ValueError, match="expected a noise for each of 2 series, got 1"):
            clean(smooth, series(SMOOTH, [20, 20]), CleanConfig((Noise(1.0),)))

    @pytest.mark.parametrize(("sigma", "share"), [(0.5, 1.0), (2.0, 0.2)])
    def test_not_told_it_finds_the_noise(self, smooth, sigma, share):
        """Too large at first, since the past is as noisy; then sharpened by EM."""
        truth = series(SMOOTH, [400])
        given = noisy(truth, sigma, share)
        found = clean(smooth, given, CleanConfig())
        assert found.noise[0].sigma == pytest.approx(sigma, rel=0.2)
        assert error(found.series, truth) < 0.25 * error(given, truth)

    def test_each_series_has_noise_of_its_own(self, smooth):
        truth = series(SMOOTH, [200, 200])
        given = truth.with_values(
            np.concatenate([truth.values[:200], noisy(truth, 1.0).values[200:]])
        )
        found = clean(smooth, given, CleanConfig())
        assert found.noise[0] == Noise(0.0)
        assert found.noise[1].sigma > 0.5
        np.testing.assert_array_equal(found.series.values[:200], given.values[:200])

    def test_gaps_are_filled_too(self, smooth):
        truth = series(SMOOTH, [200])
        given = with_gap(noisy(truth, 0.5), 50, 51, 120)
        found = clean(smooth, given, CleanConfig(Noise(0.5)))
        assert found.series.observed.all()
        assert error(found.series, truth) < 0.8 * error(noisy(truth, 0.5), truth)

    def test_a_model_with_latents(self):
        truth = series(SMOOTH, [150])
        given = noisy(truth, 0.8)
        found = clean(run_of(filtering_tdlgm(SMOOTH)), given, CleanConfig(Noise(0.8)))
        assert error(found.series, truth) < 0.8 * error(given, truth)


COVARIANCE = np.array([[1.0, 0.95], [0.95, 1.0]])


@pytest.fixture(scope="module")
def rows() -> Series:
    """Two variables at 0.95, a row independent of the rows before it."""
    rng = np.random.default_rng(0)
    return Series.from_arrays([rng.multivariate_normal([5.0, -2.0], COVARIANCE, 4000)], ["a", "b"])


@pytest.fixture(scope="module")
def together(rows) -> Run:
    """A likelihood of both, by least squares and EM alone."""
    found = made(LSTM, RecurrentConfig(hidden=4, likelihood="autoregressive"), ("a", "b"))
    found.model.start_from(torch.from_numpy(rows.values).float())
    with torch.no_grad():
        found.model.features[-1].weight.zero_()
        found.model.p_v.net.outer.zero_()
    return found


class TestVariablesTogether:
    def test_noise_in_one_is_told_by_the_other(self, together, rows):
        """E[v | y] = mu + C (C + sigma^2 I)^-1 (y - mu); alone, each has 1.5 times the error."""
        truth = Series.from_arrays([rows.values[:300]], ["a", "b"])
        mean = np.array([5.0, -2.0])
        given = noisy(truth, 0.8)
        found = clean(together, given, CleanConfig(Noise(0.8))).series
        exact = mean + (given.values - mean) @ np.linalg.solve(
            COVARIANCE + 0.64 * np.eye(2), COVARIANCE
        )
        alone = mean + (given.values - mean) / 1.64
        assert error(found, truth) < 1.2 * np.mean((exact - truth.values) ** 2)
        assert error(found, truth) < 0.9 * np.mean((alone - truth.values) ** 2)

    def test_noise_is_found(self, together, rows):
        given = noisy(Series.from_arrays([rows.values[:150]], ["a", "b"]), 0.8)
        assert clean(together, given, CleanConfig()).noise[0].sigma == pytest.approx(0.8, rel=0.35)

    def test_a_gap_in_one_is_filled_from_the_other(self, together, rows):
        """The earlier variable from the later one by weights, the later one directly: 0.95 of y."""
        values = rows.values[:200].copy()
        values[50, 0] = np.nan
        values[120, 1] = np.nan
        values[50, 1] = -2 + 1.5
        values[120, 0] = 5 - 1.5
        found = clean(
            together,
            Series.from_arrays([values], ["a", "b"]),
            CleanConfig(Noise(0.0), particles=2000),
        ).series
        assert found.values[50, 0] == pytest.approx(5 + 0.95 * 1.5, abs=0.1)
        assert found.values[120, 1] == pytest.approx(-2 - 0.95 * 1.5, abs=0.1)
