"""``habitus evaluate`` of profiles whose missing cells were filled."""

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from conftest import random_profiles
from habitus.evaluation.baselines.completion import COMPLETION_BASELINES
from habitus.models.parts.masks import parse_mask
from habitus.profiles.completed import CompletedPiece, open_profiles, save_completed
from habitus.profiles.store import save
from habitus.schema import Filled
from habitus.synthesis.completion import with_first_draw

USERS = 40
SAMPLES = 6
REGION = {
    "squared_error",
    "mean_absolute_error",
    "crps",
    "coverage_50",
    "coverage_90",
    "log_likelihood",
}


def fill(path, truth, unit):
    """Write a set whose centre was filled from other profiles."""
    mask = parse_mask("centre", truth.axes).fixed
    assert mask is not None
    missing = np.broadcast_to(mask, (USERS, *truth.axes.shape)).reshape(USERS, -1)
    row, cell = np.nonzero(missing)
    others = [random_profiles(truth.axes, USERS, seed=5 + k).in_unit(unit) for k in range(SAMPLES)]
    draws = np.stack([other.dense().reshape(USERS, -1)[row, cell] for other in others]).astype(
        np.float32
    )
    filled = Filled(USERS, row, cell, draws.mean(axis=0), draws)
    piece = CompletedPiece(with_first_draw(truth.in_unit(unit), filled), filled)
    how = {"mask": "centre", "samples": SAMPLES, "seed": 0}
    save_completed(
        path, [piece], piece.profiles.axes, mask, {"completed": how, "zero_threshold": 0.0}
    )


def keep(path, *pieces):
    save(path, pieces, pieces[0].axes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, axes):
    """Counts and peaks that were completed, their truth, and a set that was not."""
    path = tmp_path_factory.mktemp("completion")
    truth = random_profiles(axes, USERS)
    keep(path / "test", truth)
    keep(path / "train", random_profiles(axes, USERS, seed=3))
    fill(path / "count", truth, "count")
    fill(path / "peak", truth, "peak")
    return path


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("unit", ["count", "peak"])
def test_metrics_json_has_the_region_and_its_baselines(here, capsys, unit):
    code, out, err = call(
        capsys, "evaluate", unit, "--against", "test", "--train", "train", "--region", "centre",
        "--most", "8",
        "--json", "metrics.json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    metrics = json.loads(Path("metrics.json").read_text())
    assert metrics["users"] == USERS
    assert {"daily_mean", "total_cdf", "dau"} <= set(metrics)
    region = metrics["region"]
    baselines = metrics["baselines"]
    assert set(region) >= REGION
    assert (region["mask"], region["judged"], region["samples"]) == ("centre", "centre", SAMPLES)
    assert region["cells"] == sum(stop - start for start, stop in open_profiles(unit).gaps)
    assert len(region["calibration"]["nominal"]) == len(region["calibration"]["day"]) == 19
    assert region["note"] == f"baselines on 8 of {USERS} profiles drawn at random"
    assert list(baselines) == ["independent_cells", *COMPLETION_BASELINES]
    assert all(set(baselines[name]) >= REGION for name in COMPLETION_BASELINES)
    assert "daily_mean" in baselines["independent_cells"]
    for words in (
        "method",
        "CRPS per day",
        "completed",
        "nearest neighbours",
        "Daily mean, shape",
        "metrics.json: written",
    ):
        assert words in out


def test_the_population_figures_are_those_of_the_first_draw(here, capsys, tmp_path):
    keep(tmp_path / "plain", *open_profiles("count").chunks())
    for name, path in (("count", "count"), ("plain", str(tmp_path / "plain"))):
        assert (
            call(
                capsys,
                "evaluate",
                path,
                "--against",
                "test",
                "--most",
                "1",
                "--json",
                f"{name}.json",
            )[0]
            == 0
        )
    filled, plain = (json.loads(Path(f"{name}.json").read_text()) for name in ("count", "plain"))
    assert filled["region"]["judged"] == "all missing cells"
    assert "region" not in plain
    for key in ("daily_mean", "daily_std", "total_cdf", "dau", "hour_of_day"):
        assert filled[key] == plain[key]


def test_a_part_of_what_was_missing_can_be_judged_alone(here, capsys, tmp_path):
    whole = tmp_path / "whole.json"
    part = tmp_path / "part.json"
    args = ("evaluate", "count", "--against", "test", "--most", "1", "--json")
    assert call(capsys, *args, str(whole))[0] == 0
    assert call(capsys, *args, str(part), "--region", "rectangle:4-5,4-6")[0] == 0
    whole, part = (json.loads(path.read_text())["region"] for path in (whole, part))
    assert part["cells"] == 2 * 3 < whole["cells"]
    assert part["squared_error"] < whole["squared_error"]


def test_the_report_tells_how_it_came_about(here, capsys, tmp_path, undrawn):
    path = tmp_path / "r.html"
    code, out, _ = call(
        capsys,
        "evaluate",
        "peak",
        "--against",
        "test",
        "--most",
        "2",
        "--region",
        "centre",
        "--html",
        str(path),
    )
    assert code == 0
    assert f"{path}: written" in out
    for words in (
        "What was filled in",
        "--region centre --most 2",
        "centre; evaluated: centre",
        "baselines on 2 of 40",
    ):
        assert words in path.read_text()


@pytest.mark.parametrize(
    ("judged", "region", "words"),
    [
        ("test", "centre", "test was not completed; leave it out"),
        ("count", "cells:0.5", "--region cells:0.5 differs from profile to profile"),
        ("count", "any", "--region any differs from profile to profile"),
        ("count", "middle", "no mask 'middle'; a mask is one of centre"),
        ("count", "last:2", "expected each cell of the region to be missing in some profile"),
    ],
)
def test_regions_that_cannot_be_judged_are_told_in_one_line(
    here, capsys, tmp_path, judged, region, words
):
    path = tmp_path / "m.json"
    code, out, err = call(
        capsys, "evaluate", judged, "--against", "test", "--region", region, "--json", str(path)
    )
    assert (code, out) == (2, "")
    assert err.startswith("habitus: ")
    assert words in err
    assert err.count("\n") == 1
    assert not path.exists()


def test_other_profiles_than_those_that_were_completed_are_refused(here, capsys):
    keep("fewer", random_profiles(open_profiles("test").axes, USERS - 1))
    code, _, err = call(capsys, "evaluate", "count", "--against", "fewer")
    assert code == 2
    assert "expected the same profiles in both sets" in err
