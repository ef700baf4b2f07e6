"""Figures: what they show, for every shape of axes; no pyplot, no warning."""

import datetime as dt
import sys

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from habitus.evaluation.completion.missing_region import NOMINAL, Calibration
from habitus.evaluation.completion.paired import Example
from habitus.report import figures
from habitus.report.figures.curves import _running_mean
from habitus.report.figures.regions import COLUMNS, outline
from habitus.report.figures.style import day_ticks, days_label
from habitus.schema import Axes

RNG = np.random.default_rng(0)
PAPER = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "<script>", "$x$"))
TILED = Axes(dt.date(2006, 12, 4), 32, 60, ("message", "join"), every=35)
ADRIFT = Axes(dt.date(2020, 1, 1), 5, 720, ("commit",), every=10)
ALL = pytest.mark.parametrize("axes", [PAPER, TILED, ADRIFT], ids=["dates", "weekdays", "numbers"])


def three(*shape):
    return {name: RNG.random(shape) for name in ("reference", "generated", "floor")}


def labels(panel):
    return [line.get_label() for line in panel.lines if not line.get_label().startswith("_")]


@ALL
def test_day_curves_show_each_population_over_the_whole_window(axes):
    curves = three(axes.days) | {"independent cells": RNG.random(axes.days)}
    (panel,) = figures.day_curves(axes, curves, "mean, in peaks").axes
    assert labels(panel) == ["real", "generated", "another real sample", "independent cells"]
    assert_allclose(panel.lines[1].get_ydata(), curves["generated"])
    assert panel.get_ylabel() == "mean, in peaks"
    assert panel.get_xlabel() == days_label(axes)
    assert panel.get_xlim() == (-0.5, axes.days - 0.5)


def test_colours_of_the_populations_never_change():
    (panel,) = figures.day_curves(PAPER, {"baseline": np.ones(32), **three(32)}, "").axes
    colours = {line.get_label(): line.get_color() for line in panel.lines}
    assert len(set(colours.values())) == 4
    assert (colours["real"], colours["generated"]) == ("#0072b2", "#d55e00")


def test_share_curves_mark_the_first_full_period():
    (panel,) = figures.share_curves(PAPER, three(32), "share of users", full_from=6).axes
    assert panel.lines[-1].get_xdata()[0] == 6
    assert panel.yaxis.get_major_formatter()(0.125, None) == "12.5%"


def test_days_are_named_by_date_weekday_or_number():
    assert day_ticks(PAPER) == (
        [4, 11, 18, 25],
        ["Mon 5 Feb", "Mon 12 Feb", "Mon 19 Feb", "Mon 26 Feb"],
    )
    assert day_ticks(TILED)[1][:2] == ["Mon, day 1", "Mon, day 8"]
    assert day_ticks(ADRIFT)[1] == ["day 1", "day 2", "day 3", "day 4", "day 5"]
    assert days_label(PAPER) == "day, 2018-02-01 to 2018-03-04 (UTC)"
    assert days_label(TILED) == "day of the window (1 to 32)"


@pytest.mark.parametrize("days", [1, 2, 7, 8, 9, 30, 90, 366, 1000])
def test_day_ticks_are_a_handful_within_the_window(days):
    ticks, names = day_ticks(Axes(dt.date(2020, 1, 1), days, 60, ("a",)))
    assert 1 <= len(ticks) == len(names) <= 8
    assert 0 <= min(ticks) <= max(ticks) < days


@pytest.mark.parametrize(("axes", "weekends"), [(PAPER, 10), (TILED, 8), (ADRIFT, 0)])
def test_weekends_are_shaded_where_they_are_known(axes, weekends):
    (panel,) = figures.day_curves(axes, three(axes.days), "").axes
    assert len(panel.patches) == weekends


def test_cdf_is_the_share_at_most_each_total():
    totals = {"reference": np.array([[0.0, 0.0], [1.0, 3.0]]), "generated": np.array([[0.0, 3.0]])}
    (panel,) = figures.total_cdf(totals, "total").axes
    points, shares = panel.lines[0].get_data()
    assert (points[0], points[-1]) == (0, 3)
    assert_allclose(shares, [(totals["reference"] <= point).mean() for point in points])


@pytest.mark.parametrize("value", [0.0, 0.4, 5000.0])
def test_cdf_of_equal_totals_still_draws(value):
    figures.total_cdf({"reference": np.full((3, 2), value)}, "total").canvas.draw()


@ALL
def test_sample_pictures_have_a_row_per_profile_and_a_scale_of_its_own(axes):
    pictures = RNG.random((3, *axes.shape)) * np.array([1, 0.5, 0])[:, None, None, None]
    figure = figures.sample_pictures(axes, pictures)
    panels = [panel for panel in figure.axes if panel.images]
    assert len(panels) == 3 * len(axes.channels)
    assert [panel.get_title(loc="left") for panel in panels[: len(axes.channels)]] == list(
        axes.channels
    )
    tops = [panel.images[0].get_clim()[1] for panel in panels[:: len(axes.channels)]]
    assert_allclose(tops, [pictures[0].max(), pictures[1].max(), 1.0])
    figure.canvas.draw()


def test_pictures_show_the_busiest_channels_in_their_order():
    axes = Axes(dt.date(2020, 1, 1), 7, 60, tuple("abcdefgh"))
    mean = np.ones(axes.shape) * np.array([1, 9, 8, 2, 7, 6, 5, 4])
    panels = [panel for panel in figures.mean_pictures(axes, mean).axes if panel.images]
    assert [panel.get_title(loc="left") for panel in panels] == list("bcefgh")


def test_mean_pictures_can_share_their_scale():
    panels = figures.mean_pictures(
        PAPER, RNG.random(PAPER.shape), peaks=np.array([2.0, 3.0, 4.0])
    ).axes
    assert [panel.images[0].get_clim()[1] for panel in panels if panel.images] == [2, 3, 4]


def test_the_smallest_value_does_not_look_empty():
    picture = np.zeros((1, *ADRIFT.shape))
    picture[0, 0, 0] = 1e-4
    picture[0, 1, 0] = 1
    image = figures.sample_pictures(ADRIFT, picture).axes[0].images[0]
    empty, smallest = image.to_rgba(np.array([0.0, 1e-4]))[:, :3].sum(1)
    assert smallest > empty + 0.3


@pytest.mark.parametrize("channels", [1, 2, 5, 6, 7, 12, 20])
def test_shapes_have_a_panel_per_channel_and_sum_to_one(channels):
    axes = Axes(
        dt.date(2020, 1, 1), 7, 60, tuple(f"channel {number}" for number in range(channels))
    )
    figure = figures.slot_shapes(axes, three(24, channels))
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert len(panels) == min(channels, figures.MOST_SMALL_PANELS)
    assert all(len(panel.lines) == 3 for panel in panels)
    assert_allclose([panel.lines[1].get_ydata().sum() for panel in panels], 1)


def test_weekdays_that_the_window_lacks_are_left_out():
    week = {"reference": np.array([[1.0], [3.0], *[[np.nan]] * 5])}
    (panel,) = figures.weekday_shapes(ADRIFT, week).axes
    assert_allclose(panel.lines[0].get_ydata()[:2], [0.25, 0.75])


def test_overlap_leaves_out_the_diagonal_and_shares_one_scale():
    matrices = {
        "reference": np.array([[1, 0.2], [0.1, 1]]),
        "generated": np.array([[1, 0.4], [0.3, 1]]),
    }
    real, generated, bar = figures.overlap_matrices(TILED, matrices).axes
    assert (real.get_title(loc="left"), generated.get_title(loc="left")) == ("real", "generated")
    assert real.images[0].get_clim() == generated.images[0].get_clim()
    assert real.images[0].get_clim()[1] == 0.4
    assert [text.get_text() for text in real.texts] == ["20.0%", "10.0%"]
    assert bar is not None


def history(steps):
    step = np.arange(1, steps + 1)
    terms = {term: (1000 / step).tolist() for term in ("loss", "reconstruction", "kl")}
    held_out = {f"held_out_{term}": [300.0, 90.0] for term in terms} | {
        "held_out_step": [steps // 2, steps]
    }
    return {"step": step.tolist(), **terms, **held_out}


def test_loss_curves_show_training_and_held_out_with_their_smoothing():
    panels = figures.loss_curves(history(600)).axes
    assert [panel.get_title(loc="left") for panel in panels] == [
        "loss, per profile",
        "reconstruction, per profile",
        "KL, nats per profile",
    ]
    assert labels(panels[0]) == ["training (mean of the last 10 recorded steps)", "held out"]
    assert panels[0].get_ylim()[1] > 90, (
        "a held-out loss above the training loss must stay in sight"
    )


@pytest.mark.parametrize(
    "given", [{}, {"step": [1], "loss": [2.0]}, {"step": [], "loss": []}, history(3)]
)
def test_loss_curves_draw_what_there_is(given):
    figures.loss_curves(given).canvas.draw()


def test_smoothing_is_the_mean_of_the_last_few():
    assert_allclose(_running_mean(np.array([1.0, 3.0, 5.0, 9.0]), 2), [1, 2, 4, 7])


def test_ratios_without_a_value_get_no_dot():
    ratios = {
        "generated": np.array([2.0, np.nan, 0.0]),
        "independent cells": np.array([3.0, 1.0, np.inf]),
    }
    (panel,) = figures.ratio_dots(["a", "b", "c"], ratios).axes
    assert panel.collections[0].get_offsets().tolist() == [[2.0, 0.0]]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a", "b", "c"]


def example(axes, name="a user", **span):
    """A user of whom the second day and two channels of the last slot are missing."""
    truth = RNG.poisson(0.3, axes.shape).astype(np.float32)
    missing = np.zeros(axes.shape, bool)
    missing[1] = True
    missing[:, -1, : span.get("channels", 2)] = True
    draws = np.where(missing, RNG.poisson(0.3, (4, *axes.shape)), truth).astype(np.float32)
    return Example(name, missing, truth, draws.mean(axis=0), draws)


@ALL
def test_completion_pictures_show_the_hole_a_draw_the_mean_and_the_truth(axes):
    users = [example(axes, "busy"), example(axes, "quiet")]
    figure = figures.completion_pictures(axes, users)
    panels = [
        panel
        for panel in figure.axes
        if len(panel.images) == 1 and panel.get_ylim()[0] == axes.days - 0.5
    ]
    assert len(panels) == 8
    assert [panel.get_title(loc="left") for panel in panels[:4]] == list(COLUMNS)
    known, drawn, mean, truth = (panel.images[0].get_array() for panel in panels[:4])
    hole = users[0].missing.any(axis=2)
    assert_allclose(np.ma.filled(known, np.nan)[~hole], users[0].truth.sum(axis=2)[~hole])
    assert np.isnan(np.ma.filled(known, np.nan)[hole]).all()
    for shown, picture in (
        (drawn, users[0].draws[0]),
        (mean, users[0].mean),
        (truth, users[0].truth),
    ):
        assert_allclose(shown, picture.sum(axis=2))
    assert len({panel.images[0].get_clim() for panel in panels[:4]}) == 1, "one scale in a row"
    figure.canvas.draw()


def test_pictures_of_one_missing_channel_show_that_channel():
    axes = PAPER.with_unit("peak")
    user = example(axes)
    user.missing[..., [0, 2]] = False
    user.missing[0, 0, 1] = True
    panels = figures.completion_pictures(axes, [user]).axes
    assert panels[0].get_ylabel() == "a user\n<script>"
    assert_allclose(panels[3].images[0].get_array(), user.truth[..., 1])


def test_pictures_of_nothing_still_draw():
    nothing = np.zeros(ADRIFT.shape, np.float32)
    missing = np.ones(ADRIFT.shape, bool)
    figures.completion_pictures(
        ADRIFT, [Example("x", missing, nothing, nothing, nothing[None])]
    ).canvas.draw()
    figures.daily_intervals(
        ADRIFT, [Example("x", missing, nothing, nothing, nothing[None])]
    ).canvas.draw()
    figures.daily_intervals(ADRIFT, []).canvas.draw()


def test_an_outline_goes_around_what_is_missing():
    hole = np.zeros((4, 5), bool)
    hole[1:3, 2:4] = True
    edges = np.array(outline(hole))
    assert len(edges) == 8
    assert edges.min(axis=(0, 1)).tolist() == [1.5, 0.5]
    assert edges.max(axis=(0, 1)).tolist() == [3.5, 2.5]


@ALL
def test_daily_intervals_are_quantiles_of_whole_days(axes):
    user = example(axes)
    (panel,) = figures.daily_intervals(axes, [user]).axes
    dots = panel.lines[-1]
    days = np.flatnonzero(user.missing.any(axis=(1, 2)))
    assert_allclose(dots.get_xdata(), days)
    assert_allclose(dots.get_ydata(), user.truth.sum(axis=(1, 2))[days])
    bars = {each.get_label(): each for each in panel.containers}
    assert list(bars) == ["known", "90 % of the draws", "50 % of the draws"]
    low, high = np.quantile(user.draws.sum(axis=(2, 3))[:, days], (0.05, 0.95), axis=0)
    assert_allclose([bar.get_y() for bar in bars["90 % of the draws"]], low, atol=1e-6)
    assert_allclose([bar.get_height() for bar in bars["90 % of the draws"]], high - low, atol=1e-5)
    assert_allclose(
        [bar.get_height() for bar in bars["known"]],
        np.where(user.missing, 0, user.truth).sum(axis=(1, 2)),
    )


def test_calibration_shows_coverage_beside_the_diagonal_and_the_pit():
    found = Calibration(NOMINAL, NOMINAL**2, np.sqrt(NOMINAL), np.arange(20) / 190)
    coverage, histogram = figures.calibration(found).axes
    assert labels(coverage) == ["as it should be", "cells", "daily totals"]
    assert_allclose(coverage.lines[2].get_ydata(), np.sqrt(NOMINAL))
    assert_allclose([bar.get_height() for bar in histogram.patches], found.pit)
    assert_allclose(histogram.lines[0].get_ydata(), 0.05)


def test_calibration_of_nothing_still_draws():
    nothing = np.full(19, np.nan)
    figures.calibration(Calibration(NOMINAL, nothing, nothing, np.zeros(20))).canvas.draw()


def test_region_errors_have_a_colour_per_place_and_dashes_per_method():
    sizes = [
        figures.SizeError(share, place, method, share + len(place + method))
        for share in (0.5, 0.25) for place in ("centre", "end") for method in ("model", "mean")
    ]  # fmt: skip
    places = [figures.PlaceError(start, "model", 1.0 + start) for start in (3, 0)]
    by_size, by_day, by_slot = figures.region_errors(PAPER, sizes, places, places).axes
    assert len(by_size.lines) == 4
    assert_allclose(by_size.lines[0].get_xdata(), [0.25, 0.5])
    assert_allclose(by_size.lines[0].get_ydata(), [11.25, 11.5])
    assert len({line.get_color() for line in by_size.lines}) == 2
    assert len({line.get_linestyle() for line in by_size.lines}) == 2
    assert_allclose(by_day.lines[0].get_ydata(), [1, 4])
    assert [tick.get_text() for tick in by_day.get_xticklabels()] == ["1", "4"]
    assert by_slot.get_xlabel() == "first missing hour (UTC)"


def test_region_errors_of_one_method_without_places_are_one_panel():
    rows = [figures.SizeError(0.1, "centre", "model", 1.0)]
    figure = figures.region_errors(PAPER, rows)
    assert len(figure.axes) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["centre"]
    figure.canvas.draw()


def test_retention_and_autocorrelation_begin_at_one_day():
    curves = three(9)
    for curve in curves.values():
        curve[0] = 1
    (panel,) = figures.retention_curves(curves).axes
    assert_allclose(panel.lines[0].get_xdata(), np.arange(1, 9))
    assert_allclose(panel.lines[1].get_ydata(), curves["generated"][1:])
    (panel,) = figures.autocorrelation_curves(curves).axes
    assert_allclose(panel.lines[0].get_xdata(), np.arange(1, 10))
    assert_allclose(panel.lines[2].get_ydata(), curves["floor"])
    assert labels(panel) == ["real", "generated", "another real sample"]


def test_silences_are_shares_at_least_so_long():
    histograms = {"reference": np.array([0, 6, 0, 2]), "generated": np.array([0, 0, 0, 0])}
    (panel,) = figures.silence_curves(histograms, "hours", 30).axes
    assert_allclose(panel.lines[0].get_xdata(), [0.5, 1, 1.5])
    assert_allclose(panel.lines[0].get_ydata(), [1, 0.25, 0.25])
    assert len(panel.lines[1].get_xdata()) == 0
    panel.get_figure().canvas.draw()


def test_a_week_is_shares_on_one_scale():
    weeks = {"reference": RNG.random((7, 24)), "generated": np.full((7, 24), np.nan)}
    weeks["generated"][2] = 1
    first, second, _ = figures.week_pictures(PAPER, weeks).axes
    assert_allclose(first.images[0].get_array().sum(), 1)
    assert_allclose(second.images[0].get_array()[2], 1 / 24)
    assert first.images[0].get_clim() == second.images[0].get_clim()
    assert [tick.get_text() for tick in first.get_yticklabels()][::6] == ["Mon", "Sun"]


def test_areas_have_their_intervals():
    rows = [
        ("by features", figures.Interval(0.8, 0.7, 0.9), figures.Interval(0.5, 0.45, 0.55)),
        ("by pictures", figures.Interval(1.0, 1.0, 1.0), figures.Interval(0.4, 0.3, 0.5)),
    ]
    figure = figures.area_intervals(rows)
    (panel,) = figure.axes
    ends = [
        bar.get_segments()[0][:, 0].tolist()
        for container in panel.containers
        for bar in container[2]
    ]
    assert_allclose(ends, [[0.7, 0.9], [0.45, 0.55], [1, 1], [0.3, 0.5]])
    assert panel.get_xlim()[0] < 0.3
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "chance", "generated", "another real sample",
    }  # fmt: skip


def test_distances_as_cumulative_shares():
    (panel,) = figures.distance_curves({"reference": np.array([0.5, 0.1])}, "distance").axes
    assert_allclose(panel.lines[0].get_xdata(), [0.1, 0.5])
    assert_allclose(panel.lines[0].get_ydata(), [0.5, 1])


def test_figures_leave_matplotlib_as_it_was():
    before = dict(mpl.rcParams)
    figures.day_curves(PAPER, three(32), "")
    assert dict(mpl.rcParams) == before
    assert (
        not sys.modules.get("matplotlib.pyplot")
        or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
