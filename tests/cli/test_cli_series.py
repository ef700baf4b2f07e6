"""Files of series through the commands: evaluation of each kind, and refusals."""

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from command_line import call
from habitus.cli import main
from habitus.cli.evaluate import series as evaluation
from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.two_sample.series import Discriminator, Predictor

ROWS = 400
SCALE = 0.1
GAPS = slice(100, 110)
FIT = "--model lstm --set hidden=4 --set window=8 --epochs 1 --batch 8"
FLOW = (
    f"fit real.csv --column load --scale {SCALE} {FIT} --train-share 0.8 --out run",
    "generate run --steps 40 --series 12 --out generated.parquet",
    "forecast run real.csv --steps 8 --samples 20 --after 0.9 --every 8 --out ahead.parquet",
    "forecast run real.csv --steps 8 --samples 20 --out beyond.parquet",
    "complete run noisy.csv --out cleaned.parquet",
    f"fit homes.csv --column load --column heat --time when --series-id home {FIT} --out pair",
    "generate pair --steps 20 --series 30 --out pairs.parquet",
    "forecast pair homes.csv --steps 4 --samples 10 --after 0.8 --every 8 --out "
    "pairs-ahead.parquet",
    "complete pair homes.csv --out pairs-cleaned.parquet",
)
GENERATED = {"transitions", "marginal", "autocorrelation", "cross_correlation"}


def run(capsys, line: str) -> tuple[int, str, str]:
    return call(capsys, *line.split())


def walk(rows: int, seed: int) -> np.ndarray:
    """A series with memory, of few distinct values."""
    noise = np.random.default_rng(seed).normal(size=rows)
    values = np.zeros(rows)
    for row in range(1, rows):
        values[row] = 0.8 * values[row - 1] + noise[row]
    return np.round(values + 10, 1)


def write(name: str, **columns) -> None:
    """A CSV in which NaN is an empty cell."""
    rows = [columns, *zip(*columns.values(), strict=True)]
    lines = [",".join("" if value != value else str(value) for value in row) for row in rows]
    Path(name).write_text("\n".join(lines) + "\n")


def noisy_values() -> np.ndarray:
    noisy = walk(ROWS, 0) + np.random.default_rng(1).normal(0, 0.5, ROWS)
    noisy[GAPS] = np.nan
    return noisy


def make_files() -> None:
    real = walk(ROWS, 0)
    noisy = noisy_values()
    write("real.csv", pod=range(ROWS), load=real, text=["a"] * ROWS)
    write("noisy.csv", load=noisy)
    write("short.csv", load=real[:-1])
    write("empty.csv", load=np.full(ROWS, np.nan), other=real)
    write("other.csv", heat=real)
    write("foreign.csv", load=walk(ROWS, 2))
    hours = np.datetime64("2026-01-01") + np.arange(200).astype("timedelta64[h]")
    homes = {"home": np.repeat(["b", "a"], 100), "when": np.tile(hours[:100], 2)}
    write("homes.csv", **homes, load=walk(200, 3), heat=walk(200, 4))
    write(
        "later.csv",
        **(homes | {"when": np.tile(hours[100:], 2)}),
        load=walk(200, 3),
        heat=walk(200, 4),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Real series, two small runs, and one of each kind of file that they make."""
    path = tmp_path_factory.mktemp("series")
    with contextlib.chdir(path):
        make_files()
        for line in FLOW:
            with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as stop:
                main(line.split())
            assert not stop.value.code, line
    return path


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def metrics_of(capsys, line: str) -> dict:
    """What a command that judges wrote; it complains of nothing."""
    code, out, err = run(capsys, f"evaluate {line} --json metrics.json")
    assert (code, err) == (0, "")
    assert "metrics.json: written\n" in out
    return json.loads(Path("metrics.json").read_text())


def page_of(capsys, line: str) -> tuple[dict, str]:
    """The same, and the page."""
    metrics = metrics_of(capsys, f"{line} --html report.html")
    return metrics, Path("report.html").read_text()


def headings(page: str) -> list[str]:
    return re.findall("<h[123]>(.*?)</h[123]>", page)


def test_generated_series_stand_beside_baselines_and_floor(here, capsys):
    metrics = metrics_of(capsys, "generated.parquet --against real.csv --steps 1,3")
    assert metrics.keys() >= GENERATED
    assert set(metrics["baselines"]) == set(SERIES_BASELINES)
    for part in (metrics, metrics["floor"], *metrics["baselines"].values()):
        assert {"printed", "weighted"} < set(part["transitions"])
        assert set(part["transitions"]["by_step"]) == {"1", "3"}
        assert 0 <= part["marginal"]["ks"] <= 1
        assert part["autocorrelation"]["mse"] >= 0
    assert metrics["unit"]["scale"] == SCALE
    assert (metrics["series"], metrics["steps"], metrics["seed"]) == (12, 40, 0)
    drawn = pq.read_table("generated.parquet")["load"].to_numpy()
    real = walk(ROWS, 0)
    assert metrics["marginal"]["ks"] == pytest.approx(
        stats.ks_2samp(drawn, real).statistic, abs=0.01
    )


def test_page_of_generated_series(here, capsys):
    _, page = page_of(capsys, "generated.parquet --against real.csv --train-share 0.8")
    assert headings(page)[0] == "Generated series against real ones"
    assert {"Distribution of values", "Autocorrelation", "Real and generated stretches"} <= set(
        headings(page)
    )
    assert page.count("<svg") == 3
    assert "load × 0.1" in page
    assert "Distance from a perfect score" in page
    assert "--train-share 0.8" in page


def test_the_real_series_themselves_are_perfect(here, capsys, undrawn):
    """A foreign file counts as generated; nothing is nearer to the real series than they are."""
    metrics, page = page_of(capsys, "real.csv --against real.csv --column load")
    assert (
        metrics["transitions"]["printed"]
        == metrics["transitions"]["weighted"]
        == pytest.approx(100)
    )
    assert metrics["marginal"]["ks"] == metrics["autocorrelation"]["mse"] == 0
    assert "As good as another real sample: transitions, values and autocorrelation." in page
    assert "on all 3 scores" in page


def test_train_share_parts_the_real_series_by_time(here, capsys):
    """The floor is then the first part against the rest, and the rest is what is judged against."""
    metrics = metrics_of(capsys, "generated.parquet --against real.csv --train-share 0.8")
    real = walk(ROWS, 0)
    early = real[:320]
    late = real[320:]
    assert metrics["real"] == {"series": 1, "rows": 80}
    assert metrics["floor"]["marginal"]["ks"] == pytest.approx(
        stats.ks_2samp(early, late).statistic
    )
    write("early.csv", load=early)
    write("late.csv", load=late)
    parted = metrics_of(capsys, "generated.parquet --against late.csv --train early.csv")
    assert parted["floor"] == metrics["floor"]
    assert parted["baselines"] == metrics["baselines"]


def test_cleaned_series_stand_beside_identity_and_posterior_mean(here, capsys):
    metrics, page = page_of(capsys, "cleaned.parquet --against real.csv --noisy noisy.csv")
    assert set(metrics["baselines"]) == {"identity", "posterior_mean"}
    truth = walk(ROWS, 0) * SCALE
    cleaned = pq.read_table("cleaned.parquet")["load"].to_numpy() * SCALE
    assert metrics["reconstruction"]["mse"] == pytest.approx(
        np.mean((cleaned - truth) ** 2), rel=1e-3
    )
    in_gaps = np.mean((cleaned[GAPS] - truth[GAPS]) ** 2)
    assert metrics["reconstruction"]["mse_gaps"] == pytest.approx(in_gaps, rel=1e-3)
    identity = metrics["baselines"]["identity"]["reconstruction"]
    noisy = noisy_values() * SCALE
    noisy[GAPS] = noisy[99]
    assert identity["mse"] == pytest.approx(np.mean((noisy - truth) ** 2), rel=1e-3)
    assert {"Cleaned series against the truth", "Errors", "Stretches"} <= set(headings(page))
    assert "than the series as given has" in page


def test_what_was_noisy_is_no_better_than_identity(here, capsys, undrawn):
    """A file from elsewhere counts as cleaned where --noisy is given."""
    write("whole.csv", load=np.nan_to_num(noisy_values(), nan=10.0))
    metrics, page = page_of(capsys, "whole.csv --against real.csv --noisy whole.csv")
    assert metrics["reconstruction"] == metrics["baselines"]["identity"]["reconstruction"]
    assert "Better than" not in page.split("</ul>")[0].split("identity")[0]


def test_train_share_of_a_cleaned_series_judges_the_rest(here, capsys):
    metrics = metrics_of(
        capsys, "cleaned.parquet --against real.csv --noisy noisy.csv --train-share 0.5"
    )
    truth = walk(ROWS, 0) * SCALE
    cleaned = pq.read_table("cleaned.parquet")["load"].to_numpy() * SCALE
    assert metrics["reconstruction"]["mse"] == pytest.approx(
        np.mean((cleaned - truth)[200:] ** 2), rel=1e-3
    )
    assert metrics["reconstruction"]["mse_gaps"] is None


def test_forecasts_are_judged_by_steps_ahead(here, capsys):
    metrics, page = page_of(capsys, "ahead.parquet --against real.csv")
    assert set(metrics["horizon"]) == {"1", "6"}
    assert set(metrics["baselines"]) == set(SERIES_BASELINES)
    for part in (metrics, *metrics["baselines"].values()):
        assert all({"crps", "coverage_90"} <= set(part["horizon"][step]) for step in ("1", "6"))
    assert "floor" not in metrics
    table = pq.read_table("ahead.parquet").to_pandas()
    first = table[table["step"] == 1]
    real = walk(ROWS, 0)
    draws = first["load"].to_numpy().reshape(-1, 20) * SCALE
    came = real[first["origin"].to_numpy().reshape(-1, 20)[:, 0]] * SCALE
    apart = np.abs(draws[:, :, None] - draws[:, None, :]).mean(axis=(1, 2)) / 2
    expected = np.mean(np.abs(draws - came[:, None]).mean(axis=1) - apart * 20 / 19)
    assert metrics["horizon"]["1"]["crps"] == pytest.approx(expected, rel=1e-3)
    assert metrics["origins"] == len(draws)
    assert {"Scores by steps ahead", "Fan charts"} <= set(headings(page))
    assert "CRPS, in brackets the best baseline" in page
    assert metrics_of(capsys, "ahead.parquet --against real.csv --steps 2,8")["horizon"].keys() == {
        "2",
        "8",
    }


def test_baselines_of_forecasts_learn_from_the_share_or_from_before_the_first_origin(here, capsys):
    before = metrics_of(capsys, "ahead.parquet --against real.csv")
    share = metrics_of(capsys, "ahead.parquet --against real.csv --train-share 0.9")
    less = metrics_of(capsys, "ahead.parquet --against real.csv --train-share 0.3")
    first = pq.read_table("ahead.parquet")["origin"].to_numpy().min()
    assert first in (0.9 * ROWS, 0.9 * ROWS + 1)
    assert less["baselines"]["independent"] != before["baselines"]["independent"]
    if first == 0.9 * ROWS:
        assert share["baselines"] == before["baselines"]


def test_origins_without_truth_are_left_out(here, capsys):
    """A file that ends early judges the origins before its end."""
    whole = metrics_of(capsys, "ahead.parquet --against real.csv")
    real = walk(ROWS, 0)
    last = pq.read_table("ahead.parquet")["origin"].to_numpy().max()
    write("early-end.csv", load=real[:last])
    metrics = metrics_of(capsys, "ahead.parquet --against early-end.csv")
    assert metrics["origins"] == whole["origins"] - 1


def test_several_series_of_several_variables(here, capsys):
    """The columns of times and series are known to the files, or are named."""
    metrics, page = page_of(capsys, "pairs-ahead.parquet --against homes.csv")
    assert metrics["variables"] == ["load", "heat"]
    assert metrics["unit"]["crps"] == "in standard deviations"
    assert "series a, after step" in page
    metrics = metrics_of(capsys, "pairs-cleaned.parquet --against homes.csv --noisy homes.csv")
    assert metrics["baselines"]["identity"]["reconstruction"]["mse"] == pytest.approx(0, abs=1e-9)
    metrics = metrics_of(capsys, "pairs.parquet --against homes.csv --time when --series-id home")
    assert metrics["real"] == {"series": 2, "rows": 200}
    assert metrics["cross_correlation"]["mse"] is not None


def test_more_than_six_variables_are_drawn_in_part(here, capsys, undrawn):
    names = [f"v{number}" for number in range(7)]
    write("wide.csv", **{name: walk(40, seed) for seed, name in enumerate(names)})
    _, page = page_of(capsys, "wide.csv --against wide.csv")
    assert "The first 6 of 7 variables are drawn." in page


def test_two_sample_scores_and_their_floor(here, capsys, monkeypatch, undrawn):
    monkeypatch.setattr(evaluation, "DISCRIMINATOR", Discriminator(hidden=2, iterations=5))
    monkeypatch.setattr(evaluation, "PREDICTOR", Predictor(hidden=2, iterations=5))
    for line in (
        "generated.parquet --against real.csv",
        "pairs.parquet --against homes.csv --series-id home",
    ):
        metrics, page = page_of(capsys, f"{line} --two-sample")
        for part in (metrics, metrics["floor"]):
            assert 0 <= part["two_sample"]["discriminative"] <= 0.5
            assert part["two_sample"]["predictive"] > 0
        assert "--two-sample" in page


def test_same_seed_same_scores(here, capsys):
    first, again = (
        metrics_of(capsys, "generated.parquet --against real.csv --seed 3") for _ in range(2)
    )
    assert first == again
    assert (
        metrics_of(capsys, "generated.parquet --against real.csv --seed 4")["baselines"]
        != first["baselines"]
    )


def test_the_terminal_shows_the_table(here, capsys):
    code, out, _ = run(capsys, "evaluate generated.parquet --against real.csv")
    assert code == 0
    for words in (
        "transitions, weighted",
        "floor",
        "Markov chain",
        "ARIMA",
        "values, KS distance",
        "times 0.1",
    ):
        assert words in out


# fmt: off
REFUSED = {
    "generated.parquet --against real.csv --region centre":
        "--region is for profiles, but series were given",
    "generated.parquet --against real.csv --most 5": "--most is for profiles",
    "generated.parquet --against real.csv --run run": "--run is for profiles",
    "run --against real.csv --steps 3": "--steps is for series, but profiles were given",
    "generated.parquet --against real.csv --privacy":
        "--privacy is for profiles, but series were given",
    "run --against real.csv --column load": "--column is for series",
    "run --against real.csv --train-share 0.5": "--train-share is for series",
    "nothing.parquet --against real.csv": "nothing.parquet",
    "generated.parquet --against nothing.csv": "no such file: nothing.csv",
    "generated.parquet --against run": "got the folder run",
    "generated.parquet --against other.csv": "no column 'load'",
    "other.csv --against generated.parquet": "no column 'heat'",
    "generated.parquet --against ahead.parquet":
        "expected a file of series at ahead.parquet, got one of forecast",
    "generated.parquet --against real.csv --noisy noisy.csv": "generated.parquet was generated",
    "generated.parquet --against real.csv --train foreign.csv --train-share 0.5":
        "--train or --train-share",
    "generated.parquet --against real.csv --train-share 1.5": "--train-share must be below 1",
    "generated.parquet --against real.csv --steps 1,x": "--steps must be distinct numbers",
    "generated.parquet --against real.csv --steps 0": "--steps must be distinct numbers",
    "generated.parquet --against real.csv --steps 3,3": "--steps must be distinct numbers",
    "generated.parquet --against real.csv --steps 40":
        "40 steps are too short for transitions over 40",
    "generated.parquet --against real.csv --buckets 5000": "1 to 4,000 buckets",
    "cleaned.parquet --against real.csv": "--noisy noisy.csv",
    "cleaned.parquet --against real.csv --noisy short.csv":
        "short.csv, the noisy one, has 399 rows",
    "cleaned.parquet --against short.csv --noisy noisy.csv":
        "short.csv, the clean one, has 399 rows",
    "cleaned.parquet --against empty.csv --noisy noisy.csv": "has no value in any row",
    "cleaned.parquet --against real.csv --noisy noisy.csv --steps 2":
        "--buckets and --steps are for generated",
    "cleaned.parquet --against real.csv --noisy noisy.csv --two-sample":
        "--two-sample is for generated series",
    "pairs-cleaned.parquet --against later.csv --noisy homes.csv":
        "the clean one, has no rows in common",
    "ahead.parquet --against real.csv --noisy noisy.csv": "ahead.parquet is a forecast",
    "ahead.parquet --against real.csv --steps 9": "--steps 9 is beyond the 8 steps",
    "ahead.parquet --against real.csv --two-sample": "--two-sample is for generated series",
    "ahead.parquet --against real.csv --column load": "a forecast knows its columns",
    "ahead.parquet --against half.csv": "expected 3[0-9]* rows of series '0' or more",
    "ahead.parquet --against other.csv": "no column 'load'",
    "beyond.parquet --against real.csv": "--against must go on after the forecast's origin",
    "pairs-ahead.parquet --against one-home.csv":
        "the forecast is of series 'a', which is not among",
    "half.parquet --against real.csv": "is no readable Parquet file",
}
# fmt: on


@pytest.mark.parametrize("line", REFUSED)
def test_refused_in_one_line(here, capsys, line):
    real = walk(ROWS, 0)
    write("half.csv", load=real[:200])
    (here / "half.parquet").write_bytes((here / "generated.parquet").read_bytes()[:900])
    hours = np.datetime64("2026-01-01") + np.arange(100).astype("timedelta64[h]")
    write("one-home.csv", home=["b"] * 100, when=hours, load=real[:100], heat=real[:100])
    code, out, err = run(capsys, f"evaluate {line} --json refused.json --html refused.html")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(REFUSED[line], err)
    assert not list(here.glob("*refused*"))


@pytest.mark.parametrize(
    ("known", "words"), [(20, "no rows in common"), (30, "lacks 10 values that second.csv has")]
)
def test_cleaned_series_that_lack_values_are_refused(here, capsys, known, words):
    ours = walk(40, 0)
    theirs = walk(40, 0)
    ours[known:] = np.nan
    theirs[:20] = np.nan
    write("first.csv", load=ours)
    write("second.csv", load=theirs)
    code, _, err = run(capsys, "evaluate first.csv --against second.csv --noisy first.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert words in err


def days(*numbers: int) -> list[str]:
    return [f"2026-01-{number:02}" for number in numbers]


STEPS = [float(number % 7) for number in range(20)]
BAD = {
    "text": ({"load": ["1.5", "much"] * 10}, "", "'load'.*much"),
    "nothing": ({"load": [np.nan] * 20, "heat": STEPS}, "", "'load' has no value in any row"),
    "constant": ({"load": [3.0] * 20}, "", "'load' is 3 in every row"),
    "shorter than the window": ({"load": STEPS[:5]}, "", "shorter than a window of 8 rows"),
    "infinite": ({"load": [*STEPS[:-1], np.inf]}, "", "'load' is infinite in data row 20"),
    "unsorted": (
        {"when": days(1, 3, 2), "load": STEPS[:3]},
        "--time when",
        "sort the rows by 'when'",
    ),
    "twice the same time": (
        {"when": days(1, 2, 2), "load": STEPS[:3]},
        "--time when",
        "the same time",
    ),
    "no such column": ({"heat": STEPS}, "", "no column 'load'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_series_are_refused_by_a_fit_that_leaves_nothing_behind(
    tmp_path, monkeypatch, capsys, name
):
    monkeypatch.chdir(tmp_path)
    columns, options, words = BAD[name]
    write("bad.csv", **columns)
    code, out, err = run(capsys, f"fit bad.csv --column load {options} {FIT} --out run")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(words, err)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    "command",
    ["forecast pair real.csv --steps 2", "complete pair real.csv", "complete run other.csv"],
)
def test_series_of_other_variables_than_a_runs_are_refused(here, capsys, command):
    code, out, err = run(capsys, f"{command} --out refused.parquet")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert "no column" in err
    assert not (here / "refused.parquet").exists()


@pytest.mark.parametrize(
    ("command", "verb"),
    [
        ("complete run noisy.csv", "habitus.synthesis.clean"),
        ("forecast run real.csv --steps 2", "habitus.forecast"),
        ("generate run", "habitus.generate"),
    ],
)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("refused.csv", "written as Parquet, not as .csv"),
        (".", "choose another --out"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_the_work(
    here, capsys, monkeypatch, command, verb, path, words
):
    monkeypatch.setattr(verb, None)
    code, out, err = run(capsys, f"{command} --out {path}")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert words in err


def test_a_table_that_habitus_did_not_write_may_have_any_other_columns(here, capsys):
    values = walk(60, 5)
    pq.write_table(pa.table({"load": values, "label": ["x"] * 60}), "table.parquet")
    assert metrics_of(capsys, "table.parquet --against real.csv")["variables"] == ["load"]
