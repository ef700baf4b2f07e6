"""The part of a report on filled cells: the verdict, the table, the figures; and which users are shown."""

import datetime as dt
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import random_profiles
from habitus.evaluation import evaluate_profiles
from habitus.evaluation.completion.missing_region import NOMINAL, Calibration
from habitus.evaluation.completion.paired import PERCENTILES, examples
from habitus.evaluation.evaluate_completion import CompletionEvaluation, evaluate_completion
from habitus.models.parts.masks import parse_mask
from habitus.profiles.completed import Completed
from habitus.report import write_report
from habitus.report.filled import beaten, filled_part, methods, verdict
from habitus.report.meaning import METHODS, REGION
from habitus.report.page import Easel
from habitus.report.wording import baseline_name
from habitus.schema import Axes, Filled
from habitus.synthesis.completion import with_first_draw
from test_report import Balance

AXES = Axes(dt.date(2018, 2, 5), 9, 360, ("<b>", "mail"))
USERS = 30


def completed(mask="centre", unit="count", users=USERS, samples=5):
    """Profiles whose missing cells are filled from other profiles, and the truth."""
    truth = random_profiles(AXES, users, density=0.3)
    missing = np.array(parse_mask(mask, AXES).draw(users, np.random.default_rng(1)))
    source = truth.in_unit(unit)
    row, cell = np.nonzero(missing.reshape(users, -1))
    others = [
        random_profiles(AXES, users, seed=2 + k, density=0.3)
        .in_unit(unit)
        .dense()
        .reshape(users, -1)
        for k in range(samples)
    ]
    draws = np.stack([other[row, cell] for other in others]).astype(np.float32)
    filled = Filled(users, row, cell, draws.mean(axis=0), draws)
    return Completed(with_first_draw(source, filled), (filled,)), truth, missing


@pytest.fixture(scope="module")
def found():
    ours, truth, _ = completed()
    return evaluate_completion(ours, truth, random_profiles(AXES, 20, seed=9), most=12)


def page_of(path, ours, truth, found, **more):
    write_report(path, evaluate_profiles(ours, truth), ours, truth, completion=found, **more)
    text = path.read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    return text, " ".join(" ".join(parser.text).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory, found):
    ours, truth, _ = completed()
    return page_of(tmp_path_factory.mktemp("report") / "r.html", ours, truth, found)


def test_the_report_begins_with_what_was_filled_in(page, found):
    text, words = page
    assert words.index("What was filled in") < words.index("How close is the population?")
    for sentence in verdict(found):
        assert sentence in words
    for name in found.baselines:
        assert METHODS[name] in words
    for column in REGION.values():
        assert column.words in words
    for title in (
        "Can the intervals be trusted?",
        "What was filled in, and what was there",
        "The days of single users",
    ):
        assert f"<h3>{title}</h3>" in text
    assert "Filled profiles against what was there" in words
    assert not re.search("<b>", text), "a channel's name is text"


def test_colours_of_what_was_missing_follow_the_theme(page):
    figures = "".join(re.findall(r"<svg.*?</svg>", page[0], re.DOTALL))
    assert "var(--shade)" in figures
    assert "#eceff4" not in figures


def test_other_sets_have_no_such_part(tmp_path):
    ours, truth, _ = completed()
    _, words = page_of(tmp_path / "r.html", ours, truth, None)
    assert "How close is it?" in words
    for part in ("filled", "Can the intervals be trusted?", "CRPS"):
        assert part not in words


@pytest.mark.parametrize(
    ("mask", "unit"),
    [("last:2", "peak"), ("cells:0.3", "count"), ("channel:mail", "binary"), ("any", "peak")],
)
def test_any_unit_and_mask(unit, mask):
    ours, truth, _ = completed(mask, unit, users=8)
    found = evaluate_completion(ours, truth, most=1)
    assert len(found.examples) == len(PERCENTILES)
    assert len(filled_part(Easel(), ours.axes, found).plates) == 3


def test_the_table_has_the_set_and_every_baseline(found):
    first, *rest = methods(found)
    assert (first.name, first.over, first.profiles) == ("completed", None, USERS)
    assert [row.name.lower() for row in rest] == [baseline_name(name) for name in found.baselines]
    assert {row.profiles for row in rest} == {12}
    for row, scores in zip(rest, found.baselines.values(), strict=True):
        assert row.over == pytest.approx(scores["crps"] / scores["completed"]["crps"])
        assert len(row.texts) == len(REGION)
        assert f"{100 * scores['coverage_90']:.1f} %" in row.texts


def evaluation(coverage=0.9, zeros=0.5, **crps):
    """An evaluation in which the set scores 1 and each baseline as told."""
    ours = {"crps": 1.0, "squared_error": 1.0, "log_likelihood": -1.0, "coverage_90": coverage}
    baselines = {
        name: {
            "crps": value,
            "squared_error": value,
            "log_likelihood": -value,
            "completed": ours,
            "coverage_90": zeros,
        }
        for name, value in crps.items()
    }
    flat = Calibration(NOMINAL, NOMINAL, NOMINAL, np.full(20, 0.05))
    return CompletionEvaluation(ours, flat, baselines, "baselines on all 3 profiles", 4.0, 5, ())


def test_the_verdict_names_who_is_better_level_and_worse():
    found = evaluation(zeros=0.5, own_mean=2.0, last_week=1.005, ets=0.5, arima=1.5)
    assert beaten(found) == (2, 4)
    crps, squared, likelihood, coverage, note = verdict(found)
    for sentence in (crps, squared, likelihood):
        assert (
            "better than 2 of 4 methods without learning; level with last week; worse than ETS"
            in sentence
        )
    assert crps.endswith("the best of them, ETS, scores 0.50 × as much.")
    assert not likelihood.endswith("as much.")
    assert coverage.endswith("in 90.0 % of cases: right (from 85 to 95 %).")
    assert note == "Baselines on all 3 profiles."
    assert "better than each of 1 methods" in verdict(evaluation(own_mean=2.0))[0]


@pytest.mark.parametrize(
    ("coverage", "empty", "words"),
    [
        (0.8, 0.5, "too narrow"),
        (0.99, 0.5, "wider than need be"),
        (0.9, 0.92, "zeros come to 92.0 % too"),
    ],
)
def test_the_verdict_on_the_interval(coverage, empty, words):
    found = evaluation(coverage)
    found.baselines["zeros"] = {**evaluation(zeros=1.0).baselines, "coverage_90": empty} | {
        "crps": 1.0, "squared_error": 1.0, "log_likelihood": -1.0, "completed": found.figures,
    }  # fmt: skip
    assert words in verdict(found)[3]


def test_nothing_to_compare_is_no_verdict():
    found = evaluation(None)
    assert verdict(found) == ["Baselines on all 3 profiles."]


def test_examples_are_the_profiles_as_they_are():
    ours, truth, missing = completed("cells:0.3")
    found = evaluate_completion(ours, truth, most=2).examples
    known = np.where(missing, 0, truth.dense() != 0).sum(axis=(1, 2, 3))
    assert [each.name for each in found] == list(reversed(PERCENTILES))
    for each in found:
        row = np.flatnonzero((truth.dense() == each.truth).all(axis=(1, 2, 3)))[0]
        assert known[row] == np.sort(known)[(USERS - 1) * PERCENTILES[each.name] // 100]
        assert_array_equal(each.missing, missing[row])
        assert_array_equal(each.draws[0], ours.profiles.dense()[row])
        assert_allclose(each.mean[each.missing], each.draws.mean(axis=0)[each.missing], rtol=1e-6)
        assert_array_equal(each.draws[:, ~each.missing], np.tile(each.truth[~each.missing], (5, 1)))


def test_profiles_without_missing_cells_are_not_shown():
    ours, truth, _ = completed(users=3)
    assert [each.name for each in examples(ours, truth, np.array([-1, 4, -1]))] == ["median user"]
    assert examples(ours, truth, np.full(3, -1)) == ()
