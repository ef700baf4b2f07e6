"""``habitus evaluate --two-sample --privacy``: metrics.json, report, messages, imports."""

import json
import subprocess
import sys

import numpy as np
import pytest

from command_line import call
from habitus.evaluation.two_sample import pictures
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import save
from habitus.schema import Axes


@pytest.fixture(scope="module")
def folder(axes: Axes, tmp_path_factory):
    """Training, test and generated users of one kind; and generated users who are copies."""
    folder = tmp_path_factory.mktemp("told")
    rng = np.random.default_rng(0)
    sets = {}
    for name, users in (("train", 160), ("test", 110), ("generated", 120)):
        rate = rng.gamma(0.5, 0.3, (users, 1, axes.slots, 3))
        counts = rng.poisson(rate, (users, *axes.shape))
        counts[:, 0, 0, 0] += 1
        sets[name] = Profiles.from_dense(axes, counts)
    sets["copies"] = sets["train"].take(np.arange(110))
    for name, each in sets.items():
        save(folder / name, [each], axes)
    return folder


def evaluate(capsys, line: str) -> tuple[int, str, str]:
    return call(capsys, "evaluate", *line.split())


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(pictures, "_EPOCHS", 2)
    return folder


def test_both_are_in_the_figures_the_report_and_the_terminal(here, capsys, undrawn):
    line = (
        "generated --against test --train train --two-sample --privacy --json m.json --html r.html"
    )
    code, out, err = evaluate(capsys, line)
    assert (code, err) == (0, "")
    metrics = json.loads((here / "m.json").read_text())
    page = (here / "r.html").read_text()
    assert {"auc", "auc_low", "auc_high", "floor_auc", "convolutional", "features"} <= set(
        metrics["two_sample"]
    )
    assert {"near_copies", "membership_auc", "warning"} <= set(metrics["privacy"])
    assert metrics["privacy"]["warning"] is None
    assert {"daily_mean", "retention", "floor", "baselines"} <= set(metrics)
    for words in (
        "distinguished from real users by features: AUC 0.",
        "by pictures: AUC",
        "what gave them away",
        "near copies",
    ):
        assert words in out
    for words in (
        "Can generated users be distinguished from real ones?",
        "Does it give training users away?",
        "--privacy",
    ):
        assert words in page
    assert metrics["two_sample"]["features"][0]["name"] in page


def test_memorised_users_are_warned_about(here, capsys, undrawn):
    code, _, err = evaluate(
        capsys, "copies --against test --train train --privacy --json m.json --html r.html"
    )
    assert code == 0
    assert err.startswith(
        "habitus: warning: training users are memorised: 100.0% of generated profiles"
    )
    assert err.count("\n") == 1
    assert "Warning: training users are memorised" in (here / "r.html").read_text()
    metrics = json.loads((here / "m.json").read_text())
    assert metrics["privacy"]["warning"].startswith("training users are memorised")
    assert "two_sample" not in metrics


def test_the_two_sample_test_does_without_training_users(here, capsys):
    code, _, err = evaluate(capsys, "generated --against test --two-sample --json m.json")
    assert (code, err) == (0, "")
    assert (
        "two parts of the reference"
        in json.loads((here / "m.json").read_text())["two_sample"]["note"]
    )


def test_privacy_needs_training_users(here, capsys):
    code, _, err = evaluate(capsys, "generated --against test --privacy")
    assert code == 2
    assert (
        err == "habitus: --privacy looks for users that the model was trained on; give them with "
        "--train\n"
    )


def test_nothing_heavy_is_loaded_where_neither_is_asked_for(here):
    program = (
        "import sys; from habitus.cli import main; from habitus.report import svg\n"
        "svg._draw = lambda figure: '<svg></svg>'\n"
        "try: main(['evaluate', 'generated', '--against', 'test', '--train', 'train', '--html', "
        "'r.html'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'sklearn', 'lightning_fabric'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
